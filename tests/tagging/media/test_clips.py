"""Every real clip gives features or one clear error."""

import csv
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from tagging.config.media import MediaConfig
from tagging.errors import InvalidMediaError, VideotagError
from tagging.media.pool import DecodePool
from tagging.types import MediaSample

CONFIG = MediaConfig()
Answers = dict[str, tuple[dict[str, str], MediaSample | VideotagError]]

# Frames that a file of 0.1 s holds at 30 a second.
SHORT = {"edge_09bccf01e7.mov": 3, "edge_9e50adb7ad.mov": 3, "edge_830ac62ec1.mp4": 10}
# Its pictures show stripes from the 31st of 49 on, as seen by eye.
DAMAGED = {
    "1 damaged picture packet skipped",
    "14 damaged pictures left out",
    "6 of 16 pictures could not be decoded",
}
# The first picture and sound tracks last 13.06 s; the table's 16.57 s are those of the subtitles.
OTHER_DURATION = {"misc_1127100019.mp4"}
TURNED = {"misc_b5815541f2.mov", "edge_9e50adb7ad.mov"}
SILENT = {
    "edge_0498523d04.webm",
    "edge_7bef580bf3.webm",
    "edge_af3a25d0c0.mkv",
    "edge_b2ce243d8c.webm",
    "edge_fb4f15a15c.mp4",
}


@pytest.fixture(scope="module")
def answers(shared_data: Path, table: list[str]) -> Iterator[Answers]:
    rows = {}
    for folder in ("clips", "clips_edge"):
        with (shared_data / folder / f"{folder}.csv").open(newline="") as file:
            rows.update({str(shared_data / folder / row["file"]): row for row in csv.DictReader(file)})
    with DecodePool(CONFIG) as pool:
        found = {rows[uri]["file"]: (rows[uri], answer_of(pool.submit(uri))) for uri in rows}
    table.extend(line(name, answer) for name, (_, answer) in found.items())
    yield found
    # Every outcome is checked by the tests below or listed in the table.
    found.clear()


def answer_of(media: Future[MediaSample]) -> MediaSample | VideotagError:
    try:
        return media.result()
    except VideotagError as error:
        return error


def line(name: str, answer: MediaSample | VideotagError) -> str:
    if isinstance(answer, VideotagError):
        return f"{name:24} {type(answer).__name__}: {answer.message}"
    frames = "   -         -" if answer.frames is None else "{:4} {:>4}x{:<4}".format(*reversed_shape(answer))
    sound = "     -" if answer.sound is None else f"{answer.sound.duration_s:6.2f}"
    return f"{name:24} {frames} {sound} s of {answer.duration_s:6.2f} s  {'; '.join(answer.warnings)}"


def reversed_shape(sample: MediaSample) -> tuple[int, int, int]:
    assert sample.frames is not None
    count, height, width, _ = sample.frames.pixels.shape
    return count, width, height


def test_all_79_clips_and_12_odd_files_give_a_sample_or_a_known_error(answers: Answers) -> None:
    assert len(answers) == 79 + 12
    errors = {name: answer for name, (_, answer) in answers.items() if isinstance(answer, VideotagError)}
    # A QuickTime file that only refers to pictures of another file, which is never opened.
    assert list(errors) == ["edge_11d244b44a.mov"]
    assert isinstance(errors["edge_11d244b44a.mov"], InvalidMediaError)


def samples(answers: Answers) -> Iterator[tuple[str, dict[str, str], MediaSample]]:
    for name, (row, answer) in answers.items():
        if isinstance(answer, MediaSample):
            yield name, row, answer


def test_every_clip_gives_its_frames_in_its_aspect_ratio(answers: Answers) -> None:
    for name, row, sample in samples(answers):
        count, width, height = reversed_shape(sample)
        assert count == SHORT.get(name, CONFIG.frames), name
        stored = int(row["width"]) / int(row["height"])
        # The table gives the stored size, without rotation and sample aspect.
        want = 1 / stored if name in TURNED else stored
        assert width / height == pytest.approx(want, rel=0.02), name
        assert max(width, height) <= CONFIG.max_side_px, name
        assert sample.frames is not None
        assert sample.frames.pixels.std() > 1, name  # one clip was filmed with the cap on


def test_durations_agree_with_the_table(answers: Answers) -> None:
    for name, row, sample in samples(answers):
        if float(row["duration_s"]) and name not in OTHER_DURATION:
            assert sample.duration_s == pytest.approx(float(row["duration_s"]), abs=0.06), name


def test_sound_is_decoded_where_the_table_lists_a_track_that_is_not_silent(answers: Answers) -> None:
    for name, row, sample in samples(answers):
        assert (sample.sound is not None) == (bool(row["audio_codec"]) and name not in SILENT), name
        if sample.sound is not None:
            assert sample.sound.duration_s == pytest.approx(sample.duration_s, abs=0.25), name


def test_healthy_clips_give_no_warnings_except_for_missing_tracks(answers: Answers) -> None:
    for name, row, sample in samples(answers):
        expected = set() if row["audio_codec"] else {"no sound track"}
        if name in SILENT:
            expected = {"sound track is silent"}
        if name == "edge_830ac62ec1.mp4":  # "deliberately corrupted H.264"
            expected |= DAMAGED
        if name == "edge_b2ce243d8c.webm":  # VP9 with transparency
            expected |= {"the picture is transparent in places, which is not read"}
        assert {warning for warning in sample.warnings if "one was used" not in warning} == expected, name
