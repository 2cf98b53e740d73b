"""Division of impressions by time, and the holding out of videos."""

from pathlib import Path

import numpy as np
import pytest

from tagging.recommendation.clicks.split import divide, divide_by_time
from tagging.recommendation.clicks.table import ImpressionTable, read_impressions
from tagging.recommendation.split import HeldOut
from tests.support.corpora import write_rows


@pytest.fixture
def table(tmp_path: Path) -> ImpressionTable:
    rows = [{"user_id": n % 7, "video_id": n % 20, "clicked": n % 2, "time": -n} for n in range(1000)]
    write_rows(tmp_path / "t.jsonl", rows)
    return read_impressions(tmp_path / "t.jsonl", [])


def test_each_part_is_later_than_the_part_before(table: ImpressionTable) -> None:
    parts, times = divide(table, "last", 1), table.times
    assert [len(parts.training), len(parts.validation), len(parts.test)] == [700, 100, 200]
    assert np.array_equal(np.sort(np.concatenate([parts.training, parts.validation, parts.test])), np.arange(1000))
    assert times[parts.training].max() < times[parts.validation].min()
    assert times[parts.validation].max() < times[parts.test].min()


def test_new_videos_are_not_learnt_from_and_only_they_are_measured(table: ImpressionTable) -> None:
    parts, videos = divide(table, "new", 1), table.fields["video_id"].rows.values
    new = set(videos[parts.test])
    assert new == set(videos[parts.validation])
    assert len(new) == 4  # a fifth
    assert set(videos[parts.training]) == set(range(20)) - new
    assert [len(parts.training), len(parts.validation), len(parts.test)] == [560, 20, 40]
    assert table.times[parts.training].max() < table.times[parts.test].min()
    assert new != set(videos[divide(table, "new", 2).test])


def test_impressions_of_one_time_are_in_one_part() -> None:
    times = np.repeat(np.arange(10.0), 7)
    times[49:53] = 6  # the end of the training part falls inside
    parts = divide_by_time(times)
    found = [set(times[rows]) for rows in (parts.training, parts.validation, parts.test)]
    assert not found[0] & found[1]
    assert not found[1] & found[2]


@pytest.mark.parametrize("times", [[], [1.0], [1.0] * 50, [1.0] * 50 + [2.0] * 50])
def test_too_few_times_are_refused(times: list[float]) -> None:
    with pytest.raises(ValueError, match="parts of"):
        divide_by_time(np.array(times))


@pytest.mark.parametrize("clicked", [0, 1])
@pytest.mark.parametrize("held_out", ["last", "new"])
def test_a_test_part_of_one_kind_is_refused(held_out: HeldOut, clicked: int, tmp_path: Path) -> None:
    rows = [
        {"user_id": n % 7, "video_id": n % 20, "clicked": clicked if n >= 80 else n % 2, "time": n} for n in range(100)
    ]
    write_rows(tmp_path / "t.jsonl", rows)
    with pytest.raises(ValueError, match="of the test part were clicked"):
        divide(read_impressions(tmp_path / "t.jsonl", []), held_out, 1)
