"""The benchmark of the search of new uploads."""

import json

import pytest

from tests.support.tools import run_tools


def test_the_search_of_each_number_of_uploads_is_compared_with_the_user_tower(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_tools("benchmarks", "uploads", "--count", "5", "--count", "7000", "--format", "json")
    rows = json.loads(capsys.readouterr().out)["Uploads"]
    assert [row["uploads"] for row in rows] == [5, 7000]
    for row in rows:
        assert row["search / user tower"] == pytest.approx(row["search ms"] / row["user tower ms"])
        assert row["vectors MiB"] == pytest.approx(row["uploads"] * (64 * 4 + 8) / 2**20)
