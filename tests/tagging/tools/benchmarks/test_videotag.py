"""videotag on a benchmark, through the commands that a user would run."""

from pathlib import Path

import pytest

from tagging.tools.benchmarks import videotag
from tagging.tools.benchmarks.datasets import read_dataset
from tagging.tools.benchmarks.folder import BenchmarkFolder, read_table
from tagging.tools.benchmarks.predictions import read_predictions
from tagging.tools.benchmarks.split import write_split
from tests.support.benchmark_data import videotag_here, write_youtube
from tests.support.tools import run_tools

CONFIG = """
[encoders.text]
backend = "hashed-ngrams"
dim = 64
[encoders.vision]
backend = "none"
[encoders.audio]
backend = "none"
[encoders.speech]
backend = "none"
[encoders.screen]
backend = "none"
"""


@pytest.mark.slow
def test_videotag_is_trained_once_and_writes_its_predictions_next_to_the_baselines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(videotag, "_videotag", videotag_here)
    write_split(read_dataset("youtube", write_youtube(tmp_path / "y.parquet")), tmp_path / "bench")
    folder = BenchmarkFolder(tmp_path / "bench")
    (tmp_path / "c.toml").write_text(CONFIG)
    arguments = [str(folder.root), "--config", str(tmp_path / "c.toml"), "--features", str(tmp_path / "store")]
    run_tools("benchmarks", "ours", *arguments, "--test", "unseen")
    manifest = (folder.root / "bundle" / "manifest.json").read_bytes()
    run_tools("benchmarks", "ours", *arguments)
    assert (folder.root / "bundle" / "manifest.json").read_bytes() == manifest
    for test in ("unseen", "seen"):
        systems = {path.name for path in folder.predictions(test).iterdir()}
        assert systems >= {"videotag-union.jsonl.gz", "videotag-text.jsonl.gz"}
        found = read_predictions(folder.predictions(test) / "videotag-union.jsonl.gz")
        tagged = {row.video.video_id for row in read_table(folder.table(test)) if row.tags}
        assert set(found) == tagged
    assert not list(folder.root.rglob(".videotag-*"))


def test_a_failed_training_is_reported_as_one_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_split(read_dataset("youtube", write_youtube(tmp_path / "y.parquet")), tmp_path / "bench")
    run_tools("benchmarks", "ours", str(tmp_path / "bench"), "--config", str(tmp_path / "none.toml"), code=1)
    errors = capfd.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in errors] == ["error", "error", "hint"]
    assert "videotag train failed with exit code 1" in errors[1]
