"""Search among n embeddings by the default index against exact search, on the bundle's embeddings grown to n."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tagging.bench.embeddings import NEIGHBOURS, Rows, grow
from tagging.bench.figure import Curve, Figure, Row
from tagging.bench.indexes import AgainstExact, against_exact, nearest_scores
from tagging.bench.plan import Plan
from tagging.bench.timing import Spent, median_s, ratios
from tagging.bundle.indexes import ViewIndex
from tagging.bundle.manifest import BUNDLE, BundleManifest
from tagging.bundle.name_vectors import load_name_vectors
from tagging.bundle.sealed import artifact_errors
from tagging.config.recall import IndexConfig
from tagging.errors import InvalidConfigError

K = 300  # neighbours of a query, as in neighbour voting
DEFAULT = IndexConfig()


def measure(plan: Plan) -> list[Figure]:
    """Return the figure of the largest number of rows, with the curve of the default backend and of exact search.

    Raises ArtifactError for a bundle that is missing or damaged, InvalidConfigError for one with too few embeddings.
    """
    rng = np.random.default_rng(plan.seed)
    real = embeddings_of(plan.bundle, BUNDLE.read(plan.bundle))
    real = real[rng.permutation(len(real))]
    count = min(plan.sizes.searches, len(real) // 2)
    queries, real = real[:count], real[count:]
    sizes = plan.sizes.search_rows
    found = {}
    with plan.progress.track("search", 2 * count * len(sizes)) as advance:
        for size in sizes:
            rows = grow(real, size, rng)
            truth = nearest_scores(rows, queries, K, lambda _: None)
            found[size] = against_exact(rows, queries, truth, DEFAULT, plan.seed, count, advance)
    largest = found[sizes[-1]]
    parts = tuple({"rows": size, "grown by": round(size / len(real), 1), **_row(found[size])} for size in sizes)
    curves = (
        _curve("default index", {size: each.spent for size, each in found.items()}),
        _curve("exact search", {size: each.exact for size, each in found.items()}),
    )
    meaning = f"{largest.backend} / exact search, {sizes[-1]:,} rows"
    return [Figure("search", meaning, *ratios(largest.spent, largest.exact), parts, curves)]


def embeddings_of(bundle: Path, manifest: BundleManifest) -> Rows:
    """Return (n, D) unit rows: of the bundle's labelled texts or of its tags' names, whichever are more.

    Raises InvalidConfigError if they are too few to grow, ArtifactCorruptError for a damaged file.
    """
    rows = np.zeros((0, 1), np.float32)
    with artifact_errors(bundle):
        if (entry := manifest.channels.get("text")) is not None:
            rows = ViewIndex.load(bundle / "channels" / "text", manifest.config.recall.index, entry).index.rows()
        if manifest.names is not None and manifest.names.count > len(rows):
            rows = load_name_vectors(bundle, manifest.names)
    if len(rows) < 4 * NEIGHBOURS:
        raise InvalidConfigError(
            f"{bundle} has {len(rows)} embeddings, too few to grow", "give a --bundle with labelled titles or tag names"
        )
    return rows


def _curve(name: str, spent: Mapping[int, Sequence[Spent]]) -> Curve:
    return Curve(name, "rows", "ms", tuple((size, 1e3 * median_s(each)) for size, each in spent.items()))


def _row(found: AgainstExact) -> Row:
    return {
        "backend": found.backend,
        f"recall@{K}": round(found.recall_at(K), 3),
        "p50 ms": round(found.percentile_ms(50), 2),
        "p99 ms": round(found.percentile_ms(99), 2),
        "p50 / exact": round(median_s(found.spent) / median_s(found.exact), 3),
        "MiB": round(found.resident_mib),
        "build s": round(found.build_s, 1),
    }
