"""Batches from and to buckets of a real object server: manifests, media and output."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tagging.errors import (
    BackendUnavailableError,
    InvalidManifestError,
    OutputExistsError,
)
from tagging.files.buckets import ObjectFile
from tagging.files.storage import Storage
from tagging.jobs.job import BatchJob
from tagging.manifests.read import read_videos
from tagging.types import VideoRef
from tests.support.object_store import BUCKET, ObjectStore, use
from tests.support.ports import free_port
from tests.tagging.jobs.test_batch import Interrupted, everything, rows_of, tag_all


@pytest.fixture
def store(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    use(object_store, monkeypatch)
    return object_store


def stored_rows(store: ObjectStore, folder: str) -> list[dict[str, Any]]:
    tables = [pq.read_table(io.BytesIO(store.get(f"{folder}/{name}"))) for name in store.names(folder)]
    return [row for table in tables for row in table.to_pylist()]


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["video_id"] for row in rows]


def lines_of(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


ROWS = [
    {"video_id": "a", "uri": "clips/a b.mp4", "title": "One, \"two\"\nthree"},
    {"video_id": "b", "uri": "../up.mp4", "title": "Ü"},
    {"video_id": "c", "uri": "https://host/c.mp4", "title": ""},
    {"video_id": "d", "title": "text"},
]  # fmt: skip
URIS = [f"s3://{BUCKET}/lists/clips/a b.mp4", f"s3://{BUCKET}/up.mp4", "https://host/c.mp4", None]


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    pd.DataFrame(rows).to_parquet(file, row_group_size=1000)
    return file.getvalue()


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    return pd.DataFrame(rows).to_csv(index=False).encode()


@pytest.mark.parametrize(("suffix", "written"), [("jsonl", lines_of), ("csv", as_csv), ("parquet", as_parquet)])
def test_a_manifest_in_a_bucket_has_the_rows_of_the_file(
    store: ObjectStore, tmp_path: Path, suffix: str, written: Callable[[list[dict[str, Any]]], bytes]
) -> None:
    (tmp_path / f"m.{suffix}").write_bytes(written(ROWS))
    address = store.put(f"lists/m.{suffix}", written(ROWS))
    local, found = list(read_videos(tmp_path / f"m.{suffix}", {})), list(read_videos(address, {}))
    assert not any(isinstance(row, InvalidManifestError) for row in found)
    uris = [row.uri for row in found if not isinstance(row, InvalidManifestError)]
    assert uris == URIS
    titles = [row.title for row in local if not isinstance(row, InvalidManifestError)]
    assert [row.title for row in found if not isinstance(row, InvalidManifestError)] == titles


def test_a_manifest_in_a_bucket_is_read_as_a_stream(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"video_id": f"v{n}", "title": "x" * 1000} for n in range(20_000)]  # 20 MB
    address = store.put("big.jsonl", lines_of(rows))
    requests: list[int] = []
    readinto = ObjectFile.readinto

    def counting(file: ObjectFile, buffer: Any) -> int:
        requests.append(len(buffer))
        return readinto(file, buffer)

    monkeypatch.setattr(ObjectFile, "readinto", counting)
    videos = read_videos(address, {})
    assert next(videos) is not None
    assert len(requests) == 1
    assert sum(1 for _ in videos) == len(rows) - 1
    assert max(requests) <= 4 * 2**20
    assert len(requests) <= 7


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_a_storage_that_fails_while_a_manifest_is_read_ends_the_run(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """A row that was not read must not become a dead letter."""
    written = {"jsonl": lines_of, "csv": as_csv, "parquet": as_parquet}[suffix]
    rows = [{"video_id": f"v{n}", "title": str(n) * 400} for n in range(9000)]
    videos = read_videos(store.put(f"failing.{suffix}", written(rows)), {})
    assert isinstance(next(videos), VideoRef)

    def failing(file: ObjectFile, buffer: Any) -> int:
        raise BackendUnavailableError("the storage cannot be reached")

    monkeypatch.setattr(ObjectFile, "readinto", failing)
    with pytest.raises(BackendUnavailableError, match="cannot be reached"):
        list(videos)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        (f"s3://{BUCKET}/none.jsonl", InvalidManifestError, f"s3://{BUCKET}/none.jsonl: no such object"),
        ("s3://nowhere/none.jsonl", InvalidManifestError, "s3://nowhere/none.jsonl: no such bucket"),
        ("s3://key:hidden@nowhere/none.jsonl", InvalidManifestError, r"s3://\*\*\*@nowhere/none.jsonl: no such bucket"),
        (f"s3://{BUCKET}/junk.parquet", InvalidManifestError, "junk.parquet: cannot be read"),
        (f"s3://{BUCKET}/m.txt", InvalidManifestError, "unknown kind of manifest '.txt'"),
    ],
)
def test_a_manifest_that_is_not_there_is_one_error_and_makes_no_output(
    store: ObjectStore, tiny_bundle: Path, tmp_path: Path, name: str, error: type[Exception], message: str
) -> None:
    store.put("junk.parquet", b"junk")
    store.put("m.txt", b"junk")
    with pytest.raises(error, match=message):
        tag_all(tiny_bundle, name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def corpus_of(store: ObjectStore, unseen_corpus: Path, folder: str) -> str:
    """Put a corpus into the bucket; return the address of its manifest."""
    rows = [json.loads(line) for line in unseen_corpus.read_text().splitlines()]
    for row in rows:
        store.put(f"{folder}/{row['uri']}", (unseen_corpus.parent / row["uri"]).read_bytes())
    return store.put(f"{folder}/m.jsonl", lines_of(rows))


def without_hashes(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "row_hash"} for row in rows]


def test_a_backlog_in_a_bucket_gets_the_tags_of_the_folder(
    store: ObjectStore, tiny_bundle: Path, unseen_corpus: Path, tmp_path: Path
) -> None:
    address = corpus_of(store, unseen_corpus, "whole")
    tag_all(tiny_bundle, unseen_corpus, tmp_path / "local")
    report = tag_all(tiny_bundle, address, f"s3://{BUCKET}/whole/out")
    local = rows_of(tmp_path / "local", "tagged")
    assert (report.tagged, report.dead_letters) == (len(local), 0)
    assert without_hashes(stored_rows(store, "whole/out/tagged")) == without_hashes(local)
    again = tag_all(tiny_bundle, address, f"s3://{BUCKET}/whole/out")
    assert (again.tagged, again.done) == (len(local), 0)
    assert json.loads(store.get("whole/out/summary.json"))["tagged"] == len(local)


def test_a_part_that_was_removed_from_a_bucket_is_tagged_again_and_no_other(
    store: ObjectStore, tiny_bundle: Path
) -> None:
    rows = [{"video_id": f"v{n}", "title": f"Cat {n}"} for n in range(12)]
    address, out = store.put("again/m.jsonl", lines_of([*rows, {"title": "no id"}])), f"s3://{BUCKET}/again/out/"
    tag_all(tiny_bundle, address, out)
    parts = store.names("again/out/tagged")
    assert len(parts) == 4
    content = {name: store.get(f"again/out/tagged/{name}") for name in parts}
    store.remove(f"again/out/tagged/{parts[1]}")
    report = tag_all(tiny_bundle, address, out)
    assert (report.tagged, report.dead_letters, report.done) == (12, 1, 4)
    assert ids(stored_rows(store, "again/out/tagged")) == [f"v{n}" for n in range(12)]
    assert [row["stage"] for row in stored_rows(store, "again/out/dead_letters")] == ["manifest"]
    assert {name for name in parts if store.get(f"again/out/tagged/{name}") == content[name]} >= {*parts} - {parts[1]}
    with pytest.raises(OutputExistsError, match="another job, with another max_tags"):
        tag_all(tiny_bundle, address, out, max_tags=1)


def test_a_run_that_dies_while_it_writes_into_a_bucket_is_continued(
    store: ObjectStore, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = store.put("dies/m.jsonl", lines_of([{"video_id": f"v{n}", "title": f"Cat {n}"} for n in range(12)]))
    out, write = f"s3://{BUCKET}/dies/out", Storage.write

    def interrupted(storage: Storage, name: str, content: bytes) -> None:
        if name == "tagged/part-00001.parquet":
            raise Interrupted
        write(storage, name, content)

    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        patched.setattr(Storage, "write", interrupted)
        tag_all(tiny_bundle, address, out)
    report = tag_all(tiny_bundle, address, out)
    assert (report.tagged, report.done) == (12, 8)
    assert ids(stored_rows(store, "dies/out/tagged")) == [f"v{n}" for n in range(12)]


def test_media_in_a_bucket_fail_for_good_or_for_now(
    store: ObjectStore, tiny_bundle: Path, unseen_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = json.loads(unseen_corpus.read_text().splitlines()[0])
    clip = store.put("media/clip.mp4", (unseen_corpus.parent / first["uri"]).read_bytes())
    uris = {"good": clip, "gone": f"s3://{BUCKET}/media/gone.mp4", "nowhere": "s3://nowhere/a.mp4"}
    manifest = tmp_path / "m.jsonl"
    manifest.write_bytes(lines_of([{"video_id": name, "uri": uri} for name, uri in uris.items()]))
    with monkeypatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
        tag_all(tiny_bundle, manifest, tmp_path / "out")
    dead = rows_of(tmp_path / "out", "dead_letters")
    assert {row["video_id"]: (row["error"], row["transient"]) for row in dead} == dict.fromkeys(
        uris, ("BackendUnavailableError", True)
    )
    tag_all(tiny_bundle, manifest, tmp_path / "out")
    dead = rows_of(tmp_path / "out", "dead_letters")
    assert {row["video_id"]: (row["error"], row["transient"], row["attempts"]) for row in dead} == {
        "gone": ("MediaNotFoundError", False, 2),
        "nowhere": ("MediaNotFoundError", False, 2),
    }
    assert everything(tmp_path / "out")[0] == ["good"]
    assert tag_all(tiny_bundle, manifest, tmp_path / "out").done == 0


def test_output_into_a_bucket_that_is_not_there_is_one_error(store: ObjectStore, tiny_bundle: Path) -> None:
    address = store.put("out/m.jsonl", lines_of([{"video_id": "a", "title": "Cat"}]))
    with pytest.raises(BackendUnavailableError, match=r"s3://nowhere/out cannot be used: there is no such bucket"):
        tag_all(tiny_bundle, address, "s3://nowhere/out")


def test_an_output_that_cannot_be_reached_is_one_error(
    store: ObjectStore, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.jsonl").write_bytes(lines_of([{"video_id": "a", "title": "Cat"}]))
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(
        BackendUnavailableError, match=r"s3://backlog/out cannot be used: the storage cannot be reached"
    ):
        tag_all(tiny_bundle, tmp_path / "m.jsonl", f"s3://{BUCKET}/out")


def test_a_job_is_not_identified_by_the_credentials_of_its_manifest(store: ObjectStore) -> None:
    del store
    from tagging.config.root import SelectConfig

    job = BatchJob("s3://key:hidden@bucket/m.jsonl", {}, "1", SelectConfig())
    assert job.identity()["manifest"] == "'s3://***@bucket/m.jsonl'"
