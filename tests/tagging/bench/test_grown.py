"""Recall of a bundle grown to more labelled videos."""

from pathlib import Path

import numpy as np

from tagging.bench.grown import Growth, grown
from tagging.bundle.manifest import BUNDLE
from tagging.config.recall import IndexConfig
from tagging.pipeline.recall_parts import RecallParts
from tagging.progress import Silent


def test_grown_videos_share_tags_with_their_parents_and_are_close_to_them(precise_bundle: Path) -> None:
    parts = RecallParts.load(precise_bundle, BUNDLE.read(precise_bundle))
    config = BUNDLE.read(precise_bundle).config.recall
    more, report = grown(parts, Growth(1_000, IndexConfig(backend="hnsw"), 7), config, [], Silent())
    assert len(more.labelled.ids) == len(set(more.labelled.ids)) == 1_000
    assert [row["rows"] for row in report] == [1_000, 1_000, len(parts.catalog)]
    titles = dict(zip(parts.labelled.titles, range(400), strict=True))
    for row in (0, 399, 400, 700, 999):
        same = [parent for parent in range(400) if parts.labelled.titles[parent] == more.labelled.titles[row]]
        assert more.labelled.titles[row] in titles
        assert any(np.array_equal(more.labelled.tags.at(row), parts.labelled.tags.at(parent)) for parent in same)
    view = more.views["text"]
    np.testing.assert_array_equal(view.videos, np.arange(1_000))
    rows = view.index.rows()
    parents = {title: rows[row] for row, title in enumerate(parts.labelled.titles)}
    cosines = [float(rows[row] @ parents[more.labelled.titles[row]]) for row in range(400, 1_000)]
    others = [float(rows[row] @ rows[(row * 7) % 400]) for row in range(400, 1_000)]
    assert np.mean(cosines) > np.mean(others) + 0.2
    assert more.recall_model is not None
    assert more.recall_model.texts.shape[0] == 1_000
