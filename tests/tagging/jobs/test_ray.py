"""Batches on a real Ray cluster of this machine: the same rows as in one process, whatever dies meanwhile."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tagging.bundle.files import read_manifest
from tagging.errors import BackendUnavailableError, OutputUnwritableError
from tagging.files.storage import Storage
from tagging.jobs.batch import run_batch
from tagging.jobs.job import BatchJob
from tagging.jobs.plan import Plan
from tagging.jobs.stages import StageJob
from tagging.jobs.summary import BatchSummary
from tagging.pipeline.load import load_selector
from tagging.progress import Silent
from tests.support.disks import filled, tiny_disk
from tests.tagging.jobs.test_batch import SMALL, everything, rows_of, tag_all, titles

ray = pytest.importorskip("ray", reason="needs the extra ray")
from tagging.jobs.ray_executor import RayExecutor, cluster  # noqa: E402

pytestmark = [
    pytest.mark.ray,
    # Ray's own threads and sockets.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
KILLS = int(os.environ.get("VIDEOTAG_TEST_KILLS", "2"))  # of each kind


@pytest.fixture(scope="module")
def plan() -> Iterator[Plan]:
    with cluster("local") as plan:
        yield plan


def tag_on_ray(plan: Plan, bundle: Path, manifest: Path, out: Path, **options: Any) -> BatchSummary:
    about, storage = read_manifest(bundle), Storage(str(out))
    selection = load_selector(bundle, about).selection(None)
    job = BatchJob(str(manifest), {}, about.version, selection, size=SMALL, **options)
    return run_batch(job, storage, RayExecutor(bundle, StageJob.of(job, storage, about), plan), Silent())


def test_the_rows_are_those_of_one_process(plan: Plan, tiny_bundle: Path, unseen_corpus: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in unseen_corpus.read_text().splitlines()]
    manifest = unseen_corpus.parent / "ray.jsonl"
    lines = [json.dumps(row) for row in rows]
    lines[2:2] = ['{"video_id": "gone", "uri": "gone.mp4"}', "not json"]
    lines += [json.dumps({"video_id": f"t{n}", "title": f"Cats and dogs {n}"}) for n in range(9)]
    manifest.write_text("\n".join(lines) + "\n")
    report = tag_on_ray(plan, tiny_bundle, manifest, tmp_path / "ray", keeps_features=True)
    tag_all(tiny_bundle, manifest, tmp_path / "local")
    assert (report.tagged, report.dead_letters, report.done) == (len(rows) + 9, 2, len(rows) + 10)
    assert rows_of(tmp_path / "ray", "dead_letters") == rows_of(tmp_path / "local", "dead_letters")
    pairs = zip(rows_of(tmp_path / "ray", "tagged"), rows_of(tmp_path / "local", "tagged"), strict=True)
    for on_ray, local in pairs:
        found, wanted = ([tag.pop("confidence") for tag in row["tags"]] for row in (on_ray, local))
        assert found == pytest.approx(wanted, abs=1e-5)
        for row in (on_ray, local):
            for tag in row["tags"]:
                tag["channels"] = [(channel["name"], round(channel["score"], 3)) for channel in tag["channels"]]
                tag["spans"] = [{**span, "strength": round(span["strength"], 3)} for span in tag["spans"]]
        assert on_ray == local
    assert not list((tmp_path / "ray").glob("_work*"))
    again = tag_on_ray(plan, tiny_bundle, manifest, tmp_path / "ray", keeps_features=True)
    assert (again.tagged, again.done) == (report.tagged, 0)
    retagged = tag_on_ray(plan, tiny_bundle, manifest, tmp_path / "new", retags=str(tmp_path / "ray"))
    assert (retagged.tagged, rows_of(tmp_path / "new", "diff")) == (report.tagged, [])


def test_a_full_disk_on_a_worker_is_one_known_error(plan: Plan, tiny_bundle: Path, tmp_path: Path) -> None:
    manifest = titles(tmp_path / "m.jsonl", 20)
    with tiny_disk(tmp_path / "disk", 4) as disk:
        with filled(disk), pytest.raises(OutputUnwritableError, match="No space left"):
            tag_on_ray(plan, tiny_bundle, manifest, disk / "out")
        tag_on_ray(plan, tiny_bundle, manifest, disk / "out")
        assert everything(disk / "out") == ([f"v{n}" for n in range(20)], [])


def test_an_address_without_a_cluster_is_one_known_error() -> None:
    with pytest.raises(BackendUnavailableError, match="no Ray cluster at"), cluster("nowhere:1"):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["driver", "worker"])
def test_every_row_is_there_once_after_kills_of(victim: str, tiny_bundle: Path, tmp_path: Path) -> None:
    manifest, out = titles(tmp_path / "m.jsonl", 400), tmp_path / "out"
    command = [sys.executable, "-c", _SCRIPT.format(bundle=tiny_bundle, manifest=manifest, out=out)]
    for kill in range(1, KILLS + 1):
        run = subprocess.Popen(command)
        wanted = len(list(out.glob("tagged/*"))) + max(1, 80 // (KILLS + 1))
        while run.poll() is None and len(list(out.glob("tagged/*"))) < wanted:
            time.sleep(0.02)
        assert run.poll() is None, f"it ended before kill {kill}"
        if victim == "driver":
            children = psutil.Process(run.pid).children(recursive=True)
            run.kill()
            assert run.wait() == -signal.SIGKILL
            psutil.wait_procs(children, timeout=60)  # Ray's processes end by themselves when their driver is gone
        else:
            workers = [p for p in psutil.Process(run.pid).children(recursive=True) if "MapWorker" in p.name()]
            (workers or [p for p in psutil.Process(run.pid).children(recursive=True) if "ray::" in p.name()])[0].kill()
            assert run.wait(timeout=600) == 0
            break
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    assert report["tagged"] == 400
    assert everything(out) == ([f"v{n}" for n in range(400)], [])


_SCRIPT = """
import json
from dataclasses import asdict
from pathlib import Path
from tagging.jobs.ray_executor import cluster
from tests.tagging.jobs.test_ray import tag_on_ray
with cluster("local") as plan:
    print(json.dumps(asdict(tag_on_ray(plan, Path("{bundle}"), Path("{manifest}"), Path("{out}")))))
"""
