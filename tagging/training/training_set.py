"""Training set: labelled videos with the catalog of their tags and the features that recall and rank are trained on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagging.bundle.labelled_videos import LabelledVideos
from tagging.config.root import TrainingConfig
from tagging.errors import InvalidManifestError
from tagging.features.extract import Extraction
from tagging.pipeline.rank_input import only
from tagging.ragged import Ragged, Tokens
from tagging.splits import is_held_out
from tagging.tags.catalog import TagCatalog
from tagging.types import LabelledVideo, Modality, VideoEmbeddings, VideoRef


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """V labelled videos in one order, and the catalog that their tags refer to."""

    videos: Sequence[VideoRef]  # V
    labelled: LabelledVideos  # V
    catalog: TagCatalog
    embeddings: Sequence[VideoEmbeddings]  # V
    tokens: Mapping[Modality, Tokens]  # V each: frames and sound, where a ranker is trained

    def __len__(self) -> int:
        return len(self.videos)

    def only(self, rows: NDArray[np.int64]) -> "TrainingSet":
        """Return the videos of these rows, in their order, with the same catalog."""
        return TrainingSet(
            [self.videos[row] for row in rows.tolist()],
            self.labelled.only(rows),
            self.catalog,
            [self.embeddings[row] for row in rows.tolist()],
            only(self.tokens, rows),
        )

    @classmethod
    def of(cls, videos: Sequence[VideoRef], catalog: TagCatalog, tags: Ragged, extraction: Extraction) -> "TrainingSet":
        """Return the training set of V videos; tags: V, rows of the catalog; extraction: of the same videos."""
        labelled = LabelledVideos.of(videos, tags)
        return cls(videos, labelled, catalog, extraction.embeddings, extraction.tokens)


@dataclass(frozen=True, slots=True, eq=False)
class SelectedRows:
    """Manifest rows to train on, and the number of skipped rows by reason."""

    kept: list[LabelledVideo]
    read: int
    skipped: Mapping[str, int]  # field of TrainingEntry -> rows

    def only(self, rows: Sequence[int], reason: str) -> "SelectedRows":
        """Return the selection with these of the kept rows; the others are counted as skipped for the reason."""
        skipped = {**self.skipped, reason: len(self.kept) - len(rows)}
        return SelectedRows([self.kept[row] for row in rows], self.read, skipped)

    def require_any(self, missing: str) -> None:
        """Raise InvalidManifestError, with the counts of the skipped rows as the hint, if no row is left."""
        if not self.kept:
            counts = "; ".join(f"{reason.replace('_', ' ')}: {count}" for reason, count in self.skipped.items())
            raise InvalidManifestError(f"no {missing} is left to learn from", counts)


def select_rows(rows: Sequence[LabelledVideo], config: TrainingConfig) -> SelectedRows:
    """Select the rows of the training split that have a tag and are not held out."""
    kept: list[LabelledVideo] = []
    skipped: Counter[str] = Counter(videos_held_out=0, videos_of_other_splits=0, videos_without_tags=0)
    for row in rows:
        if row.split not in ("", "train"):
            skipped["videos_of_other_splits"] += 1
        elif is_held_out(row.video, config.holdout, config.seed):
            skipped["videos_held_out"] += 1
        elif not any(tag.strip() for tag in row.tags):
            skipped["videos_without_tags"] += 1
        else:
            kept.append(row)
    return SelectedRows(kept, len(rows), skipped)
