"""Batches of the recall model's training: videos, partners of other uploaders, and the labels they are compared with.

An uploader's habits must not be learnt as knowledge: a video weighs 1 / sqrt(videos of its uploader), a tag of one
uploader teaches the linear branch nothing and is left to the tower, and a partner is always another uploader's video.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from recall.model import Views
from tagging.config.recall import RecallModelConfig
from tagging.errors import NothingToLearnError
from tagging.ragged import Ragged
from tagging.types import FloatRows, Indices


@dataclass(frozen=True, slots=True, eq=False)
class TrainingVideos:
    """V labelled videos and the catalog's N tags."""

    videos: Views
    tags: Views
    known: sparse.csr_matrix  # (V, N) ones where a video has a tag
    holders: sparse.csr_matrix  # (N, V) the same by tag
    counts: Indices  # (N,) videos with each tag
    uploaders: Indices  # (V,)
    visible: NDArray[np.bool_]  # (V,) videos with any view
    usable: Indices  # videos to train on: with a view and a label
    labels: Indices  # catalog rows of the linear branch
    label_of: Indices  # (N,) position of each catalog row among the labels, or -1
    weights: FloatRows  # (V,) mean 1 over the usable

    @classmethod
    def of(
        cls, videos: Views, tags: Views, lists: Ragged, uploaders: Indices, config: RecallModelConfig
    ) -> "TrainingVideos":
        """Index the videos; lists: catalog rows of each video; uploaders: (V,) equal numbers for one uploader.

        Raises NothingToLearnError if no tag is used by config.least_uploaders uploaders.
        """
        ones = np.ones(len(lists.values), np.float32)
        known = sparse.csr_matrix((ones, lists.values, lists.starts), shape=(len(videos), len(tags)))
        _, number = np.unique(uploaders, return_inverse=True)
        by_uploader = sparse.csr_matrix((np.ones(len(number)), (number, np.arange(len(number))))) @ known
        labels = np.flatnonzero(by_uploader.getnnz(axis=0) >= config.least_uploaders)
        if not len(labels):
            raise NothingToLearnError(f"no tag is used by {config.least_uploaders} uploaders")
        label_of = np.full(len(tags), -1)
        label_of[labels] = np.arange(len(labels))
        visible = np.asarray(videos.present.any(axis=1))
        usable = np.flatnonzero(visible & (known[:, labels].getnnz(axis=1) > 0))
        weights = 1.0 / np.sqrt(np.bincount(number)[number])
        weights = (weights / weights[usable].mean()).astype(np.float32)
        holders = known.T.tocsr()
        counts = np.diff(holders.indptr)
        return cls(videos, tags, known, holders, counts, uploaders, visible, usable, labels, label_of, weights)

    def partner(self, video: int, generator: np.random.Generator) -> int:
        """Draw another uploader's video with a common tag, rarer tags first; the video itself where there is none."""
        tags = self.known.indices[self.known.indptr[video] : self.known.indptr[video + 1]]
        tags = tags[(self.counts[tags] > 1) & (self.label_of[tags] >= 0)]
        if len(tags):
            chances = 1.0 / self.counts[tags]
            tag = generator.choice(tags, p=chances / chances.sum())
            others = self.holders.indices[self.holders.indptr[tag] : self.holders.indptr[tag + 1]]
            others = others[(self.uploaders[others] != self.uploaders[video]) & self.visible[others]]
            if len(others):
                return int(generator.choice(others))
        return video

    def log_drawn(self, batch: int, negatives: int) -> FloatRows:
        """Return the log (N,) of the chance that a tag is among a batch's labels."""
        shares = np.asarray(self.known.sum(axis=0)).ravel() / len(self.videos)
        by_videos = -np.expm1(batch * np.log1p(-np.minimum(shares, 0.999)))
        return np.asarray(np.log(np.minimum(by_videos + negatives / len(self.labels), 1.0) + 1e-9), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """B videos, their partners, the labels and tags that they are compared with, and all n-grams over `used`."""

    videos: Views  # (2B,) the videos, then their partners
    tags: Views  # (M,)
    used: Indices  # rows of the n-gram table
    ngrams: sparse.csr_matrix  # (2B + M, used) of the videos, then of the tags
    labels: Indices  # positions among the labels of the linear branch
    label_pairs: tuple[Indices, Indices]  # (video, position in `labels`) of true pairs
    named: Indices  # (M,) catalog rows of the tags
    named_pairs: tuple[Indices, Indices]
    alike: Tensor  # (B, B) True where a video shares a tag with another's partner
    has_partner: Tensor  # (B,)
    weight: Tensor  # (B,)

    @classmethod
    def draw(
        cls, data: TrainingVideos, rows: Indices, config: RecallModelConfig, generator: np.random.Generator
    ) -> "Batch":
        """Draw the batch of B videos at `rows`."""
        partners = np.array([data.partner(row, generator) for row in rows.tolist()])
        known = data.known[rows]
        pairs = np.repeat(np.arange(len(rows)), np.diff(known.indptr))
        drawn = data.labels[generator.integers(0, len(data.labels), config.negatives)]
        labels = np.unique(np.r_[data.label_of[known.indices], data.label_of[drawn]])
        labels = labels[labels >= 0]
        label = data.label_of[known.indices]
        named = np.unique(generator.choice(np.r_[known.indices, drawn], config.likened))
        is_named = np.isin(known.indices, named)
        videos, tags = data.videos.rows(np.r_[rows, partners]), data.tags.rows(named)
        used, ngrams = _compact(videos.ngrams, tags.ngrams, config.ngram_dropout, generator)
        return cls(
            videos=videos,
            tags=tags,
            used=used,
            ngrams=ngrams,
            labels=labels,
            label_pairs=(pairs[label >= 0], np.searchsorted(labels, label[label >= 0])),
            named=named,
            named_pairs=(pairs[is_named], np.searchsorted(named, known.indices[is_named])),
            alike=torch.from_numpy(((known @ data.known[partners].T) > 0).toarray()),
            has_partner=torch.from_numpy(partners != rows),
            weight=torch.from_numpy(data.weights[rows]),
        )


def _compact(
    videos: sparse.csr_matrix, tags: sparse.csr_matrix, dropout: float, generator: np.random.Generator
) -> tuple[Indices, sparse.csr_matrix]:
    """Return the table rows that a batch touches, and n-grams over those alone, with dropout for the videos'."""
    used, columns = np.unique(np.r_[videos.indices, tags.indices].astype(np.int64), return_inverse=True)
    kept = (generator.random(len(videos.data)) >= dropout) / np.float32(1 - dropout)
    values = np.r_[videos.data * kept.astype(np.float32), tags.data]
    starts = np.r_[videos.indptr, videos.indptr[-1] + tags.indptr[1:]]
    return used, sparse.csr_matrix((values, columns, starts), (videos.shape[0] + tags.shape[0], len(used)))
