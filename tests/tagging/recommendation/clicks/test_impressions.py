"""The vocabulary, which knows the training part alone, and ragged fields as padded arrays."""

from pathlib import Path

import numpy as np
import pytest

from tagging.errors import NothingToLearnError
from tagging.ragged import Ragged
from tagging.recommendation.clicks.impressions import Impressions, build_vocabulary, padded
from tagging.recommendation.clicks.table import ImpressionTable, read_impressions
from tests.support.corpora import write_rows

TAGS = [["x", "y"], ["x"], ["y", "z"], ["z", "late"], ["late"]]


@pytest.fixture
def table(tmp_path: Path) -> ImpressionTable:
    rows = [
        {"user_id": n % 2, "video_id": n, "clicked": n % 2, "time": n, "tags": tags, "empty": None}
        for n, tags in enumerate(TAGS)
    ]
    write_rows(tmp_path / "t.jsonl", rows)
    return read_impressions(tmp_path / "t.jsonl", ["tags", "empty"])


def test_only_values_that_are_frequent_in_the_training_part_have_a_row(table: ImpressionTable) -> None:
    vocabulary = build_vocabulary(table, np.arange(3), ["user_id", "tags", "empty"], min_count=2)
    assert set(vocabulary.rows["tags"]) == {"x", "y"}  # z and late are twice in the table
    assert vocabulary.sizes == {"user_id": 2, "tags": 3}
    found = vocabulary.impressions(table)
    names = {row: name for name, row in vocabulary.rows["tags"].items()}
    read = [[names[row] for row in found.fields["tags"].at(n)] for n in range(len(found))]
    assert read == [["x", "y"], ["x"], ["y"], [], []]


def test_impressions_are_taken_by_row(table: ImpressionTable) -> None:
    found = (
        build_vocabulary(table, np.arange(5), ["user_id", "tags"], min_count=1)
        .impressions(table)
        .only(np.array([4, 0]))
    )
    assert [len(found.fields["tags"].at(n)) for n in range(2)] == [1, 2]
    assert found.clicked.tolist() == [False, False]
    assert found.users[0] == found.users[1]


def test_fewer_than_two_fields_are_nothing_to_learn_from(table: ImpressionTable) -> None:
    with pytest.raises(NothingToLearnError, match="1 fields have a value that 2 impressions share"):
        build_vocabulary(table, np.arange(5), ["tags", "video_id", "empty"], min_count=2)


def test_parts_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        Impressions({"tags": Ragged.of([[1], [2]])}, np.zeros(2, np.int64), np.zeros(3, np.bool_))


def test_shorter_lists_are_padded_with_zero() -> None:
    assert padded(Ragged.of([[4, 5], [], [6]])).tolist() == [[4, 5], [0, 0], [6, 0]]
    assert padded(Ragged.of([[], []])).tolist() == [[0], [0]]
