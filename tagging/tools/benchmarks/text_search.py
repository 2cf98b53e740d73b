"""Benchmark of the search by n-grams: its processor time against the sum of all postings, with equal answers.

The texts of the labelled videos may be grown to many more: each further video has the text of a drawn real one.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import sparse

from recall.neighbours.text_search import TextSearch
from recall.ngrams import NgramRow
from recall.topk import top_k
from tagging.bench.figure import Row
from tagging.bench.grown import parents_of
from tagging.bench.timing import in_turn
from tagging.bundle.manifest import BUNDLE
from tagging.errors import VideotagError
from tagging.pipeline.recall_parts import RecallParts
from tagging.progress import Progress
from tagging.types import Neighbours, VideoRef

MIB = 2**20


def text_search_times(
    bundle: Path, videos: Sequence[VideoRef], grow_to: int, seed: int, progress: Progress
) -> dict[str, list[Row]]:
    """Return the percentiles of both searches, and how many answers are equal.

    grow_to: labelled videos; fewer than the bundle has leave it as it is
    Raises VideotagError for a bundle without a recall model, or without a video that has a known n-gram.
    """
    manifest = BUNDLE.read(bundle)
    model = RecallParts.load(bundle, manifest).recall_model
    if model is None:
        raise VideotagError(f"{bundle} has no recall model", "train it with more labelled videos")
    rows = model.model.features.transform([video.text for video in videos])
    queries = [text for row in range(rows.shape[0]) if len((text := NgramRow.at(rows, row)).columns)]
    if not queries:
        raise VideotagError("no video has a known n-gram", "name a manifest with titles")
    texts = model.texts.tocsr()[parents_of(model.texts.shape[0], grow_to, np.random.default_rng(seed))]
    postings, search, k = texts.T.tocsr(), TextSearch(texts), manifest.config.recall.neighbours

    def by_sum(query: int) -> Neighbours:
        return _by_sum(postings, queries[query], k)

    def by_search(query: int) -> Neighbours:
        return search.nearest(queries[query], k)

    with progress.track("search", 2 * len(queries)) as advance:
        spent = in_turn({"sum of all postings": by_sum, "search": by_search}, len(queries), advance)
    table: list[Row] = []
    for name, of_side in spent.items():
        p50, p99 = np.percentile([1e3 * each.cpu_s for each in of_side], (50, 99))
        table.append({"search": name, "p50 cpu ms": round(float(p50), 2), "p99 cpu ms": round(float(p99), 2)})
    equal = sum(_equal(by_sum(query), by_search(query)) for query in range(len(queries)))
    figures = {"labelled videos": len(search), "queries": len(queries), "equal answers": equal}
    figures["MiB of postings"] = round((postings.data.nbytes + postings.indices.nbytes + postings.indptr.nbytes) / MIB)
    return {"searches": table, "all": [{"": name, "value": value} for name, value in figures.items()]}


def _by_sum(postings: sparse.csr_matrix, text: NgramRow, k: int) -> Neighbours:
    cosines = postings[text.columns].T @ text.weights
    found = np.flatnonzero(cosines > 0)
    order = found[top_k(cosines[found], found, k)]
    return Neighbours(order, cosines[order])


def _equal(first: Neighbours, second: Neighbours) -> bool:
    return np.array_equal(first.video_rows, second.video_rows) and np.array_equal(
        first.similarities, second.similarities
    )
