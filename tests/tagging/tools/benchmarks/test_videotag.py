"""videotag on a benchmark, through the commands that a user would type."""

from pathlib import Path

import pytest

from tagging.tools.benchmarks.datasets import read_dataset
from tagging.tools.benchmarks.folder import BenchmarkFolder, read_table
from tagging.tools.benchmarks.predictions import read_predictions
from tagging.tools.benchmarks.split import write_split
from tests.support.benchmark_data import write_youtube
from tests.support.tools import run_tools

CONFIG = """
[encoders.text]
backend = "hashed-ngrams"
dim = 64
[encoders.vision]
backend = "none"
[encoders.audio]
backend = "none"
"""


@pytest.mark.slow
def test_ours_is_trained_once_and_leaves_its_predictions_beside_the_peers(tmp_path: Path) -> None:
    write_split(read_dataset("youtube", write_youtube(tmp_path / "y.parquet")), tmp_path / "bench")
    folder = BenchmarkFolder(tmp_path / "bench")
    (tmp_path / "c.toml").write_text(CONFIG)
    asked = [str(folder.root), "--config", str(tmp_path / "c.toml"), "--features", str(tmp_path / "store")]
    run_tools("benchmarks", "ours", *asked, "--test", "unseen")
    sealed = (folder.root / "bundle" / "manifest.json").read_bytes()
    run_tools("benchmarks", "ours", *asked)
    assert (folder.root / "bundle" / "manifest.json").read_bytes() == sealed
    for test in ("unseen", "seen"):
        systems = {path.name for path in folder.predictions(test).iterdir()}
        assert systems >= {"videotag-union.jsonl.gz", "videotag-text.jsonl.gz"}
        found = read_predictions(folder.predictions(test) / "videotag-union.jsonl.gz")
        tagged = {row.video.video_id for row in read_table(folder.table(test)) if row.tags}
        assert set(found) == tagged
    assert not list(folder.root.rglob(".ours-*"))


def test_a_training_that_fails_is_one_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_split(read_dataset("youtube", write_youtube(tmp_path / "y.parquet")), tmp_path / "bench")
    run_tools("benchmarks", "ours", str(tmp_path / "bench"), "--config", str(tmp_path / "none.toml"), code=1)
    said = capfd.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in said] == ["error", "error", "hint"]
    assert "videotag train failed with exit code 1" in said[1]
