"""What the log of labelled videos keeps through restarts, kills and damage."""

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


def late(video_id: str, *tags: str, seed: int = 0) -> AddedVideo:
    rng = np.random.default_rng(seed)
    rows: dict[Modality, NDArray[np.float32]] = {}
    widths: dict[Modality, int] = {"text": 5, "audio": 3}
    for view, width in widths.items():
        row = rng.normal(size=width).astype(np.float32)
        rows[view] = row / np.linalg.norm(row)
    return AddedVideo(
        VideoRef(video_id, None, "Ein Titel: Привет 🎬", "two\nlines", f"u{seed}" if seed else None),
        tags, rows, {"text": "t-1", "audio": "a-1"},
    )  # fmt: skip


def same(one: LabelledUpdate, other: LabelledUpdate) -> bool:
    return type(one) is type(other) and to_bytes(one) == to_bytes(other)


def test_an_entry_comes_back_as_it_was() -> None:
    entry = late("v1", "cats", "кошки", seed=3)
    back = from_bytes(to_bytes(entry), Path("log"))
    assert isinstance(back, AddedVideo)
    assert (back.video, back.tags, back.encoders) == (entry.video, entry.tags, entry.encoders)
    assert list(back.rows) == ["text", "audio"]
    for view, row in entry.rows.items():
        np.testing.assert_array_equal(back.rows[view], row)
    textless = AddedVideo(VideoRef("v2"), ("cats",), {}, {})
    assert same(from_bytes(to_bytes(textless), Path("log")), textless)
    assert from_bytes(to_bytes(RemovedVideo("v3")), Path("log")) == RemovedVideo("v3")


def test_rows_of_another_encoder_are_no_embeddings() -> None:
    entry = late("v1", "cats", seed=3)
    assert set(entry.embeddings({"text": "t-1", "audio": "a-1"}).rows) == {"text", "audio"}
    assert set(entry.embeddings({"text": "t-2", "audio": "a-1", "frames": "f-1"}).rows) == {"audio"}


def test_the_last_entry_of_a_video_counts(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with LabelledFileLog.open(path) as log:
        for entry in (late("v1", "cats"), late("v2", "cars"), RemovedVideo("v1"), late("v2", "food", seed=2)):
            log.append(entry)
        assert same(log.latest["v2"], late("v2", "food", seed=2))
    with LabelledFileLog.open(path) as log:
        log.append(late("v3", "music"))
    latest = read_labelled_log(path)
    want: dict[str, LabelledUpdate] = {
        "v1": RemovedVideo("v1"),
        "v2": late("v2", "food", seed=2),
        "v3": late("v3", "music"),
    }
    assert latest.keys() == want.keys()
    assert all(same(latest[video_id], entry) for video_id, entry in want.items())


def test_a_log_may_be_read_while_it_is_written(tmp_path: Path) -> None:
    with LabelledFileLog.open(tmp_path / "log") as log:
        assert read_labelled_log(tmp_path / "log") == {}
        log.append(late("v1", "cats"))
        assert list(read_labelled_log(tmp_path / "log")) == ["v1"]


def test_a_log_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    for place in (tmp_path / "log", tmp_path):
        with pytest.raises(ArtifactNotFoundError, match="cannot be read"):
            read_labelled_log(place)


def packed(said: object, rows: bytes = b"") -> bytes:
    text = json.dumps(said).encode()
    return struct.pack("<I", len(text)) + text + rows


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"junk",
        packed([]),
        packed({"format": 2, "left": "v1"}),
        packed({"format": 1, "video_id": "v1"}),
        to_bytes(late("v1", "cats"))[:-4],
        to_bytes(late("v1", "cats")) + bytes(4),
    ],
)
def test_a_record_that_is_no_entry_is_one_clear_error(tmp_path: Path, payload: bytes) -> None:
    journal, _ = Journal.open(tmp_path / "log")
    with journal:
        journal.append(payload)
    with pytest.raises(ArtifactCorruptError, match="log holds what is no labelled video"):
        read_labelled_log(tmp_path / "log")
    with pytest.raises(ArtifactCorruptError, match="log holds what is no labelled video"):
        LabelledFileLog.open(tmp_path / "log")
    journal, payloads = Journal.open(tmp_path / "log")  # it was let go, and nothing was lost
    journal.close()
    assert payloads == [payload]


WRITER = """
import sys
from pathlib import Path
from tagging.store.labelled_log import LabelledFileLog, RemovedVideo
from tests.tagging.store.test_labelled_log import late

with LabelledFileLog.open(Path(sys.argv[1])) as log:
    for turn in range(10**6):
        log.append(late(f"v{turn % 50}", f"tag {turn}"))
        print(f"v{turn % 50}", f"tag {turn}", sep="|", flush=True)
        if turn % 7 == 6:
            log.append(RemovedVideo(f"v{turn % 50}"))
            print(f"v{turn % 50}", "", sep="|", flush=True)
"""


def test_what_was_acknowledged_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    chance = random.Random(3)
    path = tmp_path / "log"
    told: dict[str, str] = {}
    for _ in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(chance.randint(1, 120))]
        writer.kill()
        lines += writer.stdout.readlines()  # what it had said before it died
        writer.stdout.close()
        assert writer.wait() == -9
        told |= dict(line.rstrip("\n").split("|") for line in lines)
        there = {
            video_id: entry.tags[0] if isinstance(entry, AddedVideo) else ""
            for video_id, entry in read_labelled_log(path).items()
        }
        other = {video_id for video_id in told.keys() | there.keys() if told.get(video_id) != there.get(video_id)}
        assert len(other) <= 1  # the one whose entry was under way
        told |= there
