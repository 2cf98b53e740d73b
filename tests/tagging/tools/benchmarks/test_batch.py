"""The benchmark of batches: executors against a plain loop over the tagger."""

import json
from pathlib import Path

import pytest

from tests.support.tools import run_tools


def test_a_batch_is_compared_with_a_plain_loop(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "m.jsonl"
    rows = [{"video_id": f"v{number}", "title": f"Cats {number}"} for number in range(30)]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"video_id": "gone", "uri": "gone.mp4"}]))
    run_tools("benchmarks", "batch", str(manifest), "--bundle", str(tiny_bundle), "--format", "json")
    tables = json.loads(capsys.readouterr().out)
    assert [(row["run"], row["rows"]) for row in tables["runs"]] == [("loop", 31), ("local", 31)]
    assert tables["runs"][0]["ratio"] == 1.0
    assert all(row["peak MiB"] > 50 for row in tables["runs"])
    assert {row["stage"] for row in tables["stages"] if row["run"] == "loop"} == {"encode", "recall", "rank", "select"}


def test_a_failed_run_is_one_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tmp_path / "m.jsonl"
    manifest.write_text('{"video_id": "v", "title": "Cat"}\n')
    run_tools("benchmarks", "batch", str(manifest), "--bundle", str(tmp_path / "none"), "--run", "local", code=1)
    assert "a run failed with exit code 1" in capsys.readouterr().err
