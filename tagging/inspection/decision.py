"""Decided video: every value that decided the answer to one video, and the outcome of each tag.

EncodedVideo → Recalled → TagScores → DecidedVideo
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rank.base import every
from rank.select import best_first, drop_implied, implying, select
from tagging.config.root import SelectConfig
from tagging.inspection.explanation import Outcome
from tagging.pipeline.models import EncodedVideo, PipelineModels
from tagging.pipeline.recall_stage import Recalled, RecallStage
from tagging.pipeline.stages import Stages, untimed
from tagging.tags.catalog import TagCatalog
from tagging.text.normalise import normalise
from tagging.types import Candidates, Indices, TagScores


@dataclass(frozen=True, slots=True)
class Subject:
    """A tag that is asked about: of the catalog, or a phrase that extraction may find in the text."""

    query: str  # as it was asked
    form: str  # normalised
    row: int | None  # of the catalog; None: no tag of the catalog has this spelling

    @classmethod
    def of(cls, query: str, recall_stage: RecallStage) -> "Subject":
        return cls(query, normalise(query), recall_stage.row_spelled(query))

    def row_in(self, recalled: Recalled) -> int | None:
        """Return the row of the tag among a video's proposals; that of a new phrase differs from video to video."""
        if self.row is not None:
            return self.row
        new = recalled.united.new.items()
        return next((row for row, name in new if recalled.united.is_new(row) and normalise(name) == self.form), None)


@dataclass(frozen=True, slots=True, eq=False)
class DecidedVideo:
    """A video with the values of all stages. Positions are those of the ranked candidates."""

    encoded: EncodedVideo
    recalled: Recalled
    scores: TagScores  # of recalled.candidates
    order: Indices  # (K,) positions, best first
    answered: Indices  # positions, best first
    implied: Mapping[int, int]  # by the row of each tag that an answered one implies, the position of the answered one
    selection: SelectConfig
    catalog: TagCatalog

    @property
    def candidates(self) -> Candidates:
        """The candidates that were ranked."""
        return self.recalled.candidates

    def outcome(self, row: int | None) -> Outcome:
        """Return the fate of a tag by its row; None: neither the catalog nor extraction has it."""
        if row is None:
            return "unknown"
        position = position_of(row, self.candidates.tag_rows)
        if position is not None:
            return self._selected(row, position)
        if row < len(self.catalog) and self.catalog.hidden[row]:
            return "hidden"
        return "not_proposed" if position_of(row, self.recalled.united.tag_rows) is None else "over_budget"

    def confidence(self, row: int | None) -> float | None:
        """Return the confidence of a tag; None if it was not ranked."""
        position = None if row is None else position_of(row, self.candidates.tag_rows)
        return None if position is None else float(self.scores.confidences[position])

    def name(self, position: int) -> str:
        """Return the name of a candidate."""
        return self.candidates.name_of(int(self.candidates.tag_rows[position]), self.catalog.names)

    def answerable(self) -> Indices:
        """Return the positions of the candidates that an answer without a limit would have, best first."""
        parents = self.catalog.parents
        positions = drop_implied(self.candidates, self.scores, parents, len(self.order))
        return positions[self.scores.confidences[positions] >= self.selection.min_confidence]

    def _selected(self, row: int, position: int) -> Outcome:
        if position in self.answered:
            return "answered"
        if self.scores.confidences[position] < self.selection.min_confidence:
            return "below_confidence"
        return "implied" if row in self.implied else "beyond_limit"


def decide(
    models: PipelineModels,
    videos: Sequence[EncodedVideo],
    recalled: Sequence[Recalled],
    selection: SelectConfig,
    stages: Stages = untimed,
) -> list[DecidedVideo]:
    """Rank and select the candidates of the videos; the ranker scores all of them in one call."""
    scored = models.rank(videos, [video.candidates for video in recalled], [every] * len(videos), stages)
    return [
        _decided(video, found, result.scores, selection, models.recall_stage.catalog)
        for video, found, result in zip(videos, recalled, scored, strict=True)
    ]


def position_of(row: int, rows: NDArray[np.int64]) -> int | None:
    """Return the position of a row in rising rows (n,); None if it is not there."""
    position = int(np.searchsorted(rows, row))
    return position if position < len(rows) and rows[position] == row else None


def _decided(
    video: EncodedVideo, recalled: Recalled, scores: TagScores, selection: SelectConfig, catalog: TagCatalog
) -> DecidedVideo:
    candidates = recalled.candidates
    answered = select(candidates, scores, catalog.parents, selection)
    implied = implying(candidates, answered, catalog.parents)
    return DecidedVideo(video, recalled, scores, best_first(candidates, scores), answered, implied, selection, catalog)
