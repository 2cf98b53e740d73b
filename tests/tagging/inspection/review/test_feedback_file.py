"""Feedback file: whole lines, drafts, undo, kills, full disks, and a manifest for training."""

import json
import random
import signal
import subprocess
import sys
import textwrap
import time
from itertools import islice
from pathlib import Path

import pytest

from tagging.errors import ArtifactCorruptError, BusyError, OutputUnwritableError
from tagging.inspection.review.decisions import Decision, Draft, JudgedTag, ReviewedVideo, Verdict
from tagging.inspection.review.feedback_file import FeedbackFile
from tagging.inspection.review.feedback_lines import read_feedback
from tagging.manifests.read import read_labelled
from tagging.types import VideoRef
from tests.support.disks import filled, tiny_disk
from tests.support.paths import REPOSITORY


def draft(video_id: str, **verdicts: Verdict) -> Draft:
    made = tuple(Decision(f"id-{name}", JudgedTag(f"id-{name}", name), verdict) for name, verdict in verdicts.items())
    return Draft(video_id, made)


def reviewed(number: int, **verdicts: Verdict) -> ReviewedVideo:
    video = VideoRef(f"v{number}", None, f"Title {number} 🔥 \u2028 \x85 \x1c \r", "", "uploader")
    return ReviewedVideo(video, "bundle-1", f"f{number}", "2026-01-02T03:04:05+00:00", draft(f"v{number}", **verdicts))


def test_confirmed_videos_are_found_again_and_train_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    written = [reviewed(1, dog="accepted", cat="rejected", sea="added"), reviewed(2, cat="rejected"), reviewed(3)]
    with FeedbackFile.open(path) as file:
        for entry in written:
            file.keep(entry.draft)
            file.confirm(entry)
            assert file.draft is None
    with FeedbackFile.open(path) as file:
        assert list(file.reviewed) == ["v1", "v2", "v3"]
        assert file.draft is None
    assert list(read_feedback(path)) == written
    rows = list(read_labelled([path], {}))
    assert [(row.video.video_id, row.tags) for row in rows] == [("v1", ("dog", "sea")), ("v2", ()), ("v3", ())]
    assert rows[0].video == written[0].video


def test_the_draft_is_kept_and_the_last_decision_of_a_tag_counts(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    made = draft("v1", dog="accepted").with_decision(Decision("id-dog", JudgedTag("id-dog", "dog"), "rejected"))
    with FeedbackFile.open(path) as file:
        file.keep(made)
    with FeedbackFile.open(path) as file:
        assert file.draft == made
        assert [decision.verdict for decision in made.verdicts().values()] == ["rejected"]
        assert made.without_last() == draft("v1", dog="accepted")


def test_undo_opens_the_confirmed_videos_again_from_the_last_to_the_first(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    with FeedbackFile.open(path) as file:
        file.confirm(reviewed(1, dog="accepted"))
        content = path.read_bytes()
        file.confirm(reviewed(2, cat="rejected"))
        assert file.reopen() == reviewed(2, cat="rejected")
        assert path.read_bytes() == content
        assert file.draft == draft("v2", cat="rejected")
        assert file.last_reviewed == "v1"
        assert file.reopen() == reviewed(1, dog="accepted")
        assert file.reopen() is None
        assert path.read_bytes() == b""
        file.confirm(reviewed(1))
    with FeedbackFile.open(path) as file:
        assert list(file.reviewed) == ["v1"]
        assert file.draft is None


def test_a_second_review_of_a_file_is_one_error(tmp_path: Path) -> None:
    with FeedbackFile.open(tmp_path / "f.jsonl"), pytest.raises(BusyError, match="another review is writing"):
        FeedbackFile.open(tmp_path / "f.jsonl")
    FeedbackFile.open(tmp_path / "f.jsonl").__exit__()


def test_a_torn_last_line_is_cut_off_at_every_byte(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "f.jsonl"
    with FeedbackFile.open(path) as file:
        file.confirm(reviewed(1, dog="accepted"))
        whole = path.read_bytes()
        file.confirm(reviewed(2, cat="rejected"))
    both = path.read_bytes()
    for end in range(len(whole) + 1, len(both)):
        path.write_bytes(both[:end])
        assert len(list(read_feedback(path))) == 1
        with FeedbackFile.open(path) as file:
            assert list(file.reviewed) == ["v1"]
        assert path.read_bytes() == whole
    assert "torn" in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        b'{"video_id": "a", "title": "a manifest"}\n',
        b"not json\n",
        b"a file without a line",
        b"[]\n",
        b"[" * 100_000 + b"\n",
        b'{"video_id": 7, "feedback": {}}\n',
        b'{"video_id": "a", "feedback": {"accepted": [{"tag_id": null, "name": 7}]}}\n',
        b"\xff\xfe\x00\n",
    ],
)
def test_other_files_are_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(content)
    with pytest.raises(ArtifactCorruptError):
        FeedbackFile.open(path)
    assert path.read_bytes() == content


def test_a_repeated_video_and_a_damaged_draft_are_one_error_each(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    with FeedbackFile.open(path) as file:
        file.confirm(reviewed(1))
    line = path.read_bytes()
    path.write_bytes(line + line)
    with pytest.raises(ArtifactCorruptError, match="line 2"):
        FeedbackFile.open(path)
    path.write_bytes(line)
    (tmp_path / ".f.jsonl.draft").write_text("{")
    with pytest.raises(ArtifactCorruptError, match="draft"):
        FeedbackFile.open(path)


@pytest.mark.parametrize("where", ["missing/f.jsonl", "folder", "/dev/null"])
def test_an_unwritable_path_is_one_error(tmp_path: Path, where: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputUnwritableError, match=r"cannot be written|is no file"):
        FeedbackFile.open(tmp_path / where)


def test_a_draft_left_by_a_kill_within_confirm_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    with FeedbackFile.open(path) as file:
        file.keep(draft("v1", dog="accepted"))
        left = file.draft_path.read_bytes()
        file.confirm(reviewed(1, dog="accepted"))
        file.draft_path.write_bytes(left)
    with FeedbackFile.open(path) as file:
        assert file.draft is None
        assert not file.draft_path.exists()


def test_a_full_disk_refuses_a_decision_and_loses_none(tmp_path: Path) -> None:
    with tiny_disk(tmp_path / "disk", 1) as disk:
        path = disk / "f.jsonl"
        with FeedbackFile.open(path) as file:
            file.confirm(reviewed(1, dog="accepted"))
            file.keep(draft("v2", dog="accepted"))
            before = path.read_bytes()
            many: dict[str, Verdict] = {f"tag {number}": "accepted" for number in range(200)}
            large = reviewed(2, **many)
            with filled(disk):
                with pytest.raises(OutputUnwritableError, match="cannot be written"):
                    file.keep(large.draft)
                with pytest.raises(OutputUnwritableError, match="cannot be written"):
                    file.confirm(large)
                assert path.read_bytes() == before
                assert file.draft == draft("v2", dog="accepted")
            file.confirm(reviewed(2, dog="accepted"))
        assert list(read_feedback(path)) == [reviewed(1, dog="accepted"), reviewed(2, dog="accepted")]


# Prints a line after each acknowledged step: decisions of a video, its confirmation, and at every fifth an undo.
EDITOR = """
import sys
from tests.tagging.inspection.review.test_feedback_file import draft, reviewed
from pathlib import Path
from tagging.inspection.review.feedback_file import FeedbackFile
with FeedbackFile.open(Path(sys.argv[1])) as file:
    number = len(file.reviewed)
    while True:
        number += 1
        file.keep(draft(f"v{number}", dog="accepted"))
        print("kept", number, flush=True)
        file.keep(draft(f"v{number}", dog="accepted", cat="rejected"))
        print("kept2", number, flush=True)
        file.confirm(reviewed(number, dog="accepted", cat="rejected"))
        print("confirmed", number, flush=True)
        if number % 5 == 0:
            file.reopen()
            print("reopened", number, flush=True)
            file.confirm(reviewed(number, dog="accepted", cat="rejected"))
            print("confirmed", number, flush=True)
"""


@pytest.mark.slow
def test_no_acknowledged_decision_is_lost_by_kills(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    rng = random.Random(5)
    for _ in range(10):
        arguments = [sys.executable, "-c", textwrap.dedent(EDITOR), str(path)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as editor:
            assert editor.stdout is not None
            acknowledged = list(islice(editor.stdout, rng.randrange(1, 40)))
            time.sleep(rng.random() * 0.01)  # anywhere within the next steps
            editor.send_signal(signal.SIGKILL)
            acknowledged += editor.stdout.readlines()
        step, number = [line for line in acknowledged if line.endswith("\n")][-1].split()  # the kill may cut the last
        with FeedbackFile.open(path) as file:
            videos = list(file.reviewed)
            assert videos == [f"v{at}" for at in range(1, len(videos) + 1)]
            in_file, open_video = len(videos), file.draft.video_id if file.draft else None
        # The step in progress may have ended without its acknowledgement.
        assert int(number) - 1 <= in_file <= int(number)
        if step in ("kept", "kept2", "reopened"):
            assert in_file == int(number) or open_video == f"v{number}"
        for line in path.read_bytes().splitlines():  # of text, also at the U+2028 of the titles
            assert json.loads(line)["tags"] == ["dog"]
