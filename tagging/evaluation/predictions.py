"""Evaluation of a bundle on labelled videos it has not learnt from."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from rank.base import Ranker
from rank.evaluate import system_row
from rank.select import best_first, drop_implied, select
from recall.channels.uploader import UploaderTags
from recall.evaluate import Proposal
from tagging.config.root import SelectConfig
from tagging.evaluation.systems import SystemComparison
from tagging.pipeline.rank_input import rank_inputs
from tagging.pipeline.recall_stage import RecallStage
from tagging.ragged import Tokens
from tagging.tags.catalog import TagCatalog
from tagging.text import normalise
from tagging.types import Candidates, ChannelTags, LabelledVideo, Modality, TagScores, VideoEmbeddings

Rows = NDArray[np.int64]


Row = dict[str, str | float | int]


DEEPEST = 200  # of the written predictions


class PredictionCollector:
    """What the tables are made of, batch by batch."""

    def __init__(
        self,
        recall_stage: RecallStage,
        ranker: Ranker,
        selection: SelectConfig,
        predictions: Path | None,
        stack: ExitStack,
    ) -> None:
        self.systems = SystemComparison(recall_stage, ranker)
        self.proposals: dict[str, list[Proposal]] = {}
        self.truths: list[Rows] = []
        self.shown: list[tuple[NDArray[np.float32], NDArray[np.bool_]]] = []  # what may be answered, and whether right
        self._answered: list[Rows] = []
        self._recall_stage = recall_stage
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
        proposed = self._recall_stage.propose(videos)
        candidates = [self._recall_stage.unite(*pair) for pair in zip(videos, proposed, strict=True)]
        recalled = time.perf_counter()
        inputs = rank_inputs([row.video for row, _, _ in rows], tokens, candidates)
        scores = self._ranker.score(inputs)
        if not told:
            self.systems.add(videos, inputs, scores, recalled - started, time.perf_counter() - recalled)
        for (row, labels, video), said, united, score in zip(rows, proposed, candidates, scores, strict=True):
            answer = _Answer.of(video, said, united, score)
            true = labels.rows(answer.new)
            for name, best in answer.by_name(told).items():
                found = Proposal(None if best is None else best.rows, true, len(self._recall_stage.catalog))
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
        parents, rows = self._recall_stage.catalog.parents, answer.candidates.tag_rows
        places = drop_implied(answer.candidates, answer.scores, parents, self._selection.max_tags)
        self.shown.append((answer.scores.confidences[places], np.isin(rows[places], true)))
        self._answered.append(rows[select(answer.candidates, answer.scores, parents, self._selection)])

    def _write(self, name: str, row: LabelledVideo, best: "_Best", new: Mapping[int, str]) -> None:
        if self._predictions is None:
            return
        if name not in self._files:
            self._files[name] = self._stack.enter_context(_jsonl(self._predictions, name))
        _write_prediction(self._files[name], row, best, new, self._recall_stage.catalog)


@dataclass(frozen=True, slots=True, eq=False)
class _Truth:
    known: Rows  # of the catalog; spellings of one tag count once
    unknown: tuple[str, ...]  # normalised

    def rows(self, new: Mapping[int, str]) -> Rows:
        """A row for every true tag: its own, that of the new tag that names it, or -1."""
        proposed = {normalise(name): row for row, name in new.items()}
        return np.array([*self.known, *(proposed.get(form, -1) for form in self.unknown)], np.int64)


def true_tags(rows: Sequence[LabelledVideo], catalog: TagCatalog) -> list[_Truth]:
    row_of = catalog.rows_by_spelling
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
            return {UploaderTags.name: self.channels[UploaderTags.name], f"union{told}": union}
        return {name: best for name, best in self.channels.items() if name != UploaderTags.name} | {"union": union}


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
