"""Batches in one process: every row is in exactly one table, however often and wherever a run was stopped."""

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagging.bundle.manifest import BUNDLE
from tagging.config.root import SelectConfig
from tagging.errors import (
    ArtifactMismatchError,
    ArtifactNotFoundError,
    BackendUnavailableError,
    DecodeCrashError,
    DecodeTimeoutError,
    InvalidConfigError,
    InvalidManifestError,
    InvalidMediaError,
    InvalidResultsError,
    MediaNotFoundError,
    OutputExistsError,
    OutputUnwritableError,
    VideotagError,
)
from tagging.features.factory import Encoders
from tagging.files.storage import Storage
from tagging.jobs.batch import run_batch
from tagging.jobs.job import WHOLE, BatchJob, Share
from tagging.jobs.lease import leased
from tagging.jobs.local import LocalExecutor
from tagging.jobs.shards import Shard, ShardSize
from tagging.jobs.stages import StageJob
from tagging.jobs.summary import BatchSummary
from tagging.jobs.tables import TAGGED
from tagging.jobs.timing import StageSeconds
from tagging.manifests.filters import Condition
from tagging.manifests.read import FIELDS
from tagging.media.read_ahead import Failure
from tagging.pipeline.load import load_tagger
from tagging.pipeline.models import EncodedVideo
from tagging.pipeline.tagger import VIDEOS_PER_BATCH, Tagger
from tagging.progress import Progress, Silent
from tagging.types import RankedTag, RankedTags, VideoRef
from tests.support.disks import filled, tiny_disk

SMALL = ShardSize(texts=4, media=4)


def tag_all(
    bundle: Path,
    manifest: Path | str,
    out: Path | str,
    progress: Progress | None = None,
    share: Share = WHOLE,
    **options: Any,
) -> BatchSummary:
    """Run a batch of a real bundle in this process."""
    about, seconds = BUNDLE.read(bundle), StageSeconds()
    with load_tagger(bundle, seconds) as tagger:
        selection = tagger.selection(options.pop("max_tags", None))
        job = BatchJob(str(manifest), {}, about.version, selection, size=options.pop("size", SMALL), **options)
        storage = Storage(str(out))
        executor = LocalExecutor(tagger, StageJob.of(job, storage, about), seconds)
        return run_batch(job, storage, executor, progress or Silent(), share)


def rows_of(out: Path, table: str) -> list[dict[str, Any]]:
    return [row for part in sorted((out / table).glob("*.parquet")) for row in pq.read_table(part).to_pylist()]


def everything(out: Path) -> tuple[list[str], list[str | None]]:
    return [row["video_id"] for row in rows_of(out, "tagged")], [r["video_id"] for r in rows_of(out, "dead_letters")]


def test_every_row_is_tagged_or_a_dead_letter_exactly_once(
    tiny_bundle: Path, unseen_corpus: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(unseen_corpus.parent, tmp_path / "corpus")
    good = [json.loads(line) for line in unseen_corpus.read_text().splitlines()]
    (folder / "junk.mp4").write_bytes(b"junk")
    lines = [json.dumps(row) for row in good]
    lines[3:3] = ['{"video_id": "junk", "uri": "junk.mp4"}', "not json", '{"video_id": "gone", "uri": "gone.mp4"}']
    lines += [lines[0], '{"video_id": "empty"}', '{"title": "no id"}']
    manifest = folder / "batch.jsonl"
    manifest.write_text("\n".join(lines) + "\n")

    report = tag_all(tiny_bundle, manifest, tmp_path / "out", max_tags=3)
    with load_tagger(tiny_bundle) as tagger:
        answer = tagger.tag(
            VideoRef("x", str(folder / good[0]["uri"]), good[0]["title"], good[0]["description"]), tagger.selection(3)
        )

    tagged, dead = rows_of(tmp_path / "out", "tagged"), rows_of(tmp_path / "out", "dead_letters")
    assert (report.tagged, report.dead_letters) == (len(tagged), len(dead)) == (8, 6)
    assert [row["video_id"] for row in tagged] == [row["video_id"] for row in good]
    assert sorted((row["video_id"] or "", row["stage"], row["error"]) for row in dead) == [
        ("", "manifest", "InvalidManifestError"),
        ("", "manifest", "InvalidManifestError"),
        ("", "manifest", "InvalidManifestError"),
        ("empty", "decode", "InvalidVideoError"),
        ("gone", "decode", "MediaNotFoundError"),
        ("junk", "decode", "InvalidMediaError"),
    ]
    assert all(row["message"] and row["attempts"] == 1 for row in dead)
    assert [t["name"] for t in tagged[0]["tags"]] == [t.name for t in answer.tags]
    assert [t["confidence"] for t in tagged[0]["tags"]] == pytest.approx([t.confidence for t in answer.tags], abs=1e-5)
    channels = [{c["name"]: c["score"] for c in t["channels"]} for t in tagged[0]["tags"]]
    assert channels == [pytest.approx(dict(t.channels), abs=1e-5) for t in answer.tags]
    assert len(list((tmp_path / "out/tagged").glob("*.parquet"))) > 2
    assert not list((tmp_path / "out").rglob(".*partial*"))
    stored = json.loads((tmp_path / "out/summary.json").read_text())
    assert (stored["tagged"], stored["dead_letters"], stored["done"]) == (8, 6, 11)
    assert {"decode", "encode", "recall", "rank", "select"} <= stored["stage_rates"].keys()


def test_results_are_read_by_pandas_without_the_failures(tiny_bundle: Path, tmp_path: Path) -> None:
    manifest, out = titles(tmp_path / "m.jsonl", 10, broken="not json"), tmp_path / "out"
    tag_all(tiny_bundle, manifest, out)
    assert list(pd.read_parquet(out / "tagged")["video_id"]) == [f"v{n}" for n in range(10)]
    assert list(pd.read_parquet(out / "dead_letters")["error"]) == ["InvalidManifestError"]


def test_a_folder_with_other_files_is_refused(tiny_bundle: Path, unseen_corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "part-00000.parquet").write_bytes(b"somebody's")
    with pytest.raises(OutputExistsError, match="not an empty folder"):
        tag_all(tiny_bundle, unseen_corpus, tmp_path)
    assert (tmp_path / "part-00000.parquet").read_bytes() == b"somebody's"


def titles(path: Path, count: int, broken: str = "") -> Path:
    rows = [json.dumps({"video_id": f"v{n}", "title": f"Cat number {n}"}) for n in range(count)]
    path.write_text("\n".join([*rows[: count // 2], broken, *rows[count // 2 :]]) + "\n")
    return path


class Interrupted(BaseException):
    pass


def test_a_stopped_batch_keeps_its_parts_and_resumes_without_loss_or_repetition(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    manifest = titles(tmp_path / "m.jsonl", 100, broken="not json")
    out = tmp_path / "out"

    class Stopping(Silent):
        @contextmanager
        def track(self, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
            done = 0

            def advance(units: int) -> None:
                nonlocal done
                done += units
                if done > 75:
                    raise Interrupted

            yield advance

    size = ShardSize(texts=10, media=4)
    with pytest.raises(Interrupted):
        tag_all(tiny_bundle, manifest, out, Stopping(), size=size)
    assert len(everything(out)[0]) == 69  # of seven parts, one with the unreadable row
    report = tag_all(tiny_bundle, manifest, out, size=size)
    assert (report.tagged, report.dead_letters, report.done) == (100, 1, 31)
    with pytest.raises(OutputExistsError, match="another job, with another max_tags"):
        tag_all(tiny_bundle, manifest, out, size=size, max_tags=1)
    tagged, dead = everything(out)
    assert tagged == [f"v{n}" for n in range(100)]
    assert dead == [None]


def test_two_batches_cannot_write_into_one_folder(tiny_bundle: Path, tmp_path: Path) -> None:
    manifest = titles(tmp_path / "m.jsonl", 2)
    refused = []

    class Second(Silent):
        @contextmanager
        def track(self, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
            with pytest.raises(OutputExistsError, match="another run") as caught:
                tag_all(tiny_bundle, manifest, tmp_path / "out")
            refused.append(caught.value)
            yield lambda _: None

    tag_all(tiny_bundle, manifest, tmp_path / "out", Second())
    assert len(refused) == 1
    assert everything(tmp_path / "out")[0] == ["v0", "v1"]


def test_a_lease_holds_when_the_clock_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage(str(tmp_path))
    real = psutil.boot_time()
    with leased(storage, WHOLE):
        monkeypatch.setattr("psutil._pslinux.boot_time", lambda: real + 3600)  # as the kernel reports it then
        with pytest.raises(OutputExistsError, match="another run"), leased(storage, WHOLE):
            pass


def test_a_run_that_was_killed_before_its_job_was_recorded_is_continued(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "._job.json.partial-0").write_text("{")
    tag_all(tiny_bundle, titles(tmp_path / "m.jsonl", 2), tmp_path / "out")
    assert everything(tmp_path / "out")[0] == ["v0", "v1"]


def test_two_drivers_share_a_manifest(tiny_bundle: Path, tmp_path: Path) -> None:
    manifest, out = titles(tmp_path / "m.jsonl", 30), tmp_path / "out"
    first = tag_all(tiny_bundle, manifest, out, share=Share.parse("1/2"))
    assert 0 < first.tagged < 30
    second = tag_all(tiny_bundle, manifest, out, share=Share.parse("2/2"))
    assert first.tagged + second.tagged == 30
    assert everything(out)[0] == [f"v{n}" for n in range(30)]
    assert tag_all(tiny_bundle, manifest, out).done == 0


@pytest.mark.parametrize("text", ["2", "0/2", "3/2", "a/b", "1/-1"])
def test_a_share_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfigError, match="DRIVER/DRIVERS"):
        Share.parse(text)


def test_only_the_rows_that_meet_all_conditions_are_tagged(tiny_bundle: Path, tmp_path: Path) -> None:
    rows = [
        {"video_id": f"v{n}", "title": "Cat", "language": language, "category": category}
        for n, (language, category) in enumerate([("de", "news"), ("en", "news"), ("de", "pets"), ("de", "")])
    ]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    conditions = (Condition.parse("language=de", FIELDS), Condition.parse("category!=news", FIELDS))
    tag_all(tiny_bundle, tmp_path / "m.jsonl", tmp_path / "out", conditions=conditions)
    assert everything(tmp_path / "out")[0] == ["v2", "v3"]
    tag_all(tiny_bundle, tmp_path / "m.jsonl", tmp_path / "first", conditions=conditions, limit=1)
    assert everything(tmp_path / "first")[0] == ["v2"]
    with pytest.raises(InvalidManifestError, match="neither FIELD=VALUE"):
        Condition.parse("colour=red", FIELDS)


def test_a_condition_compares_a_whole_number_as_an_id() -> None:
    """pandas turns a column of whole numbers with gaps into floats."""
    equal, unequal = Condition.parse("category=12", FIELDS), Condition.parse("category!=12", FIELDS)
    for value in (12, 12.0, "12"):
        assert equal.holds({"category": value})
        assert not unequal.holds({"category": value})
    for other in (12.5, 13, [12], None, float("nan")):
        assert not equal.holds({"category": other})
        assert unequal.holds({"category": other})
    assert Condition.parse("category=", FIELDS).holds({"category": float("nan")})


def test_a_full_disk_is_one_error_and_the_same_command_continues(tiny_bundle: Path, tmp_path: Path) -> None:
    manifest = titles(tmp_path / "m.jsonl", 40)
    with tiny_disk(tmp_path / "disk", 4) as disk:
        tag_all(tiny_bundle, titles(tmp_path / "m.jsonl", 20), disk / "out")
        titles(manifest, 40)
        with filled(disk), pytest.raises(OutputUnwritableError, match="No space left"):
            tag_all(tiny_bundle, manifest, disk / "out")
        tag_all(tiny_bundle, manifest, disk / "out")
        assert everything(disk / "out") == ([f"v{n}" for n in range(40)], [])


def test_features_are_kept_and_another_selection_needs_no_decoding(
    tiny_bundle: Path, unseen_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tag_all(tiny_bundle, unseen_corpus, tmp_path / "one", keeps_features=True)

    def refuse(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("tagging.media.pool.DecodePool.submit", refuse)
    again = tag_all(tiny_bundle, unseen_corpus, tmp_path / "two", retags=str(tmp_path / "one"))
    assert (again.tagged, again.done) == (first.tagged, first.tagged)
    assert rows_of(tmp_path / "two", "diff") == []
    earlier, later = rows_of(tmp_path / "one", "tagged"), rows_of(tmp_path / "two", "tagged")
    for before, after in zip(earlier, later, strict=True):
        assert [tag["name"] for tag in after["tags"]] == [tag["name"] for tag in before["tags"]]
        found, wanted = ([tag["confidence"] for tag in row["tags"]] for row in (after, before))
        assert found == pytest.approx(wanted, abs=2e-3)  # tokens are in half precision
        assert {k: after[k] for k in ("content_hash", "modalities", "warnings")} == {
            k: before[k] for k in ("content_hash", "modalities", "warnings")
        }
    tag_all(tiny_bundle, unseen_corpus, tmp_path / "three", retags=str(tmp_path / "one"), max_tags=1)
    dropped = {row["video_id"]: [tag["name"] for tag in row["tags"][1:]] for row in earlier if len(row["tags"]) > 1}
    assert dropped
    changes = rows_of(tmp_path / "three", "diff")
    assert {row["video_id"]: row["removed"] for row in changes} == dropped
    assert all(row["added"] == [] and not row["is_first"] for row in changes)


def test_features_that_do_not_fit_are_refused_before_anything_is_written(tiny_bundle: Path, tmp_path: Path) -> None:
    manifest, kept = titles(tmp_path / "m.jsonl", 6), tmp_path / "kept"
    with pytest.raises(ArtifactNotFoundError, match="nowhere has no stored features") as missing:
        tag_all(tiny_bundle, manifest, tmp_path / "out", retags=str(tmp_path / "nowhere"))
    assert "--keep-features" in missing.value.hint
    tag_all(tiny_bundle, manifest, kept, keeps_features=True)
    part = kept / "features/part-00000.parquet"
    table = pq.read_table(part)

    def refused(changed: pa.Table, message: str) -> None:
        pq.write_table(changed, part)
        with pytest.raises(ArtifactMismatchError, match=message) as caught:
            tag_all(tiny_bundle, manifest, tmp_path / "out", retags=str(kept))
        assert "without --retag" in caught.value.hint
        with pytest.raises(ArtifactMismatchError, match=message) as caught:
            tag_all(tiny_bundle, manifest, kept, keeps_features=True)
        assert "another --out" in caught.value.hint

    refused(table.drop_columns(["screen"]), "with other columns: screen")
    refused(table.set_column(3, "text", pa.array([""] * table.num_rows)), "with other columns: text")
    refused(table.append_column("new", pa.nulls(table.num_rows)), "with other columns: new")
    refused(table.replace_schema_metadata({}), "other encoders than the bundle's: audio, decoding")
    about = json.loads(table.schema.metadata[b"videotag.encoders"]) | {"text": "other"}
    refused(table.replace_schema_metadata({"videotag.encoders": json.dumps(about)}), "than the bundle's: text$")
    part.write_bytes(b"junk")
    with pytest.raises(InvalidResultsError, match="cannot be read"):
        tag_all(tiny_bundle, manifest, tmp_path / "out", retags=str(kept))
    assert not (tmp_path / "out").exists()
    pq.write_table(table, part)
    assert tag_all(tiny_bundle, manifest, tmp_path / "out", retags=str(kept)).tagged == 6


def test_an_invalid_row_affects_no_other_row(tiny_bundle: Path, tmp_path: Path) -> None:
    lines = [
        b'{"video_id": "good", "title": "Cat"}',
        b'{"video_id": "long", "uri": "' + b"x" * 5000 + b'"}',
        b'{"video_id": "nul", "uri": "a\\u0000b.mp4"}',
        b'{"video_id": "\xff"}',
        b'{"video_id": "huge", "title": "' + b"cat " * 100_000 + b'"}',
        b'{"video_id": "last", "title": "Cat"}',
    ]
    (tmp_path / "m.jsonl").write_bytes(b"\n".join(lines))
    tag_all(tiny_bundle, tmp_path / "m.jsonl", tmp_path / "out")
    tagged, dead = everything(tmp_path / "out")
    assert tagged == ["good", "huge", "last"]
    assert sorted(str(video_id) for video_id in dead) == ["None", "long", "nul"]


def test_a_folder_name_that_is_not_valid_text_gives_readable_dead_letters(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/dir\xff"))
    folder.mkdir()
    (folder / "m.jsonl").write_text('{"video_id": "gone", "uri": "gone.mp4"}\nnot json\n')
    report = tag_all(tiny_bundle, folder / "m.jsonl", tmp_path / "out")
    assert (report.tagged, report.dead_letters) == (0, 2)


def test_an_empty_manifest_gives_an_empty_table(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").write_text("")
    for _ in range(2):  # the second run finds nothing to do
        tag_all(tiny_bundle, tmp_path / "none.jsonl", tmp_path / "out")
    [part] = (tmp_path / "out/tagged").glob("*.parquet")
    assert pq.read_table(part).schema.equals(TAGGED)
    assert pq.read_table(part).num_rows == 0


def test_an_unreadable_manifest_creates_no_folder(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_bytes(b"junk")
    for name in ("none.jsonl", "m.parquet"):
        with pytest.raises(InvalidManifestError):
            tag_all(tiny_bundle, tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@dataclass
class StubTagger:
    """Tags every video with its title, or fails with the error that is set for it."""

    errors: dict[str, VideotagError]
    tagged: list[str] = field(default_factory=list)
    decoder: None = None

    @property
    def models(self) -> "StubTagger":
        return self

    @property
    def encoders(self) -> Encoders:
        return Encoders()

    def tag_encoded(
        self, videos: Sequence[EncodedVideo], selections: Sequence[SelectConfig]
    ) -> list[RankedTags | Failure]:
        results: list[RankedTags | Failure] = []
        for encoded in videos:
            video = encoded.video
            self.tagged.append(video.video_id)
            if video.video_id in self.errors:
                results.append(Failure(video, self.errors[video.video_id]))
            else:
                results.append(RankedTags(video.video_id, (RankedTag("1", video.title, 0.5, {}),), (), (), "stub"))
        return results


def run(manifest: Path, out: Path, **errors: VideotagError) -> list[str]:
    """Run a batch with a stub; return the ids of the videos that it was given."""
    tagger = StubTagger(errors)
    job = BatchJob(str(manifest), {}, "stub", SelectConfig(), size=ShardSize(texts=2, media=2))
    stages = StageJob(str(out), job.selection, {})
    run_batch(job, Storage(str(out)), LocalExecutor(cast(Tagger, tagger), stages, StageSeconds()), Silent())
    return tagger.tagged


def names(out: Path) -> dict[str, str]:
    rows = rows_of(out, "tagged")
    assert len({row["video_id"] for row in rows}) == len(rows)
    return {row["video_id"]: row["tags"][0]["name"] for row in rows}


def dead_letters(out: Path) -> list[dict[str, Any]]:
    return rows_of(out, "dead_letters")


def write_titles(path: Path, **titles: str) -> Path:
    path.write_text("".join(json.dumps({"video_id": i, "title": title}) + "\n" for i, title in titles.items()))
    return path


def test_a_shard_is_encoded_while_the_one_before_it_is_tagged(tmp_path: Path) -> None:
    second_begun = threading.Event()

    class Waiting(StubTagger):
        def tag_encoded(
            self, videos: Sequence[EncodedVideo], selections: Sequence[SelectConfig]
        ) -> list[RankedTags | Failure]:
            assert second_begun.wait(10)
            return super().tag_encoded(videos, selections)

    def shards() -> Iterator[Shard]:
        yield Shard(0, (VideoRef("a", title="apples"),))
        second_begun.set()
        yield Shard(1, (VideoRef("b", title="pears"),))

    executor = LocalExecutor(cast(Tagger, Waiting({})), StageJob(str(tmp_path), SelectConfig(), {}), StageSeconds())
    assert [counts.tagged for counts in executor.tag(shards(), lambda _: None)] == [1, 1]


def test_a_batch_that_stops_does_not_wait_for_the_rest_of_the_shard(tmp_path: Path) -> None:
    tagger, begun, stop = StubTagger({}), threading.Event(), threading.Event()
    videos = tuple(VideoRef(str(number), title="apples") for number in range(3 * VIDEOS_PER_BATCH))

    def shards() -> Iterator[Shard]:
        yield Shard(0, (VideoRef("first", title="pears"),))
        yield Shard(1, videos)
        assert begun.wait(10)
        threading.Timer(0.5, stop.set).start()
        raise BackendUnavailableError("the manifest's server is gone")

    def advance(_: int) -> None:
        if len(tagger.tagged) > 1:
            begun.set()
            stop.wait(10)

    executor = LocalExecutor(cast(Tagger, tagger), StageJob(str(tmp_path), SelectConfig(), {}), StageSeconds())
    running = executor.tag(shards(), advance)
    assert next(running).tagged == 1
    with pytest.raises(BackendUnavailableError):
        next(running)
    assert len(tagger.tagged) < len(videos)


def test_an_edited_row_is_tagged_again_and_replaces_its_answer(tmp_path: Path) -> None:
    manifest, out = tmp_path / "m.jsonl", tmp_path / "out"
    assert run(write_titles(manifest, a="A", b="B", c="C"), out) == ["a", "b", "c"]
    assert run(manifest, out) == []
    assert run(write_titles(manifest, a="A", b="B2", c="C2", d="D"), out) == ["b", "c", "d"]
    assert names(out) == {"a": "A", "b": "B2", "c": "C2", "d": "D"}
    assert run(manifest, out) == []
    assert run(write_titles(manifest, a="A", b="B3", c="C2", d="D"), out, b=MediaNotFoundError("gone")) == ["b"]
    assert names(out) == {"a": "A", "c": "C2", "d": "D"}
    assert [(row["video_id"], row["error"]) for row in dead_letters(out)] == [("b", "MediaNotFoundError")]
    assert run(write_titles(manifest, a="A", b="B4", c="C2", d="D"), out) == ["b"]
    assert names(out) == {"a": "A", "b": "B4", "c": "C2", "d": "D"}
    assert dead_letters(out) == []


def test_a_manifest_that_is_named_from_another_folder_has_the_same_rows(
    tiny_bundle: Path, unseen_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(unseen_corpus.parent, tmp_path / "clips")
    manifest, out = tmp_path / "clips" / unseen_corpus.name, tmp_path / "out"
    monkeypatch.chdir(manifest.parent)
    first = tag_all(tiny_bundle, manifest.name, out, keeps_features=True)
    assert first.done == first.tagged > 0
    assert tag_all(tiny_bundle, manifest, out, keeps_features=True).done == 0
    monkeypatch.setattr("tagging.media.pool.DecodePool.submit", lambda *_: pytest.fail("decoded"))
    monkeypatch.chdir(tiny_bundle)
    named = os.path.relpath(manifest)
    assert tag_all(tiny_bundle, named, tmp_path / "again", retags=str(out)).tagged == first.tagged


def test_the_output_holds_the_rows_of_the_manifest_and_no_others(tmp_path: Path) -> None:
    manifest, out = tmp_path / "m.jsonl", tmp_path / "out"
    run(write_titles(manifest, **{f"v{n}": str(n) for n in range(9)}), out, v8=MediaNotFoundError("gone"))
    assert len(list(out.glob("tagged/*"))) == 5
    run(write_titles(manifest, v0="0", v1="1", v2="2"), out)
    assert names(out) == {"v0": "0", "v1": "1", "v2": "2"}
    assert dead_letters(out) == []
    run(write_titles(manifest, new="N", v0="0", v1="1", v2="2"), out)
    assert list(names(out)) == ["new", "v0", "v1", "v2"]


def test_a_transient_failure_is_tried_again_by_the_next_run_and_a_final_one_is_not(tmp_path: Path) -> None:
    manifest, out = write_titles(tmp_path / "m.jsonl", a="A", b="B", c="C"), tmp_path / "out"
    busy, gone = BackendUnavailableError("answered 503"), MediaNotFoundError("answered 404")
    run(manifest, out, a=busy, b=gone, c=busy)
    assert {row["video_id"]: row["transient"] for row in dead_letters(out)} == {"a": True, "b": False, "c": True}
    assert run(manifest, out, c=busy) == ["a", "c"]
    assert names(out) == {"a": "A"}
    assert {row["video_id"]: row["transient"] for row in dead_letters(out)} == {"b": False, "c": True}
    assert {row["video_id"]: row["attempts"] for row in dead_letters(out)} == {"b": 1, "c": 2}
    assert run(manifest, out) == ["c"]
    assert [row["video_id"] for row in dead_letters(out)] == ["b"]


def test_a_decoder_that_dies_is_tried_by_three_runs(tmp_path: Path) -> None:
    manifest, out = write_titles(tmp_path / "m.jsonl", a="A"), tmp_path / "out"
    for attempt in (1, 2, 3):
        assert run(manifest, out, a=DecodeCrashError("the decoder's process died")) == ["a"]
        assert [row["attempts"] for row in dead_letters(out)] == [attempt]
    assert run(manifest, out) == []
    assert [row["transient"] for row in dead_letters(out)] == [False]


def test_the_dead_letter_of_an_unreadable_row_is_dropped_when_the_row_is_mended(tmp_path: Path) -> None:
    manifest, out = tmp_path / "m.jsonl", tmp_path / "out"
    manifest.write_text('{"video_id": "a"\nnot json\n')
    run(manifest, out)
    run(manifest, out)
    assert ["jsonl: line 1:" in row["message"] for row in dead_letters(out)] == [True, False]
    manifest.write_text('{"video_id": "a", "title": "A"}\nnot json\n')
    assert run(manifest, out) == ["a"]
    [row] = dead_letters(out)
    assert "jsonl: line 2:" in row["message"]


def test_no_dead_letter_contains_the_password_of_a_url(tmp_path: Path) -> None:
    manifest, out = tmp_path / "m.jsonl", tmp_path / "out"
    rows = [{"video_id": "a", "uri": "http://me:secret@host/a.mp4"}, {"video_id": "http://me:secret@host", "title": 5}]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(manifest, out, a=MediaNotFoundError("gone"))
    assert len(dead_letters(out)) == 2
    assert "secret" not in json.dumps(dead_letters(out))
    assert dead_letters(out)[0]["uri"] == "http://***@host/a.mp4"


@pytest.mark.parametrize("table", ["dead_letters", "tagged"])
def test_a_run_that_dies_between_the_tables_of_a_part_is_mended_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    manifest, out = write_titles(tmp_path / "m.jsonl", a="A", b="B"), tmp_path / "out"
    run(manifest, out, b=BackendUnavailableError("answered 503"))
    write = Storage.write

    def interrupted(storage: Storage, name: str, content: bytes) -> None:
        if name.startswith(table):
            raise Interrupted
        write(storage, name, content)

    write_titles(manifest, a="A2", b="B")
    with monkeypatch.context() as patched, pytest.raises(Interrupted):  # a fails now, and b succeeds
        patched.setattr(Storage, "write", interrupted)
        run(manifest, out, a=MediaNotFoundError("gone"))
    assert set(run(manifest, out, a=MediaNotFoundError("gone"))) >= {"b"}
    assert everything(out) == (["b"], ["a"])


@pytest.mark.parametrize(
    ("uri", "error", "transient"),
    [
        ("http://host/a.mp4", BackendUnavailableError("answered 503"), True),
        ("HTTPS://host/a.mp4", DecodeTimeoutError("not done within 120 s"), True),
        ("a.mp4", DecodeTimeoutError("not done within 120 s"), False),
        ("s3://bucket/a.mp4", DecodeTimeoutError("not done within 120 s"), True),
        ("http://host/a.mp4", OutputUnwritableError("no space left"), True),
        ("http://host/a.mp4", MediaNotFoundError("answered 401"), False),
        ("http://host/a.mp4", InvalidMediaError("damaged"), False),
    ],
)
def test_a_failure_of_the_network_or_the_disk_is_transient(
    tmp_path: Path, uri: str, error: VideotagError, transient: bool
) -> None:
    (tmp_path / "m.jsonl").write_text(json.dumps({"video_id": "a", "uri": uri}))
    run(tmp_path / "m.jsonl", tmp_path / "out", a=error)
    assert [row["transient"] for row in dead_letters(tmp_path / "out")] == [transient]
