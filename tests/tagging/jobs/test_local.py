import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet as pq
import pytest

from tagging.config.root import SelectConfig
from tagging.errors import (
    BackendUnavailableError,
    DecodeTimeoutError,
    InvalidManifestError,
    InvalidMediaError,
    MediaNotFoundError,
    OutputExistsError,
    OutputUnwritableError,
    VideotagError,
)
from tagging.jobs import parts
from tagging.jobs.local import run_batch
from tagging.jobs.results import TAGGED
from tagging.media.read_ahead import Failure
from tagging.pipeline.load import load_tagger
from tagging.pipeline.tagger import Tagger
from tagging.progress import Silent
from tagging.types import RankedTag, RankedTags, VideoRef
from tests.support.polling import wait_until


def test_every_row_is_tagged_or_a_dead_letter_exactly_once(
    tiny_bundle: Path, unseen_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "ROWS_PER_PART", 4)
    folder = unseen_corpus.parent
    good = [json.loads(line) for line in unseen_corpus.read_text().splitlines()]
    (folder / "junk.mp4").write_bytes(b"junk")
    lines = [json.dumps(row) for row in good]
    lines[3:3] = ['{"video_id": "junk", "uri": "junk.mp4"}', "not json", '{"video_id": "gone", "uri": "gone.mp4"}']
    lines += [lines[0], '{"video_id": "empty"}', '{"title": "no id"}']
    manifest = folder / "batch.jsonl"
    manifest.write_text("\n".join(lines) + "\n")

    with load_tagger(tiny_bundle) as tagger:
        report = run_batch(manifest, {}, tmp_path / "out", tagger, tagger.selection(3), Silent())
        answer = tagger.tag(
            VideoRef("x", str(folder / good[0]["uri"]), good[0]["title"], good[0]["description"]), tagger.selection(3)
        )

    tagged = [row for p in sorted((tmp_path / "out").glob("*.parquet")) for row in pq.read_table(p).to_pylist()]
    dead = [
        row for p in sorted((tmp_path / "out/dead_letters").glob("*.parquet")) for row in pq.read_table(p).to_pylist()
    ]
    assert (report.tagged, report.dead_letters) == (len(tagged), len(dead)) == (8, 6)
    assert [row["video_id"] for row in tagged] == [row["video_id"] for row in good]
    assert sorted((row["video_id"] or "", row["error"]) for row in dead) == [
        ("", "InvalidManifestError"),
        ("", "InvalidManifestError"),
        ("", "InvalidManifestError"),
        ("empty", "InvalidVideoError"),
        ("gone", "MediaNotFoundError"),
        ("junk", "InvalidMediaError"),
    ]
    assert all(row["message"] for row in dead)
    assert [t["name"] for t in tagged[0]["tags"]] == [t.name for t in answer.tags]
    assert [t["confidence"] for t in tagged[0]["tags"]] == pytest.approx([t.confidence for t in answer.tags], abs=1e-5)
    assert len(list((tmp_path / "out").glob("*.parquet"))) == 2
    assert not list((tmp_path / "out").rglob(".*partial*"))


def test_a_folder_with_other_files_is_refused(tiny_bundle: Path, unseen_corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "part-00000.parquet").write_bytes(b"somebody's")
    with load_tagger(tiny_bundle) as tagger, pytest.raises(OutputExistsError, match="not an empty folder"):
        run_batch(unseen_corpus, {}, tmp_path, tagger, tagger.selection(None), Silent())
    assert (tmp_path / "part-00000.parquet").read_bytes() == b"somebody's"


def titles(path: Path, count: int, broken: str = "") -> Path:
    rows = [json.dumps({"video_id": f"v{n}", "title": f"Cat number {n}"}) for n in range(count)]
    path.write_text("\n".join([*rows[: count // 2], broken, *rows[count // 2 :]]) + "\n")
    return path


def everything(out: Path) -> tuple[list[str], list[str | None]]:
    tagged = [row["video_id"] for p in sorted(out.glob("*.parquet")) for row in pq.read_table(p).to_pylist()]
    dead = [row["video_id"] for p in out.glob("dead_letters/*.parquet") for row in pq.read_table(p).to_pylist()]
    return tagged, dead


class Interrupted(BaseException):
    pass


def test_a_stopped_batch_keeps_its_rows_and_resumes_without_loss_or_repetition(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tagging.pipeline.tagger.VIDEOS_PER_BATCH", 10)
    manifest = titles(tmp_path / "m.jsonl", 100, broken="not json")
    out = tmp_path / "out"

    class Stopping(Silent):
        @contextmanager
        def track(self, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
            done = 0

            def advance(units: int) -> None:
                nonlocal done
                done += units
                if done == 75:
                    raise Interrupted

            yield advance

    with load_tagger(tiny_bundle) as tagger:
        with pytest.raises(Interrupted):
            run_batch(manifest, {}, out, tagger, tagger.selection(None), Stopping())
        assert len(everything(out)[0]) == 75
        report = run_batch(manifest, {}, out, tagger, tagger.selection(None), Silent())
        assert (report.tagged, report.dead_letters) == (100, 1)
        with pytest.raises(OutputExistsError, match="another job"):
            run_batch(manifest, {}, out, tagger, tagger.selection(1), Silent())
    tagged, dead = everything(out)
    assert tagged == [f"v{n}" for n in range(100)]
    assert dead == [None]


@pytest.mark.slow
def test_a_killed_batch_resumes(tiny_bundle: Path, tmp_path: Path) -> None:
    manifest = titles(tmp_path / "m.jsonl", 3000)
    script = f"""
from pathlib import Path
from tagging.pipeline import load, tagger as module
from tagging.jobs import local, parts
from tagging.progress import Silent
parts.ROWS_PER_PART = module.VIDEOS_PER_BATCH = 20
with load.load_tagger(Path({str(tiny_bundle)!r})) as tagger:
    out = Path({str(tmp_path / "out")!r})
    local.run_batch(Path({str(manifest)!r}), {{}}, out, tagger, tagger.selection(None), Silent())
"""
    run = subprocess.Popen([sys.executable, "-c", script])
    wait_until(lambda: run.poll() is not None or len(list((tmp_path / "out").glob("*.parquet"))) >= 3)
    run.kill()
    assert run.wait() == -signal.SIGKILL
    before = len(everything(tmp_path / "out")[0])
    assert 60 <= before < 3000
    with load_tagger(tiny_bundle) as tagger:
        run_batch(manifest, {}, tmp_path / "out", tagger, tagger.selection(None), Silent())
    assert everything(tmp_path / "out") == ([f"v{n}" for n in range(3000)], [])


def test_two_batches_cannot_write_into_one_folder(tiny_bundle: Path, tmp_path: Path) -> None:
    manifest = titles(tmp_path / "m.jsonl", 2)
    refused = []
    with load_tagger(tiny_bundle) as tagger:

        class Second(Silent):
            @contextmanager
            def track(self, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
                with pytest.raises(OutputExistsError, match="another run") as caught:
                    run_batch(manifest, {}, tmp_path / "out", tagger, tagger.selection(None), Silent())
                refused.append(caught.value)
                yield lambda _: None

        run_batch(manifest, {}, tmp_path / "out", tagger, tagger.selection(None), Second())
    assert len(refused) == 1
    assert everything(tmp_path / "out")[0] == ["v0", "v1"]


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
    with load_tagger(tiny_bundle) as tagger:
        run_batch(tmp_path / "m.jsonl", {}, tmp_path / "out", tagger, tagger.selection(None), Silent())
    tagged, dead = everything(tmp_path / "out")
    assert tagged == ["good", "huge", "last"]
    assert sorted(str(video_id) for video_id in dead) == ["None", "long", "nul"]


def test_a_folder_name_that_is_not_valid_text_gives_readable_dead_letters(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/dir\xff"))
    folder.mkdir()
    (folder / "m.jsonl").write_text('{"video_id": "gone", "uri": "gone.mp4"}\nnot json\n')
    with load_tagger(tiny_bundle) as tagger:
        report = run_batch(folder / "m.jsonl", {}, tmp_path / "out", tagger, tagger.selection(None), Silent())
    assert (report.tagged, report.dead_letters) == (0, 2)


def test_a_signal_after_a_part_was_written_does_not_write_it_twice(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def interrupted(path: Path, target: Path) -> Path:
        result = replace(path, target)
        if target.name == "part-00000.parquet":
            raise Interrupted
        return result

    monkeypatch.setattr(parts, "ROWS_PER_PART", 5)
    manifest = titles(tmp_path / "m.jsonl", 12)
    with load_tagger(tiny_bundle) as tagger:
        monkeypatch.setattr(Path, "replace", interrupted)
        with pytest.raises(Interrupted):
            run_batch(manifest, {}, tmp_path / "out", tagger, tagger.selection(None), Silent())
        monkeypatch.setattr(Path, "replace", replace)
        run_batch(manifest, {}, tmp_path / "out", tagger, tagger.selection(None), Silent())
    assert sorted(everything(tmp_path / "out")[0]) == sorted(f"v{n}" for n in range(12))


def test_an_empty_manifest_gives_an_empty_table(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").write_text("")
    with load_tagger(tiny_bundle) as tagger:
        for _ in range(2):  # the second run finds nothing to do
            run_batch(tmp_path / "none.jsonl", {}, tmp_path / "out", tagger, tagger.selection(None), Silent())
    [part] = (tmp_path / "out").glob("*.parquet")
    assert pq.read_table(part).schema.equals(TAGGED)
    assert pq.read_table(part).num_rows == 0


def test_an_unreadable_manifest_creates_no_folder(tiny_bundle: Path, tmp_path: Path) -> None:
    with load_tagger(tiny_bundle) as tagger, pytest.raises(InvalidManifestError):
        run_batch(tmp_path / "none.jsonl", {}, tmp_path / "out", tagger, tagger.selection(None), Silent())
    assert not (tmp_path / "out").exists()


class StubTagger:
    """Tags every video with its title, or fails with the error that is set for it."""

    bundle_version = "stub"

    def __init__(self, **errors: VideotagError) -> None:
        self.errors = errors
        self.tagged: list[str] = []

    def tag_many(self, videos: Iterable[VideoRef], _: SelectConfig) -> Iterator[RankedTags | Failure]:
        for video in videos:
            self.tagged.append(video.video_id)
            if video.video_id in self.errors:
                yield Failure(video, self.errors[video.video_id])
            else:
                yield RankedTags(video.video_id, (RankedTag("1", video.title, 0.5, {}),), (), (), "stub")


def run(manifest: Path, out: Path, **errors: VideotagError) -> list[str]:
    """Run a batch with a stub; return the ids of the videos that it was given."""
    tagger = StubTagger(**errors)
    run_batch(manifest, {}, out, cast(Tagger, tagger), SelectConfig(), Silent())
    return tagger.tagged


def names(out: Path) -> dict[str, str]:
    rows = [row for part in sorted(out.glob("*.parquet")) for row in pq.read_table(part).to_pylist()]
    assert len({row["video_id"] for row in rows}) == len(rows)
    return {row["video_id"]: row["tags"][0]["name"] for row in rows}


def dead_letters(out: Path) -> list[dict[str, Any]]:
    return [row for part in sorted(out.glob("dead_letters/*.parquet")) for row in pq.read_table(part).to_pylist()]


def write_titles(path: Path, **titles: str) -> Path:
    path.write_text("".join(json.dumps({"video_id": i, "title": title}) + "\n" for i, title in titles.items()))
    return path


def test_an_edited_row_is_tagged_again_and_replaces_its_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "ROWS_PER_PART", 2)
    manifest, out = tmp_path / "m.jsonl", tmp_path / "out"
    assert run(write_titles(manifest, a="A", b="B", c="C"), out) == ["a", "b", "c"]
    assert run(manifest, out) == []
    assert run(write_titles(manifest, a="A", b="B2", c="C2", d="D"), out) == ["b", "c", "d"]
    assert names(out) == {"a": "A", "b": "B2", "c": "C2", "d": "D"}
    assert run(manifest, out) == []
    assert run(write_titles(manifest, b="B3"), out, b=MediaNotFoundError("gone")) == ["b"]  # answers of others stay
    assert names(out) == {"a": "A", "c": "C2", "d": "D"}
    assert [(row["video_id"], row["error"]) for row in dead_letters(out)] == [("b", "MediaNotFoundError")]
    assert run(write_titles(manifest, b="B4"), out) == ["b"]
    assert names(out) == {"a": "A", "b": "B4", "c": "C2", "d": "D"}
    assert dead_letters(out) == []


def test_a_transient_failure_is_tried_again_by_the_next_run_and_a_final_one_is_not(tmp_path: Path) -> None:
    manifest, out = write_titles(tmp_path / "m.jsonl", a="A", b="B", c="C"), tmp_path / "out"
    busy, gone = BackendUnavailableError("answered 503"), MediaNotFoundError("answered 404")
    run(manifest, out, a=busy, b=gone, c=busy)
    assert {row["video_id"]: row["transient"] for row in dead_letters(out)} == {"a": True, "b": False, "c": True}
    assert run(manifest, out, c=busy) == ["a", "c"]
    assert names(out) == {"a": "A"}
    assert {row["video_id"]: row["transient"] for row in dead_letters(out)} == {"b": False, "c": True}
    assert run(manifest, out) == ["c"]
    assert [row["video_id"] for row in dead_letters(out)] == ["b"]


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


def test_a_run_that_is_killed_while_it_replaces_an_answer_leaves_none_or_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, out = tmp_path / "m.jsonl", tmp_path / "out"
    run(write_titles(manifest, a="A", b="B"), out)
    write_titles(manifest, a="A", b="B2")

    def interrupted(_: parts.PartTable) -> None:
        raise Interrupted

    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        patched.setattr(parts.PartTable, "write_part", interrupted)
        run(manifest, out)
    assert names(out) == {"a": "A"}
    assert run(manifest, out) == ["b"]
    assert names(out) == {"a": "A", "b": "B2"}


def test_results_of_an_earlier_version_are_not_tagged_again(tmp_path: Path) -> None:
    manifest, out = write_titles(tmp_path / "m.jsonl", a="A", b="B", c="C"), tmp_path / "out"
    run(manifest, out, b=MediaNotFoundError("gone"))
    for part in out.rglob("*.parquet"):
        table = pq.read_table(part)
        pq.write_table(table.drop_columns([c for c in ("row_hash", "transient") if c in table.column_names]), part)
    assert run(manifest, out) == []
    assert names(out) == {"a": "A", "c": "C"}


def test_no_dead_letter_contains_the_password_of_a_url(tmp_path: Path) -> None:
    manifest, out = tmp_path / "m.jsonl", tmp_path / "out"
    rows = [{"video_id": "a", "uri": "http://me:secret@host/a.mp4"}, {"video_id": "http://me:secret@host", "title": 5}]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(manifest, out, a=MediaNotFoundError("gone"))
    assert len(dead_letters(out)) == 2
    assert "secret" not in json.dumps(dead_letters(out))
    assert dead_letters(out)[0]["uri"] == "http://***@host/a.mp4"


@pytest.mark.parametrize(
    ("uri", "error", "transient"),
    [
        ("http://host/a.mp4", BackendUnavailableError("answered 503"), True),
        ("HTTPS://host/a.mp4", DecodeTimeoutError("not done within 120 s"), True),
        ("a.mp4", DecodeTimeoutError("not done within 120 s"), False),
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
