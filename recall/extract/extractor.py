"""Extraction of new tags from titles: phrases of the title and phrases composed of them, with probabilities.

Three sources of names:

    spans          a run of the title's words (recall/extract/spans.py), as written and without accents
    unions         two spans that are not adjacent, in either order: "maria becerra mienteme"
    compositions   a span with one or two added words, a template that several uploaders use: "<span> letra"

Labelled titles teach which of them are tags. Every count is in uploaders, each once: the number with the phrase as a
tag, in a title, in both; the number with a word at the start, at the end, inside or next to a span that is a tag. While
training on a video, its own uploader is left out of every count; otherwise the count "one uploader has this tag" would
leak the label. Two networks with one hidden layer turn counts, position and spelling into log-odds; logistic curves
(Platt 1999), fitted on uploaders that the networks did not see, turn these into probabilities, for known and for new
names separately.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from recall.extract.compositions import compositions
from recall.extract.counting import Counted, Video, count, labelled_videos, readable
from recall.extract.counts import NO_UPLOADER, TABLES, Counts, Own, least_of
from recall.extract.nets import Net, fit_curve, train
from recall.extract.phrases import Names, named_spans
from recall.extract.spans import Span, Token, tokens
from recall.extract.templates import Cues, Template, taken_apart
from tagging.errors import ArtifactCorruptError, ArtifactMismatchError, ArtifactNotFoundError
from tagging.text.normalise import aligned, normalise
from tagging.types import FloatRows

FORMAT = 1
LEARNT_FROM = 10_000  # training videos of the first network; counts use all videos
COMPOSED_FROM = 6_000  # of these, training videos of the second network
HELD_BACK = 0.2  # share of their uploaders, for fitting the curves
_CUE_ARRAYS = ("starts", "templates", "together", "users")


@dataclass(frozen=True, slots=True)
class NewTag:
    """A phrase proposed as a tag of the video."""

    name: str  # with the title's spelling
    probability: float  # that the creator used it, in [0, 1]
    text: str  # the characters of the title it comes from


class TagExtractor:
    """Proposes tags from a title. Its trained state is arrays and the words of templates."""

    def __init__(self, counted: Counted, nets: tuple[Net, Net], curves: NDArray[np.float64]) -> None:
        """nets: for spans (is a tag, is part of one) and for compositions; curves: (2 nets, new or known, 2)."""
        self._counted = counted
        self._nets = nets
        self._curves = curves

    def propose(self, title: str, description: str, limit: int, least: float = 0.0) -> list[NewTag]:
        """Return at most `limit` tags with a probability of `least`, most probable first; names of the catalog, too.

        Without a title the first line of the description is read. A text without words gives an empty list.
        """
        original = readable(title, description)
        text, starts, ends = aligned(original)
        words = tokens(text)
        best: dict[str, NewTag] = {}
        for names, probabilities in self._probabilities(text, words):
            for row in np.flatnonzero(probabilities >= least).tolist():
                name, (first, last), probability = names.names[row], names.positions[row], float(probabilities[row])
                form = normalise(name)
                if form not in best or best[form].probability < probability:
                    evidence = original[starts[words[first].start] : ends[words[last - 1].end - 1]]
                    best[form] = NewTag(name, probability, evidence)
        return sorted(best.values(), key=lambda tag: (-tag.probability, tag.name))[:limit]

    def _probabilities(self, text: str, words: list[Token]) -> Iterator[tuple[Names, NDArray[np.float64]]]:
        if not words:
            return
        found, simple = named_spans(self._counted, text, words, NO_UPLOADER)
        odds = self._nets[0](simple.features)
        yield simple, self._probability(0, odds, simple)
        composed = compositions(self._counted, words, found, simple, odds, NO_UPLOADER)
        if composed.names:
            yield composed, self._probability(1, self._nets[1](composed.features), composed)

    def _probability(self, net: int, odds: FloatRows, names: Names) -> NDArray[np.float64]:
        slope, intercept = self._curves[net, self._counted.known(names.keys, NO_UPLOADER).astype(int)].T
        return np.asarray(1.0 / (1.0 + np.exp(-(slope * odds[:, 0] + intercept))), np.float64)

    @classmethod
    def fit(
        cls,
        titles: Sequence[str],
        tags_per_video: Sequence[Sequence[str]],
        uploaders: Sequence[str],
        rng: np.random.Generator,
    ) -> "TagExtractor":
        """Train on V videos with raw tags; videos without tags or without words are left out.

        Raises ValueError if no span of any title is a tag of its video.
        """
        videos = labelled_videos(titles, tags_per_video, uploaders)
        counted, own_by_uploader = count(videos)
        picked = [videos[row] for row in rng.permutation(len(videos))[:LEARNT_FROM]]
        names = sorted({video.uploader for video in picked})
        held = {names[row] for row in rng.permutation(len(names))[: int(HELD_BACK * len(names))]}
        is_held = np.array([video.uploader in held for video in picked])

        words = [tokens(video.text) for video in picked]
        candidates = [
            named_spans(counted, video.text, video_tokens, own_by_uploader[video.uploader])
            for video, video_tokens in zip(picked, words, strict=True)
        ]
        truth = [_span_truth(*parts) for parts in zip(picked, words, candidates, strict=True)]
        if not any(rows[:, 0].any() for rows in truth):
            raise ValueError(f"none of {len(videos)} tagged videos has a tag that occurs in its title")
        first = train([simple.features for _, simple in candidates], truth, ~is_held, rng)
        curves = [
            _curves(counted, own_by_uploader, first, picked, [simple for _, simple in candidates], truth, is_held)
        ]

        subset = slice(0, COMPOSED_FROM)
        composed = [
            compositions(counted, tokens_of, found, simple, first(simple.features), own_by_uploader[video.uploader])
            for video, tokens_of, (found, simple) in zip(picked[subset], words[subset], candidates[subset], strict=True)
        ]
        truth = [_is_tag(video, names) for video, names in zip(picked[subset], composed, strict=True)]
        second = train([names.features for names in composed], truth, ~is_held[subset], rng)
        curves.append(_curves(counted, own_by_uploader, second, picked[subset], composed, truth, is_held[subset]))
        return cls(counted, (first, second), np.array(curves))

    def save(self, folder: Path) -> None:
        """Write arrays to extract.npz and words to extract.json; creates the folder if needed."""
        counted = self._counted
        arrays: dict[str, NDArray[Any]] = {"curves": self._curves}
        for table, counts in counted.tables.items():
            arrays |= {f"{table}.keys": counts.keys, f"{table}.uploaders": counts.uploaders}
        cues = counted.cues
        arrays |= {"cues.keys": cues.cues.keys, "cues.uploaders": cues.cues.uploaders}
        arrays |= {f"cues.{name}": getattr(cues, name) for name in _CUE_ARRAYS}
        for index, net in enumerate(self._nets):
            arrays |= {f"net{index}.{field.name}": getattr(net, field.name) for field in fields(Net)}
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(folder / "extract.npz", allow_pickle=False, **arrays)
        templates = [[template.prefix, template.suffix] for template in counted.templates]
        words = {"format": FORMAT, "everyone": cues.everyone, "templates": templates}
        (folder / "extract.json").write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "TagExtractor":
        """Load what `save` wrote. Raises ArtifactNotFoundError, ArtifactCorruptError or ArtifactMismatchError."""
        try:
            words = json.loads((folder / "extract.json").read_text(encoding="utf-8"))
            if words["format"] != FORMAT:
                raise ArtifactMismatchError(f"{folder} holds an extractor of format {words['format']}, not {FORMAT}")
            # NumPy does not close a truncated file.
            with (folder / "extract.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            tables = {
                name: Counts(arrays[f"{name}.keys"], arrays[f"{name}.uploaders"], least_of(name)) for name in TABLES
            }
            title_cues = Counts(arrays["cues.keys"], arrays["cues.uploaders"], least_of("cues"))
            pairs = {name: arrays[f"cues.{name}"] for name in _CUE_ARRAYS}
            cues = Cues(title_cues, **pairs, everyone=int(words["everyone"]))
            templates = [Template(prefix, suffix) for prefix, suffix in words["templates"]]
            nets = [Net(*(arrays[f"net{index}.{field.name}"] for field in fields(Net))) for index in range(2)]
            counted = Counted(tables, templates, cues)
            return cls(counted, (nets[0], nets[1]), arrays["curves"])
        except FileNotFoundError as error:
            raise ArtifactNotFoundError(f"{folder} contains no extractor: {error.filename} is missing") from error
        except (BadZipFile, ValueError, KeyError, TypeError, EOFError) as error:
            raise ArtifactCorruptError(f"{folder} contains a damaged extractor: {error}") from error


def _span_truth(video: Video, words: Sequence[Token], candidates: tuple[list[Span], Names]) -> NDArray[np.bool_]:
    """(n, 2) True: the name is a tag; a tag is composed from it."""
    composed = {base for _, base in taken_apart(video.tags, words)}
    tags = [f" {tag} " for tag in video.tags]
    truth = np.zeros((len(candidates[0]), 2), np.bool_)
    for row, (span, name) in enumerate(zip(candidates[0], candidates[1].names, strict=True)):
        form = normalise(name)
        truth[row] = form in video.tags, span.key in composed and any(f" {form} " in tag for tag in tags)
    return truth


def _is_tag(video: Video, names: Names) -> NDArray[np.bool_]:
    """(n, 1) True: the name is a tag of the video."""
    return np.array([[normalise(name) in video.tags] for name in names.names], np.bool_).reshape(-1, 1)


def _curves(
    counted: Counted,
    own_by_uploader: Mapping[str, Own],
    net: Net,
    videos: Sequence[Video],
    names: Sequence[Names],
    truth: Sequence[NDArray[np.bool_]],
    is_held: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """(2, 2) slope and intercept for new and for known names, fitted on the held-out videos."""
    held = [video for video in np.flatnonzero(is_held).tolist() if names[video].names]
    odds = np.concatenate([np.zeros(0), *(net(names[video].features)[:, 0] for video in held)])
    is_tag = np.concatenate([np.zeros(0, np.bool_), *(truth[video][:, 0] for video in held)])
    known = np.concatenate(
        [
            np.zeros(0, np.bool_),
            *(counted.known(names[video].keys, own_by_uploader[videos[video].uploader]) for video in held),
        ]
    )
    return np.array([fit_curve(odds[known == is_known], is_tag[known == is_known]) for is_known in (False, True)])
