"""Latency of each stage for a single video, with the bundle as it is or grown to many more labelled videos
(tagging/bench/grown.py).
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from rank.base import Needed
from rank.contrastive import ContrastiveRanker
from rank.exhaustive import ExhaustiveRanker
from tagging.bench.figure import Row
from tagging.bench.grown import Growth, grown
from tagging.bench.memory import now_mib
from tagging.bench.recall_times import recall_one
from tagging.bench.timing import StageTimes
from tagging.bundle.manifest import BUNDLE
from tagging.features.extract import extract
from tagging.features.factory import load_encoders
from tagging.pipeline.answer import stated_by
from tagging.pipeline.load import check_encoders, load_ranker
from tagging.pipeline.rank_input import rank_inputs
from tagging.pipeline.recall_parts import RecallParts, load_fusion
from tagging.pipeline.recall_stage import RecallStage
from tagging.progress import Progress
from tagging.store.features import FeatureStore
from tagging.types import Candidates, RankInput, VideoEmbeddings, VideoRef

WARM = 5  # videos that are recalled before timing starts


def recall_times(
    bundle: Path, videos: Sequence[VideoRef], growth: Growth | None, store: FeatureStore, progress: Progress
) -> dict[str, list[Row]]:
    """Return tables: the indexes if they are rebuilt, the time of every stage, and the totals with memory in MiB."""
    manifest = BUNDLE.read(bundle)
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
        stated = stated_by(manifest.config.select, parts.catalog.parents)
        exhaustive = ExhaustiveRanker(ranker.scorer.tag_vectors, parts.catalog.hidden)
        tables["one video"] += _rank_stages(ranker, stated, exhaustive, inputs, progress)
    figures |= {"labelled videos": len(parts.labelled.ids), "tags": len(parts.catalog), "queries": len(queries)}
    tables["all"] = [
        {"": name, "value": value} for name, value in {**figures, "MiB": round(now_mib() - before)}.items()
    ]
    return tables


def _stages(
    recall_stage: RecallStage, queries: Sequence[VideoEmbeddings], progress: Progress
) -> tuple[list[Row], list[Candidates]]:
    found: list[Candidates] = []
    times = StageTimes()
    for query in queries[:WARM]:
        recall_one(recall_stage, query, StageTimes())
    with progress.track("recall one by one", len(queries)) as advance:
        for query in queries:
            with times("recall"):
                found.append(recall_one(recall_stage, query, times))
            advance(1)
    return times.rows(), found


def _rank_stages(
    ranker: ContrastiveRanker,
    stated: Needed,
    exhaustive: ExhaustiveRanker,
    inputs: Sequence[RankInput],
    progress: Progress,
) -> list[Row]:
    """Time the stages of the ranker on one thread, as in the service for a single video."""
    times = StageTimes()
    with threads(1):
        for video in inputs[:WARM]:
            _rank_one(ranker, stated, exhaustive, video, StageTimes())
        with progress.track("rank one by one", len(inputs)) as advance:
            for video in inputs:
                _rank_one(ranker, stated, exhaustive, video, times)
                advance(1)
    return times.rows()


def _rank_one(
    ranker: ContrastiveRanker, stated: Needed, exhaustive: ExhaustiveRanker, video: RankInput, times: StageTimes
) -> None:
    scorer = ranker.scorer
    with times("rank"):
        ranker.score([video], [stated])
    with times("rank: video tower"):
        [row] = scorer.video_vectors([video])
    with times("rank: all names of new tags, for comparison"):
        scorer.name_vectors(scorer.unread(video.candidates, scorer.known).values())
    with times("rank: whole catalog, for comparison"):
        exhaustive.search(row[None], len(video.candidates.tag_rows) or 1)


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
