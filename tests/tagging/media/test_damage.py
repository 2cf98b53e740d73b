"""Damaged pictures are left out and reported; what is intact is read as if nothing were wrong."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tagging.config.media import MediaConfig
from tagging.errors import InvalidMediaError
from tagging.media.decode import decode
from tests.support.media_files import Film, make, number_of

CONFIG = MediaConfig(frames=16)
CODECS = [
    ("mp4", "libx264", {"g": "20", "sc_threshold": "0"}),
    ("mkv", "mpeg4", {"g": "20"}),
    ("mkv", "mpeg2video", {"g": "20"}),
]
GROUPS = 3


def damaged(path: Path, group: int) -> Path:
    """Overwrite the middle of the keyframe of a group; the container stays as it is."""
    with av.open(str(path)) as container:
        keys = [packet for packet in container.demux(video=0) if packet.size and packet.is_keyframe]
    payload = bytes(keys[group])
    piece = payload[2 * len(payload) // 3 :]  # after headers and messages
    data = bytearray(path.read_bytes())
    start = data.index(piece)
    data[start : start + len(piece)] = np.random.default_rng(0).integers(0, 256, len(piece), np.uint8).tobytes()
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("suffix", "codec", "options"), CODECS, ids=[codec for _, codec, _ in CODECS])
@pytest.mark.parametrize("group", range(GROUPS))
def test_no_picture_of_a_damaged_group_is_used(
    tmp_path: Path, suffix: str, codec: str, options: dict[str, str], group: int
) -> None:
    film = Film(frames=60, rate=25, codec=codec, options={**options, "bf": "0"})
    path = damaged(make(tmp_path / f"film.{suffix}", film), group)
    sample = decode(path, CONFIG)
    assert sample.frames is not None
    numbers = [number_of(picture) for picture in sample.frames.pixels]
    assert {number // 20 for number in numbers} == set(range(GROUPS)) - {group}
    assert len(numbers) >= 10
    assert any("damaged picture" in warning for warning in sample.warnings)


def test_a_film_without_an_intact_picture_is_refused(tmp_path: Path) -> None:
    film = Film(frames=20, rate=25, codec="mpeg2video", options={"g": "60", "bf": "0"})
    path = damaged(make(tmp_path / "film.mkv", film), 0)
    with pytest.raises(InvalidMediaError, match="damaged pictures left out"):
        decode(path, CONFIG)


def test_a_recording_that_begins_without_a_keyframe_is_read_from_the_first_one(tmp_path: Path) -> None:
    whole = make(tmp_path / "whole.ts", Film(frames=60, rate=25, options={"g": "20", "bf": "2", "sc_threshold": "0"}))
    cut = tmp_path / "cut.ts"
    with av.open(str(whole)) as source, av.open(str(cut), "w") as out:
        stream = source.streams.video[0]
        target = out.add_stream_from_template(stream)
        for number, packet in enumerate(source.demux(stream)):
            if packet.dts is not None and number >= 8:
                packet.stream = target
                out.mux(packet)
    sample = decode(cut, CONFIG)
    assert sample.frames is not None
    numbers = [number_of(picture) for picture in sample.frames.pixels]
    assert numbers == [20 + (2 * i + 1) * 40 // 32 for i in range(16)]
    assert sample.warnings == ("no sound track",)


def test_colours_from_a_palette_survive_long_distances(shared_data: Path) -> None:
    path = shared_data / "reports" / "palette_cinepak.mov"
    sample = decode(path, CONFIG)
    assert sample.frames is not None
    with av.open(str(path), metadata_errors="replace") as container:
        stream = container.streams.video[0]
        pictures = {
            float((frame.pts or 0) * Fraction(stream.time_base or 1)): frame for frame in container.decode(stream)
        }
    for time_s, picture in zip(sample.frames.times_s, sample.frames.pixels, strict=True):
        nearest = pictures[min(pictures, key=lambda other: abs(other - time_s))]
        want = nearest.reformat(picture.shape[1], picture.shape[0], "rgb24").to_ndarray()
        assert np.abs(picture.astype(int) - want).mean() < 3


def test_field_coded_film_gives_clean_pictures(shared_data: Path) -> None:
    path = shared_data / "reports" / "field_coded_h264.ts"
    sample = decode(path, CONFIG)
    assert sample.frames is not None
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    first = frames[0].pts or 0
    times = np.array([float(((frame.pts or 0) - first) * Fraction(1, 90000)) for frame in frames])
    for time_s, picture in zip(sample.frames.times_s, sample.frames.pixels, strict=True):
        index = int(np.abs(times - time_s).argmin())
        assert abs(times[index] - time_s) < 1e-3
        want = frames[index].reformat(picture.shape[1], picture.shape[0], "rgb24", interpolation="BICUBIC").to_ndarray()
        assert np.abs(picture.astype(int) - want).mean() < 1
    assert not [warning for warning in sample.warnings if "picture" in warning]
