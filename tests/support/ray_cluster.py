"""A Ray cluster of several nodes on loopback, in a process of its own: nodes can be killed and new ones added.

`python -m tests.support.ray_cluster NODES` prints the address, and adds a node for each line that it reads.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

CPUS_PER_NODE = 3  # so that a batch can run on one node alone
ENVIRONMENT = {  # of nodes and drivers, read when Ray is imported
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # else Ray replaces 127.0.0.1 by the machine's own address
    "RAY_raylet_start_wait_time_s": "180",
    "RAY_worker_niceness": "0",  # else workers starve on a busy machine
}
NODE: dict[str, Any] = {"num_cpus": CPUS_PER_NODE, "node_ip_address": "127.0.0.1", "object_store_memory": 100 * 2**20}


class RayCluster:
    """A head without CPUs, and nodes of CPUS_PER_NODE."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        about = self._hear()
        self.address = str(about["address"])
        self._head = about["head"]

    def raylets(self) -> list[psutil.Process]:
        """Return the processes that are the live nodes, without the head."""
        return [child for child in self._alive() if _name(child) == "raylet" and child.pid != self._head]

    def workers(self) -> list[psutil.Process]:
        """Return the processes that run a stage of a batch, in a task or an actor."""
        return [child for child in self._alive() if _title(child).startswith(("ray::MapBatches", "ray::MapWorker"))]

    def add_node(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._hear()

    def _alive(self) -> list[psutil.Process]:
        children = psutil.Process(self._process.pid).children(recursive=True)
        return [child for child in children if _is_alive(child)]

    def _hear(self) -> dict[str, object]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the cluster ended"
        about: dict[str, object] = json.loads(line)
        return about


@contextmanager
def ray_cluster(folder: Path, nodes: int) -> Iterator[RayCluster]:
    """Start a cluster whose processes log to a folder; all of them are killed at the end."""
    with (folder / "cluster.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(nodes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **ENVIRONMENT},
        )
        with process:
            try:
                yield RayCluster(process)
            finally:
                own = psutil.Process(process.pid).children(recursive=True)
                process.kill()
                for child in own:
                    if child.is_running():
                        child.kill()


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def main() -> None:
    from ray.cluster_utils import Cluster

    out, sys.stdout = sys.stdout, sys.stderr  # for what Ray prints
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "num_cpus": 0, "include_dashboard": False})
    [head] = [child for child in psutil.Process().children(recursive=True) if _name(child) == "raylet"]
    for _ in range(int(sys.argv[1])):
        cluster.add_node(**NODE)
    print(json.dumps({"address": cluster.address, "head": head.pid}), file=out, flush=True)
    for _ in sys.stdin:
        cluster.add_node(**NODE)
        print("{}", file=out, flush=True)


if __name__ == "__main__":
    main()
