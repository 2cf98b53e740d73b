"""Batches on a Ray cluster of two nodes whose drivers, workers and nodes are killed at random moments."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.support.kills import Clips, Finished, serving_clips, tagged_ids, wait_for_moment
from tests.support.polling import wait_until
from tests.support.ray_cluster import ENVIRONMENT, RayCluster, ray_cluster

pytest.importorskip("ray", reason="needs the extra ray")

KILLS = int(os.environ.get("VIDEOTAG_TEST_KILLS", "2"))  # of each kind
TIMEOUT_S = 240.0  # of a run without kills
# A cluster takes a minute to start on a busy machine; after a kill its actors load their models again.
pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600 + 120 * KILLS)]
SCRIPT = """
import json
from dataclasses import asdict
from pathlib import Path
from tagging.jobs.ray_executor import cluster
from tests.tagging.jobs.test_ray import tag_on_ray
with cluster({address!r}) as plan:
    print(json.dumps(asdict(tag_on_ray(plan, Path({bundle!r}), Path({manifest!r}), Path({out!r})))))
"""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    with ray_cluster(tmp_path_factory.mktemp("ray"), 2) as cluster:
        yield cluster


@pytest.fixture
def clips(tmp_path: Path) -> Iterator[Clips]:
    with serving_clips(tmp_path) as clips:
        yield clips


class Batch:
    """A command that is started again and again."""

    def __init__(self, nodes: RayCluster, clips: Clips, bundle: Path, folder: Path, count: int) -> None:
        self.out, manifest = folder / "out", folder / "m.jsonl"
        self.ids = clips.write_manifest(manifest, count)
        self.clips = clips
        self.finished = Finished(clips, self.out)
        script = SCRIPT.format(address=nodes.address, bundle=str(bundle), manifest=str(manifest), out=str(self.out))
        self._command = [sys.executable, "-c", script]

    def start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(self._command, stdout=subprocess.PIPE, env={**os.environ, **ENVIRONMENT})

    def finish(self, run: "subprocess.Popen[bytes]") -> dict[str, Any]:
        """Wait for the end of a run; return its report."""
        answer, _ = run.communicate(timeout=TIMEOUT_S)
        assert run.returncode == 0
        report: dict[str, Any] = json.loads(answer.splitlines()[-1])
        return report

    def check(self) -> None:
        """Check that every row is there once, and that another run has nothing to do."""
        assert tagged_ids(self.out) == self.ids
        self.finished.check_not_repeated()
        before = self.clips.total
        report = self.finish(self.start())
        assert (report["tagged"], report["dead_letters"], report["done"]) == (len(self.ids), 0, 0)
        assert self.clips.total == before
        assert not list(self.out.glob("_[lw]*"))


def test_every_row_is_there_once_after_kills_of_the_driver(
    nodes: RayCluster, clips: Clips, tiny_bundle: Path, tmp_path: Path
) -> None:
    random, batch = Random(3), Batch(nodes, clips, tiny_bundle, tmp_path, 12 + 4 * KILLS)
    for kill in range(1, KILLS + 1):
        with batch.start() as run:
            assert wait_for_moment(run, clips, random, 8, TIMEOUT_S), f"it ended before kill {kill}"
            run.kill()
            assert run.wait() == -signal.SIGKILL
        batch.finished.note()
    with batch.start() as run:
        batch.finish(run)
    batch.check()


@pytest.mark.parametrize("victim", ["worker", "node"])
def test_every_row_is_there_once_after_kills_of_a(
    victim: str, nodes: RayCluster, clips: Clips, tiny_bundle: Path, tmp_path: Path
) -> None:
    kill: dict[str, Callable[[Random], bool]] = {"worker": lambda random: kill_worker(nodes, random)}
    kill["node"] = lambda random: kill_node(nodes, random)
    random, batch = Random(4), Batch(nodes, clips, tiny_bundle, tmp_path, 12 + 12 * KILLS)
    run, kills = batch.start(), 0
    while kills < KILLS:
        if wait_for_moment(run, clips, random, 8, TIMEOUT_S, 0.2):
            kills += kill[victim](random)
            batch.finished.note()
        else:  # a driver ends with the node that it is connected to
            assert run.wait() != 0, f"it was done after {kills} kills"
            run.communicate()
            run = batch.start()
    run.communicate(timeout=TIMEOUT_S + 60 * KILLS)
    if run.returncode:
        batch.finish(batch.start())
    batch.check()


def kill_worker(nodes: RayCluster, random: Random) -> bool:
    """Kill a process that runs a task or an actor; return whether there was one."""
    workers = nodes.workers()
    if workers:
        random.choice(workers).kill()
    return bool(workers)


def kill_node(nodes: RayCluster, random: Random) -> bool:
    """Kill the process that is a node, and add another node."""
    victim = random.choice(nodes.raylets())
    victim.kill()
    wait_until(lambda: victim not in nodes.raylets())
    nodes.add_node()
    return True
