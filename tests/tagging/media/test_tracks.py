"""Which picture and sound track of a file are read."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tagging.config.media import MediaConfig
from tagging.media.container import open_container
from tagging.media.decode import decode
from tagging.media.limits import Deadline
from tagging.media.packets import read_packets
from tagging.media.tracks import Tracks, choose_tracks

RATE = 10


def tracks_of(path: Path) -> Tracks:
    with open_container(path) as container:
        return choose_tracks(container, read_packets(container, Deadline(60)))


Sound = tuple[Disposition, str, float, str]  # disposition, title, seconds, layout
Picture = tuple[Disposition, int, int]  # disposition, side in pixels, frames


def write(path: Path, pictures: tuple[Picture, ...] = (), sounds: tuple[Sound, ...] = ()) -> Path:
    with av.open(str(path), "w") as out:
        videos: list[tuple[VideoStream, int, int]] = []
        for disposition, side, frames in pictures:
            video = out.add_stream("libx264" if frames > 1 else "mjpeg", rate=RATE)
            assert isinstance(video, VideoStream)
            video.width = video.height = side
            video.pix_fmt = "yuv420p" if frames > 1 else "yuvj420p"
            video.disposition = disposition
            videos.append((video, side, frames))
        tones: list[tuple[AudioStream, float, str]] = []
        for disposition, title, seconds, layout in sounds:
            sound = out.add_stream("aac", rate=16000, layout=layout)
            assert isinstance(sound, AudioStream)
            sound.disposition = disposition
            sound.metadata["title"] = title
            tones.append((sound, seconds, layout))
        for video, side, frames in videos:
            for number in range(frames):
                frame = VideoFrame.from_ndarray(np.full((side, side, 3), 90, np.uint8)).reformat(format=video.pix_fmt)
                frame.pts, frame.time_base = number, Fraction(1, RATE)
                out.mux(video.encode(frame))
            out.mux(video.encode(None))
        for sound, seconds, layout in tones:
            channels = {"mono": 1, "stereo": 2}[layout]
            wave = np.tile(np.sin(np.arange(round(seconds * 16000)) / 10).astype(np.float32), (channels, 1))
            tone = AudioFrame.from_ndarray(np.ascontiguousarray(wave), format="fltp", layout=layout)
            tone.sample_rate, tone.pts, tone.time_base = 16000, 0, Fraction(1, 16000)
            out.mux(sound.encode(tone))
            out.mux(sound.encode(None))
    return path


NO, DEFAULT = Disposition(0), Disposition.default


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
@pytest.mark.parametrize(
    ("pictures", "index", "reason"),
    [
        (((DEFAULT, 64, 20),), 0, None),
        (((NO, 32, 1), (DEFAULT, 64, 20)), 1, None),  # a cover that is not marked as one
        (((NO, 32, 20), (NO, 64, 20)), 1, "largest"),  # a preview
        (((NO, 64, 20), (DEFAULT, 32, 20)), 1, "default"),
        (((DEFAULT, 64, 3), (NO, 32, 30)), 1, "longest"),
        (((NO, 64, 20), (NO, 64, 20)), 0, "first"),
    ],
)
def test_the_film_is_read_and_not_its_cover_or_preview(
    tmp_path: Path, suffix: str, pictures: tuple[Picture, ...], index: int, reason: str | None
) -> None:
    if suffix == "mp4" and reason in ("largest", "first"):
        pytest.skip("a muxer of MP4 enables the first track if none is marked as default")
    tracks = tracks_of(write(tmp_path / f"film.{suffix}", pictures))
    assert tracks.picture == index
    assert tracks.notes == ((f"2 picture tracks: the {reason} one was used",) if reason else ())


@pytest.mark.parametrize(
    ("sounds", "index", "reason"),
    [
        (((NO, "", 2.0, "mono"),), 0, None),
        (((NO, "", 2.0, "mono"), (DEFAULT, "", 2.0, "mono")), 1, "default"),
        (((DEFAULT | Disposition.comment, "", 2.0, "mono"), (NO, "", 2.0, "mono")), 1, "main"),
        (((DEFAULT, "Director's Commentary", 2.0, "mono"), (NO, "English", 2.0, "mono")), 1, "main"),
        (((NO | Disposition.visual_impaired, "", 2.0, "mono"), (NO, "", 2.0, "mono")), 1, "main"),
        (((NO, "", 2.0, "mono"), (NO, "", 2.0, "stereo")), 1, "widest"),
        (((DEFAULT, "", 0.3, "mono"), (NO, "", 2.0, "mono")), 1, "longest"),
        (((NO, "", 2.0, "mono"), (NO, "", 2.0, "mono")), 0, "first"),
    ],
)
def test_the_films_own_sound_is_read(tmp_path: Path, sounds: tuple[Sound, ...], index: int, reason: str | None) -> None:
    tracks = tracks_of(write(tmp_path / "film.mkv", sounds=sounds))
    assert tracks.sound == index
    assert tracks.notes == ((f"2 sound tracks: the {reason} one was used",) if reason else ())


def test_the_choice_between_tracks_is_reported_with_the_sample(tmp_path: Path) -> None:
    sounds = ((NO, "", 2.0, "mono"), (DEFAULT, "", 2.0, "stereo"))
    sample = decode(write(tmp_path / "film.mkv", ((DEFAULT, 64, 20),), sounds), MediaConfig())
    assert sample.warnings == ("2 sound tracks: the default one was used",)
