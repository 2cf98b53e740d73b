from itertools import permutations

import numpy as np

from tagging.topics.identity import first_lineage, match, overlaps


def test_overlap_is_the_share_of_videos_that_two_topics_have_in_common() -> None:
    old, new = np.array([0, 0, 0, 1, 1, -1]), np.array([1, 1, 0, 0, -1, 0])
    got = overlaps(old, new, 3, 2)
    # The last two videos are unknown to one of the models.
    np.testing.assert_allclose(got, [[1 / np.sqrt(3 * 2), 2 / np.sqrt(3 * 2)], [1 / np.sqrt(1 * 2), 0], [0, 0]])


def test_the_matching_is_the_best_of_all_permutations() -> None:
    overlap = np.random.default_rng(2).uniform(0.3, 1.0, (6, 6))
    lineage = match(overlap, [11, 12, 13, 14, 15, 16], 17)
    got = sum(overlap[old_id - 11, new] for new, old_id in enumerate(lineage.ids))
    best = max(sum(overlap[old, new] for new, old in enumerate(order)) for order in permutations(range(6)))
    assert abs(got - best) < 1e-9


def test_topics_are_born_and_die_and_ids_are_never_given_again() -> None:
    lineage = match(np.array([[0.9, 0.0, 0.1], [0.0, 0.2, 0.1]]), [4, 7], next_id=9)
    assert lineage.ids == (4, 9, 10)  # 0.2 is too little to continue topic 7
    assert lineage.drift == {4: 0.1}
    assert lineage.born == (9, 10)
    assert lineage.died == (7,)
    assert lineage.next_id == 11


def test_the_first_ids_count_from_one() -> None:
    assert first_lineage(3).ids == (1, 2, 3)
    assert first_lineage(3).next_id == 4
