"""The `videotag batch` command on a Ray cluster of two nodes: drivers that share it, and little memory for objects."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tagging.config.media import MediaConfig
from tests.support.cli import VIDEOTAG
from tests.support.kills import tagged_ids
from tests.support.media_files import Film, make, numbered
from tests.support.ray_cluster import ENVIRONMENT, NODE, RayCluster, ray_cluster

pytest.importorskip("ray", reason="needs the extra ray")
pytestmark = [pytest.mark.ray, pytest.mark.slow]
TIMEOUT_S = 400.0


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    with ray_cluster(tmp_path_factory.mktemp("ray"), 2) as cluster:
        yield cluster


def start(nodes: RayCluster, manifest: Path, bundle: Path, out: Path, share: str = "1/1") -> "subprocess.Popen[bytes]":
    command = [str(VIDEOTAG), "batch", str(manifest), "--out", str(out), "--bundle", str(bundle)]
    options = ["--ray", nodes.address, "--share", share, "--format", "json"]
    return subprocess.Popen([*command, *options], stdout=subprocess.PIPE, env={**os.environ, **ENVIRONMENT})


def write_rows(path: Path, rows: list[dict[str, str]]) -> list[str]:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [row["video_id"] for row in rows]


def test_two_drivers_on_one_cluster_tag_each_row_once(nodes: RayCluster, tiny_bundle: Path, tmp_path: Path) -> None:
    manifest, out = tmp_path / "m.jsonl", tmp_path / "out"
    rows = [{"video_id": f"v{number}", "title": f"Cats and dogs {number}"} for number in range(9000)]  # five shards
    ids = write_rows(manifest, rows)
    drivers = [start(nodes, manifest, tiny_bundle, out, share) for share in ("1/2", "2/2")]
    reports = [json.loads(driver.communicate(timeout=TIMEOUT_S)[0]) for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0, 0]
    assert tagged_ids(out) == ids
    assert sorted(report["done"] for report in reports) == [4000, 5000]
    assert not list(out.glob("_[lw]*"))  # neither leases nor work


def test_frames_beyond_the_memory_for_objects_are_tagged(nodes: RayCluster, tiny_bundle: Path, tmp_path: Path) -> None:
    height, width, clips = 480, 640, 96  # three shards
    clip = make(tmp_path / "clip.mp4", Film(frames=16, paint=partial(numbered, height=height, width=width)))
    rows = [{"video_id": f"v{number}", "uri": str(clip), "title": f"Clip {number}"} for number in range(clips)]
    manifest, out = tmp_path / "m.jsonl", tmp_path / "out"
    ids = write_rows(manifest, rows)
    scale = MediaConfig().max_side_px / width
    assert 16 * height * width * 3 * scale**2 * clips > 4 * NODE["object_store_memory"]
    with start(nodes, manifest, tiny_bundle, out) as driver:
        report = json.loads(driver.communicate(timeout=TIMEOUT_S)[0])
    assert driver.returncode == 0
    assert (report["tagged"], report["dead_letters"]) == (clips, 0)
    assert Counter(tagged_ids(out)) == Counter(ids)
