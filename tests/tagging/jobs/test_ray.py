"""Batches on a real Ray cluster of this machine: the same rows as in one process, whatever dies meanwhile."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tagging.bundle.manifest import BUNDLE
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

os.environ.setdefault("RAY_worker_niceness", "0")  # else workers starve on a busy machine
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

ROUNDING = 1e-3  # sums of floats have another order: Ray gives its workers one thread each


@pytest.fixture(scope="module")
def plan() -> Iterator[Plan]:
    with cluster("local") as plan:
        yield plan


def tag_on_ray(plan: Plan, bundle: Path, manifest: Path, out: Path, **options: Any) -> BatchSummary:
    about, storage = BUNDLE.read(bundle), Storage(str(out))
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
        assert found == pytest.approx(wanted, abs=ROUNDING)
        scores = [
            [channel.pop("score") for tag in row["tags"] for channel in tag["channels"]] for row in (on_ray, local)
        ]
        assert scores[0] == pytest.approx(scores[1], abs=ROUNDING)
        for row in (on_ray, local):
            for tag in row["tags"]:
                tag["spans"] = [{**span, "strength": round(span["strength"], 2)} for span in tag["spans"]]
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
