"""Latency of each stage for a single video, with the bundle as it is or grown to many more labelled videos.

A grown video has a real video as its parent and shares its title and tags; its embeddings are interpolated between
those of the parent and of a neighbour (tagging/tools/benchmarks/index_backends.py), and its uploader is a copy of the
parent's. Channels therefore search as many rows and count as many votes as with real videos; the quality of their
results is not measured here.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rank.contrastive import ContrastiveRanker
from rank.exhaustive import ExhaustiveRanker
from recall.channels.base import NEIGHBOUR_VIEWS
from recall.index.base import VectorIndex
from recall.index.factory import build_index
from recall.query import RecallQuery
from tagging.bundle.files import read_manifest
from tagging.bundle.indexes import RowIndex
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.config.recall import IndexConfig, RecallConfig
from tagging.features.extract import extract
from tagging.features.factory import load_encoders
from tagging.pipeline.load import check_encoders, load_ranker
from tagging.pipeline.rank_input import rank_inputs
from tagging.pipeline.recall_parts import RecallParts, load_fusion
from tagging.pipeline.recall_stage import RecallStage
from tagging.progress import Progress
from tagging.store.features import FeatureStore
from tagging.tools.benchmarks.index_backends import between, now_mib, share_found
from tagging.types import Candidates, RankInput, VideoEmbeddings, VideoRef

WARM = 5  # videos that are recalled before timing starts
Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Growth:
    videos: int
    index: IndexConfig
    seed: int


def recall_times(
    bundle: Path, videos: Sequence[VideoRef], growth: Growth | None, store: FeatureStore, progress: Progress
) -> dict[str, list[Row]]:
    """Return tables: the indexes if they are rebuilt, the time of every stage, and the totals with memory in MiB."""
    manifest = read_manifest(bundle)
    encoders = load_encoders(manifest.config.encoders)
    check_encoders(manifest, encoders)
    extraction = extract(
        videos, encoders, manifest.config.media, store, progress, with_tokens=manifest.ranker is not None
    )
    queries = extraction.embeddings
    ranker = load_ranker(bundle, manifest, encoders)
    before, started = now_mib(), time.perf_counter()
    parts, config = RecallParts.load(bundle, manifest), manifest.config.recall
    fusion = load_fusion(bundle, parts)
    tables: dict[str, list[Row]] = {}
    figures = {"load time, s": round(time.perf_counter() - started, 1)}
    if growth is not None:
        recall_queries = RecallStage.of(parts, fusion, config).queries(queries)
        parts, tables["indexes"] = grown(parts, growth, config, recall_queries, progress)
    recall_stage = RecallStage.of(parts, fusion, config)
    tables["one video"], candidates = _stages(recall_stage, queries, progress)
    if isinstance(ranker, ContrastiveRanker):
        inputs = rank_inputs(videos, extraction.tokens, extraction.embeddings, candidates)
        tables["one video"] += _rank_stages(
            ranker, ExhaustiveRanker(ranker.scorer.tag_vectors, parts.catalog.hidden), inputs, progress
        )
    figures |= {"labelled videos": len(parts.labelled.ids), "tags": len(parts.catalog), "queries": len(queries)}
    tables["all"] = [
        {"": name, "value": value} for name, value in {**figures, "MiB": round(now_mib() - before)}.items()
    ]
    return tables


def _stages(
    recall_stage: RecallStage, queries: Sequence[VideoEmbeddings], progress: Progress
) -> tuple[list[Row], list[Candidates]]:
    found: list[Candidates] = []
    times: dict[str, list[float]] = {}
    with progress.track("recall one by one", len(queries)) as advance:
        for number, query in enumerate(queries):
            if number == WARM:
                times.clear()
            clock = [("", time.perf_counter())]
            videos = recall_stage.queries([query])
            clock.append(("video tower", time.perf_counter()))
            proposed = {}
            for channel in recall_stage.channels:
                [proposed[channel.name]] = channel.recall(videos)
                clock.append((channel.name, time.perf_counter()))
            found.append(recall_stage.unite(query, proposed).candidates)
            clock.append(("union", time.perf_counter()))
            for (_, began), (stage, ended) in pairwise(clock):
                times.setdefault(stage, []).append(1e3 * (ended - began))
            times.setdefault("recall", []).append(1e3 * (clock[-1][1] - clock[0][1]))
            advance(1)
    return _percentiles(times), found


def _rank_stages(
    ranker: ContrastiveRanker, exhaustive: ExhaustiveRanker, inputs: Sequence[RankInput], progress: Progress
) -> list[Row]:
    """Time the stages of the ranker on one thread, as in the service for a single video."""
    times: dict[str, list[float]] = {}
    with progress.track("rank one by one", len(inputs)) as advance, threads(1):
        for number, video in enumerate(inputs):
            if number == WARM:
                times.clear()
            clock = [("", time.perf_counter())]
            [row] = ranker.scorer.video_vectors([video])
            clock.append(("rank: video tower", time.perf_counter()))
            names = ranker.scorer.new_tag_vectors([video.candidates])
            clock.append((f"rank: tag tower, {'with' if names else 'without'} new names", time.perf_counter()))
            cosines = ranker.scorer.cosines_of(row, video.candidates, names)
            ranker.scores_of(video.candidates, cosines)
            clock.append(("rank: candidates", time.perf_counter()))
            exhaustive.search(row[None], len(cosines) or 1)
            clock.append(("rank: whole catalog, for comparison", time.perf_counter()))
            for (_, began), (stage, ended) in pairwise(clock):
                times.setdefault(stage, []).append(1e3 * (ended - began))
            advance(1)
    return _percentiles(times)


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _percentiles(times: Mapping[str, Sequence[float]]) -> list[Row]:
    return [
        {
            "stage": stage,
            "p50 ms": round(float(np.percentile(ms, 50)), 2),
            "p99 ms": round(float(np.percentile(ms, 99)), 2),
        }
        for stage, ms in times.items()
    ]


def grown(
    parts: RecallParts, growth: Growth, config: RecallConfig, recall_queries: Sequence[RecallQuery], progress: Progress
) -> tuple[RecallParts, list[Row]]:
    """Return the parts grown to `growth.videos` labelled videos with new indexes, and a report on those indexes."""
    rng = np.random.default_rng(growth.seed)
    real = len(parts.labelled.ids)
    parents = np.r_[np.arange(real), rng.integers(0, real, max(0, growth.videos - real))]
    report: list[Row] = []

    def built(name: str, rows: Floats, queries: Sequence[Floats]) -> VectorIndex:
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
            queries = [
                video.rows[NEIGHBOUR_VIEWS[name]] for video in recall_queries if NEIGHBOUR_VIEWS[name] in video.rows
            ]
            views[name] = RowIndex(built(name, rows, queries), video_rows)
            advance(1)
        model = parts.recall_model
        if model is not None:
            tags = model.tags
            if tags is not None:
                tags = replace(tags, index=built("similarity", tags.index.rows(), []))
            model = replace(model, tags=tags, texts=model.texts.tocsr()[parents])
        advance(1)
    return replace(parts, labelled=_grown_videos(parts.labelled, parents), views=views, recall_model=model), report


def _grown_rows(view: RowIndex, parents: Rows, rng: np.random.Generator) -> tuple[Floats, Rows]:
    """Return the rows of a view, real videos first, then grown ones whose parent has the view; and their video rows."""
    real = view.index.rows()
    row_of = np.full(parents.max(initial=-1) + 1, -1)
    row_of[view.rows] = np.arange(len(real))
    grown_videos = np.flatnonzero(row_of[parents] >= 0)
    grown_videos = grown_videos[grown_videos > view.rows.max(initial=-1)]
    return np.concatenate([real, between(real, row_of[parents[grown_videos]], rng)]), np.r_[view.rows, grown_videos]


def _grown_videos(labelled: LabelledVideos, parents: Rows) -> LabelledVideos:
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
