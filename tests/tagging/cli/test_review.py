"""`videotag review` as a process: its address, its end, resume after a kill, and its errors."""

import json
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tagging.inspection.review.feedback_file import FeedbackFile
from tagging.inspection.review.run import read_review_videos
from tagging.manifests.read import read_labelled
from tests.support.cli import VIDEOTAG, error_lines, run
from tests.support.polling import wait_until


@dataclass(frozen=True, slots=True)
class Review:
    process: subprocess.Popen[str]
    url: str

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.load(answer)

    def post(self, path: str, **body: object) -> Any:
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def turn(self) -> int:
        wait_until(lambda: self.get("api/state")["status"] == "open")
        return int(self.get("api/state")["turn"])


@contextmanager
def started(*args: object) -> Iterator[Review]:
    command = [str(VIDEOTAG), "review", *map(str, args), "--no-browser"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"review at (http://127\.0\.0\.1:\d+/[\w-]{32}/)\n", line)
        if found is None:
            pytest.fail(f"{line!r}: {process.communicate(timeout=60)[1]}")
        yield Review(process, found[1])
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def manifest(tmp_path: Path, unseen_corpus: Path) -> Path:
    """Clips and a title, in another folder than the feedback."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for clip in unseen_corpus.parent.glob("*.mp4"):
        (folder / clip.name).symlink_to(clip)
    rows = unseen_corpus.read_text(encoding="utf-8").splitlines()[:2]
    rows.append(json.dumps({"video_id": "title", "title": "A guitar lesson"}))
    (folder / "m.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder / "m.jsonl"


def test_a_review_survives_a_kill_and_ends_with_a_summary(tmp_path: Path, manifest: Path, tiny_bundle: Path) -> None:
    out = tmp_path / "feedback.jsonl"
    args = (manifest, "--bundle", tiny_bundle, "--out", out)
    with started(*args) as review:
        turn = review.turn()
        video = review.get("api/video")
        assert video["tags"]
        review.post("api/decide", turn=turn, key=video["tags"][0]["key"], verdict="accepted")
        review.process.send_signal(signal.SIGKILL)
        review.process.wait()
    with started(*args, "--limit", 2) as review:
        turn = review.turn()
        assert review.get("api/video")["video_id"] == video["video_id"]
        [made] = review.get("api/state")["decisions"]
        assert made["name"] == video["tags"][0]["name"]
        shown = []
        for _ in range(2):
            turn = review.turn()
            shown.append(review.get("api/video"))
            review.post("api/add", turn=turn, name="fnord")
            review.post("api/confirm", turn=turn)
        assert review.get("api/state")["status"] == "limit"
        assert any(shown_video["frames"] for shown_video in shown)  # at least one of two clips
        review.process.send_signal(signal.SIGINT)
        stdout, stderr = review.process.communicate(timeout=120)
    assert review.process.returncode == 0, stderr
    assert "Traceback" not in stderr
    summary = f"reviewed 2 videos: 1 tag accepted, 0 rejected, 2 added; {out} has 2 videos"
    assert stdout.splitlines()[-1] == summary
    rows = list(read_labelled([out], {}))
    assert rows[0].tags == (video["tags"][0]["name"], "fnord")
    for row in rows:
        assert row.video.uri is None or Path(row.video.uri).is_absolute()
        assert row.video.uri is None or Path(row.video.uri).is_file()


def test_the_feedback_on_a_relative_manifest_finds_its_media_from_any_folder(
    tmp_path: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    uris = [video.uri for video in read_review_videos(manifest.relative_to(tmp_path), {})]
    assert uris == [str(manifest.parent / Path(uri).name) if uri else None for uri in uris]
    assert any(uris)


def test_errors_are_one_line_each(tmp_path: Path, manifest: Path, tiny_bundle: Path) -> None:
    out = tmp_path / "f.jsonl"
    args = ("--bundle", tiny_bundle, "--no-browser", "--out", out)
    assert "m.jsonl" in error_lines(run("review", tmp_path / "m.jsonl", *args))[0]
    (tmp_path / "empty.jsonl").write_text("")
    assert "has no video" in error_lines(run("review", tmp_path / "empty.jsonl", *args))[0]
    with FeedbackFile.open(out):
        assert "another review is writing" in error_lines(run("review", manifest, *args))[0]
    assert "is no feedback of videotag review" in error_lines(run("review", manifest, *args[:-1], manifest))[0]
    assert "is not a bundle" in error_lines(run("review", manifest, *args, "--bundle", tmp_path))[0]
    assert run("review", manifest, *args, "--limit", 0).returncode == 2
    assert run("review", manifest, *args, "--port", 70_000).returncode == 2
