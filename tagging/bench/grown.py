"""Recall of a bundle grown to many more labelled videos, for measurements of its time.

A grown video has a real video as its parent and shares its title and tags; its embeddings are interpolated between
those of the parent and of a neighbour (embeddings.py), and its uploader is a copy of the parent's. Channels therefore
search as many rows and count as many votes as with real videos; the quality of their results is not measured.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recall.channels.base import NEIGHBOUR_VIEWS
from recall.index.base import VectorIndex
from recall.index.factory import build_index
from recall.query import RecallQuery
from tagging.bench.embeddings import Rows, between
from tagging.bench.figure import Row
from tagging.bench.indexes import share_found
from tagging.bundle.indexes import ViewIndex
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.config.recall import IndexConfig, RecallConfig
from tagging.pipeline.recall_parts import RecallParts
from tagging.progress import Progress

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Growth:
    videos: int
    index: IndexConfig
    seed: int


def grown(
    parts: RecallParts, growth: Growth, config: RecallConfig, recall_queries: Sequence[RecallQuery], progress: Progress
) -> tuple[RecallParts, list[Row]]:
    """Return the parts grown to `growth.videos` labelled videos with new indexes, and a report on those indexes."""
    rng = np.random.default_rng(growth.seed)
    parents = parents_of(len(parts.labelled.ids), growth.videos, rng)
    report: list[Row] = []

    def built(name: str, rows: Rows, queries: Sequence[Rows]) -> VectorIndex:
        started = time.perf_counter()
        index = build_index(rows, growth.index, growth.seed)
        report.append({"index": name, "rows": len(rows), "build s": round(time.perf_counter() - started, 1)})
        if queries:
            found = index.search(np.stack(queries), config.neighbours).ids
            report[-1]["recall of neighbours"] = round(share_found(rows, np.stack(queries), found), 4)
        return index

    views = {}
    with progress.track("build indexes", len(parts.views) + 1) as advance:
        for name, view in parts.views.items():
            rows, video_rows = _grown_rows(view, parents, rng)
            searched = [
                video.rows[NEIGHBOUR_VIEWS[name]] for video in recall_queries if NEIGHBOUR_VIEWS[name] in video.rows
            ]
            queries = list(view.space.rows(np.stack(searched))) if searched else []
            views[name] = replace(view, index=built(name, rows, queries), videos=video_rows)
            advance(1)
        model = parts.recall_model
        if model is not None:
            tags = model.tags
            if tags is not None:
                tags = replace(tags, index=built("similarity", tags.index.rows(), []))
            model = replace(model, tags=tags, texts=model.texts.tocsr()[parents])
        advance(1)
    return replace(parts, labelled=_grown_videos(parts.labelled, parents), views=views, recall_model=model), report


def parents_of(real: int, videos: int, rng: np.random.Generator) -> Numbers:
    """Return the parents of at least `real` videos: each real one its own, then drawn ones."""
    return np.concatenate([np.arange(real), rng.integers(0, real, max(0, videos - real))])


def _grown_rows(view: ViewIndex, parents: Numbers, rng: np.random.Generator) -> tuple[Rows, Numbers]:
    """Return the rows of a view, real videos first, then grown ones whose parent has the view; and their video rows."""
    real = view.index.rows()
    row_of = np.full(parents.max(initial=-1) + 1, -1)
    row_of[view.videos] = np.arange(len(real))
    grown_videos = np.flatnonzero(row_of[parents] >= 0)
    grown_videos = grown_videos[grown_videos > view.videos.max(initial=-1)]
    return np.concatenate([real, between(real, row_of[parents[grown_videos]], rng)]), np.r_[view.videos, grown_videos]


def _grown_videos(labelled: LabelledVideos, parents: Numbers) -> LabelledVideos:
    copies = np.arange(len(parents)) // max(len(labelled.ids), 1)
    uploaders = (labelled.uploader_ids[parent] for parent in parents)
    return LabelledVideos(
        tuple(f"{labelled.ids[parent]}+{row}" for row, parent in enumerate(parents)),
        tuple(labelled.titles[parent] for parent in parents),
        tuple(
            None if uploader is None else f"{uploader}+{copy}" for uploader, copy in zip(uploaders, copies, strict=True)
        ),
        labelled.tags.only(parents),
    )
