"""The benchmark of fusion on made-up users who watch videos of one tag."""

import json
from pathlib import Path

import numpy as np
import pytest

from tagging.tools.benchmarks.click_fusion import CONDITIONS
from tests.support.corpora import write_rows
from tests.support.tools import run_tools
from tests.tagging.topics.conftest import text_bundle

__all__ = ["text_bundle"]

TAGS = ("cooking", "chess", "sailing")


def test_content_tells_what_users_click_and_every_fusion_has_a_row(
    text_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = np.random.default_rng(4)
    videos = [{"video_id": n, "title": f"clip {n % 2}{n % 2}", "tags": [TAGS[n % 3]]} for n in range(900)]
    watched = [  # few users share a video, so that its id tells little
        {"user_id": user, "videos": (3 * generator.permutation(300)[:20] + user % 3).tolist()} for user in range(120)
    ]
    write_rows(tmp_path / "videos.jsonl", videos)
    write_rows(tmp_path / "watched.jsonl", watched)
    (tmp_path / "short.toml").write_text("epochs = 6\nbatch = 64\nrate = 0.02\nhidden = [8]\nwidth = 8\n")
    args = ["--manifest", tmp_path / "videos.jsonl", "--interactions", tmp_path / "watched.jsonl"]
    args += ["--bundle", text_bundle, "--features", tmp_path / "f", "--config", tmp_path / "short.toml"]
    run_tools("benchmarks", "click-fusion", *args, "--seed", 1, "--format", "json")
    rows = json.loads(capsys.readouterr().out)["fusion, last"]
    auc = {row["content"]: float(row["AUC"].split()[0]) for row in rows}
    assert list(auc) == list(CONDITIONS)
    for content in ("attention", "user-guided", "concatenation", "tags alone"):
        assert auc[content] > 0.75  # 0.83 at best: a third of the drawn videos are of the user's tag
    assert auc["no content"] < 0.6
    assert [row["AUC against attention"] is None for row in rows] == [name == "attention" for name in auc]


def test_videos_without_tags_are_refused(text_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(tmp_path / "videos.jsonl", [{"video_id": n, "title": f"clip {n}", "tags": []} for n in range(20)])
    write_rows(tmp_path / "watched.jsonl", [{"user_id": 1, "videos": list(range(12))}])
    args = ["--manifest", tmp_path / "videos.jsonl", "--interactions", tmp_path / "watched.jsonl"]
    run_tools("benchmarks", "click-fusion", *args, "--bundle", text_bundle, "--features", tmp_path / "f", code=1)
    assert "fewer than two words" in capsys.readouterr().err
