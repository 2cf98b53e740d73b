"""The file log of labelled videos across restarts, kills and damage."""

import json
import random
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tagging.errors import ArtifactCorruptError, ArtifactNotFoundError
from tagging.store.journal import Journal
from tagging.store.labelled_log import (
    AddedVideo,
    LabelledFileLog,
    LabelledUpdate,
    RemovedVideo,
    from_bytes,
    read_labelled_log,
    to_bytes,
)
from tagging.types import Modality, VideoRef
from tests.support.paths import REPOSITORY


def added(video_id: str, *tags: str, seed: int = 0) -> AddedVideo:
    rng = np.random.default_rng(seed)
    rows: dict[Modality, NDArray[np.float32]] = {}
    widths: dict[Modality, int] = {"text": 5, "audio": 3}
    for modality, width in widths.items():
        row = rng.normal(size=width).astype(np.float32)
        rows[modality] = row / np.linalg.norm(row)
    return AddedVideo(
        VideoRef(video_id, None, "Ein Titel: Привет 🎬", "two\nlines", f"u{seed}" if seed else None),
        tags, rows, {"text": "t-1", "audio": "a-1"},
    )  # fmt: skip


def same(update: LabelledUpdate, other: LabelledUpdate) -> bool:
    return type(update) is type(other) and to_bytes(update) == to_bytes(other)


def test_an_update_is_read_back_unchanged() -> None:
    update = added("v1", "cats", "кошки", seed=3)
    read = from_bytes(to_bytes(update), Path("log"))
    assert isinstance(read, AddedVideo)
    assert (read.video, read.tags, read.encoders) == (update.video, update.tags, update.encoders)
    assert list(read.rows) == ["text", "audio"]
    for modality, row in update.rows.items():
        np.testing.assert_array_equal(read.rows[modality], row)
    textless = AddedVideo(VideoRef("v2"), ("cats",), {}, {})
    assert same(from_bytes(to_bytes(textless), Path("log")), textless)
    assert from_bytes(to_bytes(RemovedVideo("v3")), Path("log")) == RemovedVideo("v3")


def test_rows_of_another_encoder_are_left_out_of_the_embeddings() -> None:
    update = added("v1", "cats", seed=3)
    assert set(update.embeddings({"text": "t-1", "audio": "a-1"}).rows) == {"text", "audio"}
    assert set(update.embeddings({"text": "t-2", "audio": "a-1", "frames": "f-1"}).rows) == {"audio"}


def test_the_last_update_of_a_video_counts(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with LabelledFileLog.open(path) as log:
        for update in (added("v1", "cats"), added("v2", "cars"), RemovedVideo("v1"), added("v2", "food", seed=2)):
            log.append(update)
        assert same(log.latest["v2"], added("v2", "food", seed=2))
    with LabelledFileLog.open(path) as log:
        log.append(added("v3", "music"))
    latest = read_labelled_log(path)
    want: dict[str, LabelledUpdate] = {
        "v1": RemovedVideo("v1"),
        "v2": added("v2", "food", seed=2),
        "v3": added("v3", "music"),
    }
    assert latest.keys() == want.keys()
    assert all(same(latest[video_id], update) for video_id, update in want.items())


def test_a_log_may_be_read_while_it_is_written(tmp_path: Path) -> None:
    with LabelledFileLog.open(tmp_path / "log") as log:
        assert read_labelled_log(tmp_path / "log") == {}
        log.append(added("v1", "cats"))
        assert list(read_labelled_log(tmp_path / "log")) == ["v1"]


def test_a_missing_log_is_one_clear_error(tmp_path: Path) -> None:
    for path in (tmp_path / "log", tmp_path):
        with pytest.raises(ArtifactNotFoundError, match="cannot be read"):
            read_labelled_log(path)


def packed(header: object, rows: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<I", len(text)) + text + rows


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"junk",
        packed([]),
        packed({"format": 2, "left": "v1"}),
        packed({"format": 1, "video_id": "v1"}),
        to_bytes(added("v1", "cats"))[:-4],
        to_bytes(added("v1", "cats")) + bytes(4),
    ],
)
def test_an_invalid_record_is_one_clear_error(tmp_path: Path, payload: bytes) -> None:
    journal, _ = Journal.open(tmp_path / "log")
    with journal:
        journal.append(payload)
    with pytest.raises(ArtifactCorruptError, match="log contains an invalid labelled video"):
        read_labelled_log(tmp_path / "log")
    with pytest.raises(ArtifactCorruptError, match="log contains an invalid labelled video"):
        LabelledFileLog.open(tmp_path / "log")
    journal, payloads = Journal.open(tmp_path / "log")  # the lock was released, and nothing was lost
    journal.close()
    assert payloads == [payload]


WRITER = """
import sys
from pathlib import Path
from tagging.store.labelled_log import LabelledFileLog, RemovedVideo
from tests.tagging.store.test_labelled_log import added

with LabelledFileLog.open(Path(sys.argv[1])) as log:
    for turn in range(10**6):
        log.append(added(f"v{turn % 50}", f"tag {turn}"))
        print(f"v{turn % 50}", f"tag {turn}", sep="|", flush=True)
        if turn % 7 == 6:
            log.append(RemovedVideo(f"v{turn % 50}"))
            print(f"v{turn % 50}", "", sep="|", flush=True)
"""


@pytest.mark.slow
def test_acknowledged_updates_survive_a_kill(tmp_path: Path) -> None:
    chance = random.Random(3)
    path = tmp_path / "log"
    acknowledged: dict[str, str] = {}
    for _ in range(2):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(chance.randint(1, 120))]
        writer.kill()
        lines += writer.stdout.readlines()  # printed before the kill
        writer.stdout.close()
        assert writer.wait() == -9
        acknowledged |= dict(line.rstrip("\n").split("|") for line in lines)
        stored = {
            video_id: update.tags[0] if isinstance(update, AddedVideo) else ""
            for video_id, update in read_labelled_log(path).items()
        }
        different = {
            video_id
            for video_id in acknowledged.keys() | stored.keys()
            if acknowledged.get(video_id) != stored.get(video_id)
        }
        assert len(different) <= 1  # the one that was being written
        acknowledged |= stored
