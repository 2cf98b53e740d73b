import numpy as np

from tagging.topics.hierarchy import group_centres


def test_near_centres_are_in_one_group() -> None:
    axes = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2, 0, 1, 2]]
    centres = axes + 0.1 * np.random.default_rng(1).standard_normal((9, 3)).astype(np.float32)
    assert group_centres(centres).tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2]


def test_few_topics_are_one_group() -> None:
    assert group_centres(np.eye(2, dtype=np.float32)).tolist() == [0, 0]
    assert group_centres(np.eye(1, dtype=np.float32)).tolist() == [0]
