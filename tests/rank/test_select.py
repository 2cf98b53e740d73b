"""Which ranked candidates become tags, where one implies another."""

from collections.abc import Sequence

import numpy as np

from rank.select import drop_implied, select
from tagging.config.root import SelectConfig
from tagging.types import Candidates, TagScores


def candidates(rows: Sequence[int]) -> Candidates:
    new = {row: f"new {row}" for row in rows if row >= 100}
    return Candidates(np.array(rows, np.int64), ("text",), np.full((len(rows), 1), 0.5, np.float32), new=new)


def shown(rows: Sequence[int], sure: Sequence[float], parents: Sequence[Sequence[int]], most: int = 50) -> list[int]:
    given = candidates(rows)
    places = drop_implied(given, TagScores(np.array(sure, np.float32)), parents, most)
    return [int(row) for row in given.tag_rows[places]]


def implies(row: int, other: int, parents: Sequence[Sequence[int]]) -> bool:
    above = parents[row] if row < len(parents) else ()
    return any(ancestor == other or implies(ancestor, other, parents) for ancestor in above)


def test_it_agrees_with_a_plain_loop_over_any_catalog() -> None:
    generator = np.random.default_rng(0)
    left_out = 0
    for _ in range(200):
        tags = int(generator.integers(1, 15))
        parents = [
            [int(above) for above in range(row + 1, tags) if generator.random() < 2 / tags] for row in range(tags)
        ]
        rows = np.sort(generator.choice(tags + 3, generator.integers(0, tags + 4), replace=False)).tolist()
        sure = (generator.integers(0, 6, len(rows)) / 5).tolist()  # with ties
        most = int(generator.integers(1, 8))
        kept: list[int] = []
        for _, row in sorted((-negated, row) for negated, row in zip(sure, rows, strict=True)):
            implied = any(implies(earlier, row, parents) for earlier in kept)
            left_out += implied
            if not implied and len(kept) < most:
                kept.append(row)
        assert shown(rows, sure, parents, most) == kept
    assert left_out > 50


def test_what_an_earlier_tag_implies_is_left_out_over_two_steps_too() -> None:
    beagle, dog, animal, cat = range(4)
    parents = [[dog], [animal], [], [animal]]
    assert shown([beagle, dog, animal, cat], [0.9, 0.8, 0.7, 0.6], parents) == [beagle, cat]
    assert shown([beagle, animal], [0.9, 0.8], parents) == [beagle]  # dog is no candidate


def test_a_broader_tag_that_comes_first_stays_and_so_does_the_narrower_one() -> None:
    beagle, dog, animal = range(3)
    parents = [[dog], [animal], []]
    assert shown([beagle, dog, animal], [0.6, 0.8, 0.7], parents) == [dog, beagle]
    # Of equals, the catalog's first, which is used most, comes first.
    assert shown([beagle, dog], [0.5, 0.5], [[], [beagle]]) == [beagle, dog]
    assert shown([beagle, dog], [0.5, 0.5], [[dog], []]) == [beagle]


def test_tags_beyond_the_catalog_imply_nothing() -> None:
    assert shown([0, 1, 100, 101], [0.6, 0.7, 0.9, 0.8], [[1], []]) == [100, 101, 1, 0]
    assert shown([100], [0.3], ()) == [100]


def test_an_implied_tag_does_not_count_towards_the_limit() -> None:
    parents: list[list[int]] = [[1], [], [], []]
    sure = [0.9, 0.8, 0.7, 0.6]
    assert shown([0, 1, 2, 3], sure, parents, most=2) == [0, 2]
    assert shown([0, 1, 2, 3], sure, parents, most=1) == [0]
    assert shown([], [], parents) == []
    given, config = candidates([0, 1, 2, 3]), SelectConfig(max_tags=3, min_confidence=0.65)
    assert select(given, TagScores(np.array(sure, np.float32)), parents, config).tolist() == [0, 2]
