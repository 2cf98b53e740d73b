"""The benchmark of topic queues."""

import json

import pytest

from tests.support.tools import run_tools


def test_the_command_prints_each_call_against_whole_queues(capsys: pytest.CaptureFixture[str]) -> None:
    run_tools("benchmarks", "queues", "--videos", "400", "--repeats", "1", "--format", "json")
    [(title, rows)] = json.loads(capsys.readouterr().out).items()
    assert title == "queues of 400 videos"
    whole, candidates, page, report = rows
    assert [row["call"] for row in rows] == [
        "5 whole queues",
        "candidates",
        "page of a queue",
        "report of 1,000 events",
    ]
    assert whole["over whole queues"] == 1
    assert min(candidates["CPU ms"], page["CPU ms"], report["CPU ms"]) > 0
