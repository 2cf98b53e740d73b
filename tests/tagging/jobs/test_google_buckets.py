"""Batches from and to buckets of Google Cloud Storage, through the client that reaches the real one."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tagging.errors import ArtifactNotFoundError, BackendUnavailableError, InvalidManifestError
from tagging.files import buckets
from tagging.files.storage import Storage
from tests.support.google_store import BUCKET, serving_google, use_google
from tests.support.ports import free_port
from tests.tagging.jobs.test_batch import tag_all


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with serving_google() as address:
        yield address


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Storage:
    use_google(endpoint, monkeypatch)
    monkeypatch.setattr(buckets, "GOOGLE_RETRIES_S", 1)
    return Storage(BUCKET)


def write_manifest(bucket: Storage, name: str, rows: int) -> str:
    lines = [json.dumps({"video_id": f"v{n}", "title": f"Cat {n}"}) + "\n" for n in range(rows)]
    bucket.write(name, "".join(lines).encode())
    return f"{BUCKET}/{name}"


def tagged_ids(bucket: Storage, folder: str) -> list[str]:
    tables = [pq.read_table(io.BytesIO(bucket.read(f"{folder}/{name}"))) for name in bucket.names(folder)]
    return [video_id for table in tables for video_id in table["video_id"].to_pylist()]


def test_a_backlog_is_tagged_and_only_what_was_removed_is_tagged_again(bucket: Storage, tiny_bundle: Path) -> None:
    manifest, expected = write_manifest(bucket, "whole/m.jsonl", 12), [f"v{n}" for n in range(12)]
    report = tag_all(tiny_bundle, manifest, f"{BUCKET}/whole/out")
    assert (report.tagged, report.dead_letters) == (12, 0)
    assert tagged_ids(bucket, "whole/out/tagged") == expected
    bucket.remove(f"whole/out/tagged/{bucket.names('whole/out/tagged')[1]}")
    again = tag_all(tiny_bundle, manifest, f"{BUCKET}/whole/out")
    assert (again.tagged, again.done) == (12, 4)
    assert tagged_ids(bucket, "whole/out/tagged") == expected


def test_files_are_listed_read_and_removed(bucket: Storage) -> None:
    bucket.write("a/b/c", b"content")
    assert bucket.names("a") == ["b"]
    assert bucket.exists("a/b/c")
    assert not bucket.create("a/b/c", b"other")
    assert bucket.read("a/b/c") == b"content"
    bucket.remove("a/b/c")
    bucket.remove("a/b/c")
    bucket.remove_folder("a")
    assert bucket.names("a") == []
    with pytest.raises(ArtifactNotFoundError, match="no file a/b/c in"):
        bucket.read("a/b/c")


def test_a_missing_object_or_bucket_is_one_error(bucket: Storage, tiny_bundle: Path, tmp_path: Path) -> None:
    manifest = write_manifest(bucket, "missing/m.jsonl", 1)
    with pytest.raises(InvalidManifestError, match=r"none.jsonl: no such object"):
        tag_all(tiny_bundle, f"{BUCKET}/none.jsonl", tmp_path / "out")
    with pytest.raises(
        BackendUnavailableError, match=r"gs://\*\*\*@nowhere/out cannot be used: there is no such bucket"
    ):
        tag_all(tiny_bundle, manifest, "gs://anonymous@nowhere/out")


def test_a_storage_that_cannot_be_reached_is_one_error_after_the_retries(
    bucket: Storage, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.jsonl").write_text(json.dumps({"video_id": "a", "title": "Cat"}) + "\n")
    use_google(f"http://127.0.0.1:{free_port()}", monkeypatch)
    with pytest.raises(BackendUnavailableError, match="cannot be used: the storage cannot be reached"):
        tag_all(tiny_bundle, tmp_path / "m.jsonl", f"{BUCKET}/out")
