"""Tags that no labelled video has: phrases of the title, and phrases composed of them.

Three sources of names, one probability each:

    spans          a run of the title's words (recall/extract/spans.py), as written and without accents
    unions         two spans that do not stand side by side, in either order: "maria becerra mienteme"
    compositions   a span with one or two words around it, a template that several uploaders use: "<span> letra"

Which of them are tags is learnt from labelled titles. Whatever is counted is counted in uploaders, each once: how many
have the phrase as a tag, in a title, in both; how many have a word at the start, at the end, inside or beside a span
that is a tag. When a video is learnt from, its own uploader is left out of every count, or the counts would say "this
phrase is a tag of one uploader", which is the answer. Two networks of one hidden layer turn counts, place and spelling
into log-odds; logistic curves (Platt 1999), fitted on uploaders that the networks did not learn from, make them
probabilities, for known and for new names apart.

A first draft of the span network (121 features, 64 hidden units) ordered the spans of 2,500 real titles of unseen
uploaders with an average precision of 0.54 (new names: 0.39), gradient-boosted trees over the same with 0.49 (0.38).
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
from recall.extract.counts import NOBODY, TABLES, Counts, Floats, Own, least_of
from recall.extract.nets import Net, fit_curve, train
from recall.extract.phrases import Names, named_spans
from recall.extract.spans import Span, Token, tokens
from recall.extract.templates import Cues, Template, taken_apart
from tagging.errors import ArtifactCorruptError, ArtifactMismatchError, ArtifactNotFoundError
from tagging.text import normalise

FORMAT = 1
LEARNT_FROM = 10_000  # videos that the first network sees; all are counted
COMPOSED_FROM = 6_000  # of these, that the second sees
HELD_BACK = 0.2  # of their uploaders, for the curves
_CUE_ARRAYS = ("starts", "templates", "together", "users")


@dataclass(frozen=True, slots=True)
class NewTag:
    """A phrase that could be a tag of the video."""

    name: str  # words of the title are spelled as there
    probability: float  # that the creator used it, in [0, 1]
    text: str  # what stands in the title


class TagExtractor:
    """Proposes tags out of a title; all it learnt is arrays and the words of templates."""

    def __init__(self, counted: Counted, nets: tuple[Net, Net], curves: NDArray[np.float64]) -> None:
        """nets: of spans (is it a tag, is it composed) and of compositions; curves: (2 nets, new or known, 2)."""
        self._counted = counted
        self._nets = nets
        self._curves = curves

    def propose(self, title: str, description: str, limit: int) -> list[NewTag]:
        """At most `limit` tags, the likeliest first; names of the catalog are among them.

        The first line of the description is read where there is no title. A text without words gives an empty list.
        """
        text = readable(title, description)
        words = tokens(text)
        best: dict[str, NewTag] = {}
        for names, chances in self._chances(text, words):
            for name, (first, last), chance in zip(names.names, names.places, chances.tolist(), strict=True):
                form = normalise(name)
                if form not in best or best[form].probability < chance:
                    best[form] = NewTag(name, chance, text[words[first].start : words[last - 1].end])
        return sorted(best.values(), key=lambda tag: (-tag.probability, tag.name))[:limit]

    def _chances(self, text: str, words: list[Token]) -> Iterator[tuple[Names, NDArray[np.float64]]]:
        if not words:
            return
        found, simple = named_spans(self._counted, text, words, NOBODY)
        odds = self._nets[0](simple.features)
        yield simple, self._probability(0, odds, simple)
        composed = compositions(self._counted, words, found, simple, odds, NOBODY)
        if composed.names:
            yield composed, self._probability(1, self._nets[1](composed.features), composed)

    def _probability(self, net: int, odds: Floats, names: Names) -> NDArray[np.float64]:
        slope, intercept = self._curves[net, self._counted.known(names.keys, NOBODY).astype(int)].T
        return np.asarray(1.0 / (1.0 + np.exp(-(slope * odds[:, 0] + intercept))), np.float64)

    @classmethod
    def fit(
        cls,
        titles: Sequence[str],
        tags_per_video: Sequence[Sequence[str]],
        uploaders: Sequence[str],
        rng: np.random.Generator,
    ) -> "TagExtractor":
        """Learns from V videos with raw tags; those without tags or without words say nothing and are left out.

        Raises ValueError where no span of any title is a tag of its video.
        """
        videos = labelled_videos(titles, tags_per_video, uploaders)
        counted, owns = count(videos)
        picked = [videos[place] for place in rng.permutation(len(videos))[:LEARNT_FROM]]
        names = sorted({video.uploader for video in picked})
        held = {names[place] for place in rng.permutation(len(names))[: int(HELD_BACK * len(names))]}
        is_held = np.array([video.uploader in held for video in picked])

        words = [tokens(video.text) for video in picked]
        laid = [
            named_spans(counted, one.text, some, owns[one.uploader]) for one, some in zip(picked, words, strict=True)
        ]
        truth = [_span_truth(*each) for each in zip(picked, words, laid, strict=True)]
        if not any(rows[:, 0].any() for rows in truth):
            raise ValueError(f"{len(videos)} tagged videos, and no tag stands in its title")
        first = train([simple.features for _, simple in laid], truth, ~is_held, rng)
        curves = [_curves(counted, owns, first, picked, [simple for _, simple in laid], truth, is_held)]

        some = slice(0, COMPOSED_FROM)
        composed = [
            compositions(counted, tokens_of, found, simple, first(simple.features), owns[video.uploader])
            for video, tokens_of, (found, simple) in zip(picked[some], words[some], laid[some], strict=True)
        ]
        truth = [_is_tag(video, names) for video, names in zip(picked[some], composed, strict=True)]
        second = train([names.features for names in composed], truth, ~is_held[some], rng)
        curves.append(_curves(counted, owns, second, picked[some], composed, truth, is_held[some]))
        return cls(counted, (first, second), np.array(curves))

    def save(self, folder: Path) -> None:
        """Arrays in extract.npz, words in extract.json; the folder is made where it is not there."""
        counted = self._counted
        arrays: dict[str, NDArray[Any]] = {"curves": self._curves}
        for table, counts in counted.tables.items():
            arrays |= {f"{table}.keys": counts.keys, f"{table}.uploaders": counts.uploaders}
        cues = counted.cues
        arrays |= {"cues.keys": cues.cues.keys, "cues.uploaders": cues.cues.uploaders}
        arrays |= {f"cues.{name}": getattr(cues, name) for name in _CUE_ARRAYS}
        for place, net in enumerate(self._nets):
            arrays |= {f"net{place}.{field.name}": getattr(net, field.name) for field in fields(Net)}
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "extract.npz", allow_pickle=False, **arrays)
        templates = [[template.prefix, template.suffix] for template in counted.templates]
        words = {"format": FORMAT, "everyone": cues.everyone, "templates": templates}
        (folder / "extract.json").write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "TagExtractor":
        """What `save` wrote. Raises ArtifactNotFoundError, ArtifactCorruptError or ArtifactMismatchError."""
        try:
            words = json.loads((folder / "extract.json").read_text(encoding="utf-8"))
            if words["format"] != FORMAT:
                raise ArtifactMismatchError(f"{folder} holds an extractor of format {words['format']}, not {FORMAT}")
            # NumPy leaves a file that is cut short open.
            with (folder / "extract.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            tables = {
                name: Counts(arrays[f"{name}.keys"], arrays[f"{name}.uploaders"], least_of(name)) for name in TABLES
            }
            title_cues = Counts(arrays["cues.keys"], arrays["cues.uploaders"], least_of("cues"))
            pairs = {name: arrays[f"cues.{name}"] for name in _CUE_ARRAYS}
            cues = Cues(title_cues, **pairs, everyone=int(words["everyone"]))
            templates = [Template(prefix, suffix) for prefix, suffix in words["templates"]]
            nets = [Net(*(arrays[f"net{place}.{field.name}"] for field in fields(Net))) for place in range(2)]
            counted = Counted(tables, templates, cues)
            return cls(counted, (nets[0], nets[1]), arrays["curves"])
        except FileNotFoundError as error:
            raise ArtifactNotFoundError(f"{folder} holds no extractor: {error.filename} is missing") from error
        except (BadZipFile, ValueError, KeyError, TypeError, EOFError) as error:
            raise ArtifactCorruptError(f"{folder} holds no whole extractor: {error}") from error


def _span_truth(video: Video, words: Sequence[Token], laid: tuple[list[Span], Names]) -> NDArray[np.bool_]:
    """(n, 2) True: the name is a tag; a tag is composed of it."""
    composed = {base for _, base in taken_apart(video.tags, words)}
    tags = [f" {tag} " for tag in video.tags]
    truth = np.zeros((len(laid[0]), 2), np.bool_)
    for row, (span, name) in enumerate(zip(laid[0], laid[1].names, strict=True)):
        form = normalise(name)
        truth[row] = form in video.tags, span.key in composed and any(f" {form} " in tag for tag in tags)
    return truth


def _is_tag(video: Video, names: Names) -> NDArray[np.bool_]:
    """(n, 1)"""
    return np.array([[normalise(name) in video.tags] for name in names.names], np.bool_).reshape(-1, 1)


def _curves(
    counted: Counted,
    owns: Mapping[str, Own],
    net: Net,
    videos: Sequence[Video],
    names: Sequence[Names],
    truth: Sequence[NDArray[np.bool_]],
    is_held: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """(2, 2): slope and intercept for new names, and for known ones, on the videos held back."""
    held = [video for video in np.flatnonzero(is_held).tolist() if names[video].names]
    odds = np.concatenate([np.zeros(0), *(net(names[video].features)[:, 0] for video in held)])
    is_tag = np.concatenate([np.zeros(0, np.bool_), *(truth[video][:, 0] for video in held)])
    known = np.concatenate(
        [np.zeros(0, np.bool_), *(counted.known(names[video].keys, owns[videos[video].uploader]) for video in held)]
    )
    return np.array([fit_curve(odds[known == is_known], is_tag[known == is_known]) for is_known in (False, True)])
