"""Evaluation of a bundle on labelled videos it has not learnt from."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from rank.base import Ranker
from rank.evaluate import system_row
from rank.promise import Answers
from rank.reliability import draw_reliability, reliability, require_figure
from rank.select import best_first, resolved, select
from recall.channels.uploader import UsualTags
from recall.evaluate import Proposal, lost_without, recall_row
from tagging.catalog import TagCatalog
from tagging.config import SelectConfig
from tagging.errors import InvalidManifestError
from tagging.features.extract import extract
from tagging.features.factory import load_encoders
from tagging.manifest import read_labelled
from tagging.pipeline import check_encoders, load_answers, load_ranker, only, rank_inputs
from tagging.progress import Progress
from tagging.recaller import Recaller
from tagging.splits import is_held_out
from tagging.store.bundle import BundleManifest, read_manifest
from tagging.store.features import FeatureStore
from tagging.store.labelled import uploader_numbers
from tagging.systems import Systems
from tagging.trust import calibration_row, promise_rows
from tagging.types import Candidates, ChannelTags, LabelledVideo, Modality, TagScores, Tokens, VideoEmbeddings
from tagging.words import normalise

Rows = NDArray[np.int64]
Row = dict[str, str | float | int]
AT_ONCE = 256
logger = logging.getLogger(__name__)

DEEPEST = 200  # of the written predictions
TOLD = " with uploader"


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """The tables, and what they rest on. Where labels are incomplete, a wrong tag may be a missing label."""

    bundle: str
    videos: int  # with at least one tag, all of which are scored
    videos_without_tags: int
    videos_without_features: int  # scored as videos without an answer
    recall: list[Row]
    ranking: list[Row]
    systems: list[Row]
    calibration: list[Row]  # of the tags that may be answered
    promises: list[Row]  # none for a bundle that kept no videos aside


def evaluate(
    bundle: Path,
    manifests: Sequence[Path],
    columns: Mapping[str, str],
    store: FeatureStore,
    progress: Progress,
    *,
    held_out: bool = False,
    split: str | None = None,
    predictions: Path | None = None,
    figure: Path | None = None,
) -> EvaluationReport:
    """Score a bundle on the videos of the manifests, all of them or those that `held_out` and `split` choose.

    predictions: a folder for the 200 best tags of each video, a JSON line a video: union.jsonl, and CHANNEL.jsonl.
    figure: a PNG of the reliability diagram, written over where it is there
    Raises OutputUnwritableError before any work where no figure can be written, InvalidManifestError where a video is
    one of those the bundle learnt from, or none is left.
    """
    if figure is not None:
        require_figure(figure)
    stated = read_manifest(bundle)
    rows = _choose(list(read_labelled(manifests, columns)), stated, held_out, split)
    tagged = [row for row in rows if any(tag.strip() for tag in row.tags)]
    recaller = Recaller.load(bundle, stated)
    _refuse_learnt(tagged, recaller, stated)
    if not tagged:
        raise InvalidManifestError("no video with a tag is left to evaluate on")

    encoders = load_encoders(stated.config.encoders)
    check_encoders(stated, encoders)
    videos = [row.video for row in tagged]
    with_beliefs = stated.names is not None
    extraction = extract(
        videos, encoders, stated.config.media, store, progress,
        with_beliefs=with_beliefs, with_tokens=stated.ranker is not None,
    )  # fmt: skip
    truth = _truth(tagged, recaller.catalog)
    silent = [replace(video, uploader_id=None) for video in extraction.embeddings]
    tables: dict[str, Sequence[VideoEmbeddings]] = {
        "": silent
    }  # what is told of whose video it is changes what is measured, so it is measured apart
    if any(isinstance(channel, UsualTags) for channel in recaller.channels):
        tables[TOLD] = extraction.embeddings
    with ExitStack() as stack, progress.track("recall and rank", len(tables) * len(tagged)) as advance:
        gathered = _Gathered(recaller, load_ranker(bundle, stated), stated.config.select, predictions, stack)
        for told, videos_told in tables.items():
            for start in range(0, len(tagged), AT_ONCE):
                some = np.arange(start, min(start + AT_ONCE, len(tagged)))
                rows_here = [(tagged[place], truth[place], videos_told[place]) for place in some.tolist()]
                gathered.add(told, rows_here, only(extraction.tokens, some))
                advance(len(some))

    measured = Answers.of(gathered.shown, uploader_numbers([video.uploader_id for video in videos]))
    reliable = reliability(measured.confidences, measured.right) if len(measured.confidences) else None
    if figure is not None and reliable is None:
        logger.warning("%s is not drawn: no video has a tag with a confidence", figure)
    elif figure is not None and reliable is not None:
        draw_reliability({gathered.systems.name: reliable}, figure)
    return EvaluationReport(
        bundle=stated.version,
        videos=len(tagged),
        videos_without_tags=len(rows) - len(tagged),
        videos_without_features=sum(not e.rows for e in extraction.embeddings),
        recall=_recall_table(gathered.proposals),
        ranking=gathered.systems.ranking(gathered.truths),
        systems=gathered.system_rows(),
        calibration=[] if reliable is None else [calibration_row(gathered.systems.name, reliable)],
        promises=promise_rows(load_answers(bundle, stated), measured, stated),
    )


class _Gathered:
    """What the tables are made of, batch by batch."""

    def __init__(
        self, recaller: Recaller, ranker: Ranker, selection: SelectConfig, predictions: Path | None, stack: ExitStack
    ) -> None:
        self.systems = Systems(recaller, ranker)
        self.proposals: dict[str, list[Proposal]] = {}
        self.truths: list[Rows] = []
        self.shown: list[tuple[NDArray[np.float32], NDArray[np.bool_]]] = []  # what may be answered, and whether right
        self._answered: list[Rows] = []
        self._recaller = recaller
        self._ranker = ranker
        self._selection = selection
        self._predictions = predictions
        self._stack = stack
        self._files: dict[str, TextIO] = {}

    def add(
        self,
        told: str,
        rows: Sequence[tuple[LabelledVideo, "_Truth", VideoEmbeddings]],
        tokens: Mapping[Modality, Tokens],
    ) -> None:
        """told: what is added to the names in the tables where videos come with their uploader; else "" """
        videos = [video for _, _, video in rows]
        started = time.perf_counter()
        proposed = self._recaller.propose(videos)
        candidates = [self._recaller.unite(*pair) for pair in zip(videos, proposed, strict=True)]
        recalled = time.perf_counter()
        inputs = rank_inputs([row.video for row, _, _ in rows], tokens, candidates)
        scores = self._ranker.score(inputs)
        if not told:
            self.systems.add(videos, inputs, scores, recalled - started, time.perf_counter() - recalled)
        for (row, labels, video), said, united, score in zip(rows, proposed, candidates, scores, strict=True):
            answer = _Answer.of(video, said, united, score)
            true = labels.rows(answer.new)
            for name, best in answer.by_name(told).items():
                found = Proposal(None if best is None else best.rows, true, len(self._recaller.catalog))
                self.proposals.setdefault(name, []).append(found)
                if best is not None:
                    self._write(name, row, best, answer.new)
            if not told:
                self.truths.append(true)
                self._show(answer, true)

    def system_rows(self) -> list[Row]:
        """The bundle's own answers, and all systems at one number of tags."""
        own = f"{self.systems.name}, as answered"
        first = system_row(own, self._answered, self.truths, self.systems.seconds())
        return [first, *self.systems.compared(self.truths)]

    def _show(self, answer: "_Answer", true: Rows) -> None:
        parents, rows = self._recaller.catalog.parents, answer.candidates.tag_rows
        places = resolved(answer.candidates, answer.scores, parents, self._selection.max_tags)
        self.shown.append((answer.scores.confidences[places], np.isin(rows[places], true)))
        self._answered.append(rows[select(answer.candidates, answer.scores, parents, self._selection)])

    def _write(self, name: str, row: LabelledVideo, best: "_Best", new: Mapping[int, str]) -> None:
        if self._predictions is None:
            return
        if name not in self._files:
            self._files[name] = self._stack.enter_context(_jsonl(self._predictions, name))
        _write_prediction(self._files[name], row, best, new, self._recaller.catalog)


def _choose(
    rows: Sequence[LabelledVideo], stated: BundleManifest, held_out: bool, split: str | None
) -> list[LabelledVideo]:
    training = stated.config.training
    if held_out and not training.holdout:
        raise InvalidManifestError(
            "this bundle was trained without a holdout", "evaluate on another manifest, or train with --holdout 0.1"
        )
    return [
        row
        for row in rows
        if (split is None or row.split == split)
        and (not held_out or is_held_out(row.video, training.holdout, training.seed))
    ]


def _refuse_learnt(rows: Sequence[LabelledVideo], recaller: Recaller, stated: BundleManifest) -> None:
    voters = recaller.electorate.voters
    known = [row.video.video_id for row in rows if voters.row_of(row.video.video_id) is not None]
    if known:
        has_holdout = stated.config.training.holdout > 0
        raise InvalidManifestError(
            f"{len(known)} of the {len(rows)} videos are ones the bundle learnt from, {known[0]!r} for one: "
            "their figures would mean nothing",
            "add --held-out to score only what training kept aside" if has_holdout else "evaluate on other videos",
        )


def _recall_table(proposals: Mapping[str, Sequence[Proposal]]) -> list[Row]:
    """A row a channel and union; a channel's says what the union would lose without it."""
    union = list(proposals).index("union")
    channels = {name: proposals[name] for name in list(proposals)[:union]}
    lost = lost_without(channels, proposals["union"])
    rows = [recall_row(name, some) for name, some in proposals.items()]
    return [row | {"lost_without": lost[str(row["channel"])]} if row["channel"] in lost else row for row in rows]


@dataclass(frozen=True, slots=True, eq=False)
class _Truth:
    known: Rows  # of the catalog; spellings of one tag count once
    unknown: tuple[str, ...]  # normalised

    def rows(self, new: Mapping[int, str]) -> Rows:
        """A row for every true tag: its own, that of the new tag that names it, or -1."""
        proposed = {normalise(name): row for row, name in new.items()}
        return np.array([*self.known, *(proposed.get(form, -1) for form in self.unknown)], np.int64)


def _truth(rows: Sequence[LabelledVideo], catalog: TagCatalog) -> list[_Truth]:
    row_of = catalog.rows_by_normalised()
    truth = []
    for row in rows:
        forms = dict.fromkeys(filter(None, map(normalise, row.tags)))
        known = dict.fromkeys(row_of[form] for form in forms if form in row_of)
        unknown = tuple(form for form in forms if form not in row_of)
        truth.append(_Truth(np.array([*known], np.int64), unknown))
    return truth


@dataclass(frozen=True, slots=True, eq=False)
class _Best:
    rows: Rows  # best first
    scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    channels: Mapping[str, _Best | None]
    candidates: Candidates
    scores: TagScores
    new: Mapping[int, str]  # names beyond the catalog's, of the channels and the candidates
    looked_at: bool

    @classmethod
    def of(
        cls,
        video: VideoEmbeddings,
        proposed: Mapping[str, ChannelTags | None],
        candidates: Candidates,
        scores: TagScores,
    ) -> "_Answer":
        return cls(
            {name: None if tags is None else _Best(tags.tag_rows, tags.scores) for name, tags in proposed.items()},
            candidates,
            scores,
            {row: name for tags in proposed.values() if tags is not None for row, name in tags.new.items()},
            looked_at=bool(video.rows) or bool(len(candidates.tag_rows)),
        )

    @property
    def union(self) -> _Best:
        order = best_first(self.candidates, self.scores)
        return _Best(self.candidates.tag_rows[order], self.scores.confidences[order])

    def by_name(self, told: str) -> dict[str, _Best | None]:
        """What goes into the table: everything, or the uploader's habits and the union with them."""
        union = self.union if self.looked_at else None
        if told:
            return {UsualTags.name: self.channels[UsualTags.name], f"union{told}": union}
        return {name: best for name, best in self.channels.items() if name != UsualTags.name} | {"union": union}


def _jsonl(folder: Path, name: str) -> TextIO:
    return (folder / f"{name.replace(' ', '-')}.jsonl").open("w", encoding="utf-8")


def _write_prediction(
    out: TextIO, row: LabelledVideo, best: _Best, new: Mapping[int, str], catalog: TagCatalog
) -> None:
    tags = [
        {"name": new[tag] if tag in new else catalog.names[tag], "confidence": round(float(score), 6)}
        for tag, score in zip(best.rows[:DEEPEST].tolist(), best.scores[:DEEPEST], strict=True)
    ]
    out.write(json.dumps({"video_id": row.video.video_id, "tags": tags}, ensure_ascii=False) + "\n")
