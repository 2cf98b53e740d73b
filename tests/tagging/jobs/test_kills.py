"""Batches in one process that are killed at random moments: no row lost, none doubled, finished work not repeated."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import psutil
import pytest

from tests.support.kills import Clips, Finished, descendants, serving_clips, tagged_ids, wait_for_moment
from tests.tagging.jobs.test_batch import rows_of, tag_all

KILLS = int(os.environ.get("VIDEOTAG_TEST_KILLS", "1"))  # of each kind
TIMEOUT_S = 240.0
SCRIPT = """
from pathlib import Path
from tests.tagging.jobs.test_batch import tag_all
tag_all(Path({bundle!r}), Path({manifest!r}), Path({out!r}))
"""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 + 60 * KILLS)]


@pytest.fixture
def clips(tmp_path: Path) -> Iterator[Clips]:
    with serving_clips(tmp_path) as clips:
        yield clips


def command(bundle: Path, manifest: Path, out: Path) -> list[str]:
    return [sys.executable, "-c", SCRIPT.format(bundle=str(bundle), manifest=str(manifest), out=str(out))]


def test_every_row_is_there_once_after_kills_of_the_process(clips: Clips, tiny_bundle: Path, tmp_path: Path) -> None:
    random, out, manifest = Random(1), tmp_path / "out", tmp_path / "m.jsonl"
    ids = clips.write_manifest(manifest, 12 + 4 * KILLS)
    run_once = command(tiny_bundle, manifest, out)
    finished = Finished(clips, out)
    for kill in range(1, KILLS + 1):
        run = subprocess.Popen(run_once)
        assert wait_for_moment(run, clips, random, 10, TIMEOUT_S), f"it ended before kill {kill}"
        run.kill()
        assert run.wait() == -signal.SIGKILL
        finished.note()
    report = tag_all(tiny_bundle, manifest, out)
    assert (report.tagged, report.dead_letters) == (len(ids), 0)
    assert tagged_ids(out) == ids
    finished.check_not_repeated()
    assert not [path for path in out.rglob("_*") if path.name != "_job.json"]
    before = clips.total
    assert tag_all(tiny_bundle, manifest, out).done == 0
    assert clips.total == before


def test_a_video_whose_decode_worker_is_killed_is_tagged_by_the_next_run(
    clips: Clips, tiny_bundle: Path, tmp_path: Path
) -> None:
    random, out, manifest = Random(2), tmp_path / "out", tmp_path / "m.jsonl"
    ids = clips.write_manifest(manifest, 8 + 12 * KILLS)
    run_once = command(tiny_bundle, manifest, out)
    run = subprocess.Popen(run_once)
    kills = 0
    while kills < KILLS and wait_for_moment(run, clips, random, 8, TIMEOUT_S, 0.1):
        workers = descendants(psutil.Process(run.pid), lambda child: child.ppid() != run.pid)  # of the fork server
        if workers:
            random.choice(workers).kill()
            kills += 1
    assert run.wait(timeout=TIMEOUT_S) == 0
    assert kills == KILLS
    dead = rows_of(out, "dead_letters")
    assert len(dead) <= kills
    assert all((row["error"], row["transient"]) == ("DecodeCrashError", True) for row in dead)
    finished = Finished(clips, out)
    finished.note()
    report = tag_all(tiny_bundle, manifest, out)
    assert (report.tagged, report.dead_letters, report.done) == (len(ids), 0, len(dead))
    assert tagged_ids(out) == ids
    finished.check_not_repeated()
