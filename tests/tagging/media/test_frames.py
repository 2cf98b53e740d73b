import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tagging.config.media import MediaConfig
from tagging.media import frames as frames_module
from tagging.media.container import open_container
from tagging.media.decode import decode
from tagging.media.frames import decode_frames
from tagging.media.limits import Deadline
from tagging.media.packets import read_packets
from tagging.media.timeline import Timeline, build_timeline
from tagging.media.tracks import choose_tracks
from tagging.types import Frames
from tests.support.media_files import Film, brute_force, make, number_of, numbered, quadrants

CONFIG = MediaConfig(frames=16, max_side_px=512)
VFR_TIMES = [0, 1, 2, 3, 10, 11, 12, 40, 41, 60, 61, 62, 63, 64, 65, 90, 91, 120, 150, 151]
B_FRAMES = {"bf": "3", "b_strategy": "0", "g": "12", "b-pyramid": "strict"}

FILMS = {
    "a keyframe a second": ("mp4", Film(frames=60, options={"g": "10", "bf": "0"})),
    "long groups and one seek": ("mp4", Film(frames=900, options={"g": "300", "bf": "2", "sc_threshold": "0"})),
    "B-frames": ("mp4", Film(frames=97, options=B_FRAMES)),
    "B-frames in Matroska": ("mkv", Film(frames=97, options=B_FRAMES)),
    "B-frames in a transport stream": ("ts", Film(frames=97, options=B_FRAMES)),
    "open groups": ("mp4", Film(frames=120, options={**B_FRAMES, "x264-params": "open-gop=1:keyint=12:min-keyint=12"})),
    "variable frame rate": ("mp4", Film(frames=20, times=VFR_TIMES, options=B_FRAMES)),
    "variable frame rate in Matroska": ("mkv", Film(frames=20, times=VFR_TIMES, options=B_FRAMES)),
    "targets that fall on frames": ("mp4", Film(frames=40, options={"g": "5"})),
    "VP9": ("webm", Film(frames=40, codec="libvpx-vp9", options={"g": "15", "cpu-used": "8", "deadline": "realtime"})),
    "VP8 with hidden frames": (
        "webm",
        Film(frames=60, codec="libvpx", options={"auto-alt-ref": "1", "lag-in-frames": "16"}),
    ),
    "HEVC": ("mp4", Film(frames=60, codec="libx265", options={"x265-params": "log-level=none:keyint=20:bframes=3"})),
    "MPEG-2 in a program stream": ("mpg", Film(frames=60, rate=25, codec="mpeg2video", options={"bf": "2", "g": "10"})),
    "motion JPEG": ("mov", Film(frames=30, codec="mjpeg", pixels="yuvj420p")),
    "animated gif": ("gif", Film(frames=30, codec="gif", pixels="rgb8")),
}


def timeline_of(path: Path) -> Timeline:
    with open_container(path) as container:
        tables = read_packets(container, Deadline(60))
        return build_timeline(container, choose_tracks(container, tables), tables, None)


def planned(path: Path, config: MediaConfig) -> Frames:
    track = timeline_of(path).picture
    assert track is not None
    decoded = decode_frames(path, 0, track, config, Deadline(60))
    assert decoded.frames is not None
    assert not decoded.damaged_packets
    assert not decoded.damaged_frames
    return decoded.frames


@pytest.mark.parametrize("name", FILMS)
@pytest.mark.parametrize("workers", [1, 64], ids=["many threads", "one thread"])
def test_sampled_frames_equal_those_of_decoding_everything(tmp_path: Path, name: str, workers: int) -> None:
    suffix, film = FILMS[name]
    path = make(tmp_path / f"film.{suffix}", film)
    times, pictures = brute_force(path, 16)
    got = planned(path, CONFIG.model_copy(update={"workers": workers}))
    np.testing.assert_allclose(got.times_s, [float(time) for time in times], atol=1e-6)
    np.testing.assert_array_equal(got.pixels, np.stack(pictures))


def test_frames_of_avi_are_counted_because_its_timestamps_are_guesses(tmp_path: Path) -> None:
    path = make(tmp_path / "film.avi", Film(frames=50, codec="mpeg4", options={"bf": "2", "g": "12", "qscale": "2"}))
    got = planned(path, CONFIG)
    # Target i falls on frame floor((i + 0.5) / 16 * 50) of 50.
    assert [number_of(picture) for picture in got.pixels] == [(2 * i + 1) * 50 // 32 for i in range(16)]


def test_sampling_a_long_avi_seeks_and_is_off_by_at_most_a_group_of_b_frames(tmp_path: Path) -> None:
    film = Film(frames=4000, codec="mpeg4", options={"bf": "2", "g": "50", "qscale": "2"})
    got = planned(make(tmp_path / "film.avi", film), CONFIG.model_copy(update={"frames": 5}))
    wanted = [(2 * i + 1) * 4000 // 10 for i in range(5)]
    off = [abs(number_of(picture) - number) for picture, number in zip(got.pixels, wanted, strict=True)]
    assert max(off) <= 3


def test_frames_of_a_raw_stream_without_timestamps_are_counted(tmp_path: Path) -> None:
    path = make(tmp_path / "film.h264", Film(frames=50, rate=25, options=B_FRAMES))
    got = planned(path, CONFIG)
    assert [number_of(picture) for picture in got.pixels] == [(2 * i + 1) * 50 // 32 for i in range(16)]


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_a_short_video_gives_each_of_its_frames_once(tmp_path: Path, frames: int) -> None:
    sample = decode(make(tmp_path / "film.mp4", Film(frames=frames)), CONFIG)
    assert sample.frames is not None
    assert [number_of(picture) for picture in sample.frames.pixels] == list(range(frames))


def test_a_seek_that_lands_too_late_falls_back_to_decoding_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "film.mp4", Film(frames=120, options={"g": "10", "bf": "0"}))
    honest = frames_module._Reader.seek
    seeks = []

    def late(reader: frames_module._Reader, keyframe: int) -> None:
        seeks.append(keyframe)
        honest(reader, min(keyframe + 2, len(reader.track.keyframes) - 1))

    monkeypatch.setattr(frames_module._Reader, "seek", late)
    got = planned(path, CONFIG)
    assert seeks
    np.testing.assert_array_equal(got.pixels, np.stack(brute_force(path, 16)[1]))


def test_an_hour_is_sampled_without_decoding_it(tmp_path: Path) -> None:
    film = Film(frames=3700, rate=1, options={"g": "10", "preset": "ultrafast"})
    path = make(tmp_path / "film.mp4", film)
    decoded = []

    class Counting(Deadline):
        def check(self) -> None:
            decoded.append(1)

    track = timeline_of(path).picture
    assert track is not None
    frames = decode_frames(path, 0, track, CONFIG, Counting(60)).frames
    assert frames is not None
    wanted = [(2 * i + 1) * 3700 // 32 for i in range(16)]
    assert [number_of(picture) for picture in frames.pixels] == wanted
    np.testing.assert_array_equal(frames.times_s, wanted)
    assert len(decoded) < 16 * 25  # packets: a group of ten and the decoder's delay for each frame


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_rotated_video_is_turned_upright(tmp_path: Path, angle: int) -> None:
    film = Film(frames=3, paint=quadrants, rotation=angle, options={"qp": "10"})
    sample = decode(make(tmp_path / "film.mp4", film), CONFIG)
    assert sample.frames is not None
    # ffmpeg's matrix turns counterclockwise by the angle, which is how np.rot90 turns.
    want = np.rot90(quadrants(0), angle // 90)
    assert sample.frames.pixels.shape[1:] == want.shape
    assert np.abs(sample.frames.pixels[0].astype(int) - want).mean() < 12


def test_a_phone_video_and_its_upright_twin_agree(shared_data: Path) -> None:
    turned = decode(shared_data / "clips_edge" / "edge_9e50adb7ad.mov", CONFIG)
    with av.open(str(shared_data / "clips_edge" / "edge_9e50adb7ad.mov")) as container:
        stored = next(container.decode(video=0)).reformat(512, 288, "rgb24").to_ndarray()
    assert turned.frames is not None
    # Seen by eye: the keys read upright after a quarter turn clockwise.
    want = np.rot90(stored, -1)
    assert turned.frames.pixels.shape[1:] == want.shape
    assert np.abs(turned.frames.pixels[0].astype(int) - want).mean() < 2


@pytest.mark.parametrize(("aspect", "shape"), [("2/1", (24, 96)), ("1/2", (48, 48)), ("1/1", (48, 96))])
def test_the_sample_aspect_ratio_is_undone_without_upscaling(
    tmp_path: Path, aspect: str, shape: tuple[int, int]
) -> None:
    film = Film(frames=3, paint=quadrants, sample_aspect=Fraction(aspect))
    sample = decode(make(tmp_path / "film.mp4", film), CONFIG)
    assert sample.frames is not None
    assert sample.frames.pixels.shape[1:3] == shape


@pytest.mark.parametrize(("side", "shape"), [(48, (24, 48)), (96, (48, 96)), (4000, (48, 96))])
def test_the_longest_side_is_limited_and_never_upscaled(tmp_path: Path, side: int, shape: tuple[int, int]) -> None:
    path = make(tmp_path / "film.mp4", Film(frames=3, paint=quadrants))
    sample = decode(path, CONFIG.model_copy(update={"max_side_px": side}))
    assert sample.frames is not None
    assert sample.frames.pixels.shape[1:3] == shape


@pytest.mark.parametrize(
    ("suffix", "codec", "pixels"),
    [
        ("mp4", "libx264", "yuv444p"),
        ("mp4", "libx264", "yuv422p10le"),
        ("mp4", "libx264", "yuv420p10le"),
        ("mp4", "libx264", "gray"),
        ("mp4", "libx264", "yuvj420p"),
        ("mkv", "ffv1", "gray16le"),
        ("mkv", "ffv1", "bgra"),
        ("mkv", "ffv1", "gbrp10le"),
        ("mov", "png", "rgb24"),
        ("mov", "png", "pal8"),
        ("mov", "png", "monob"),
        ("mov", "qtrle", "argb"),
        ("gif", "gif", "pal8"),
    ],
)
def test_odd_pixel_formats_become_rgb(tmp_path: Path, suffix: str, codec: str, pixels: str) -> None:
    try:
        path = make(tmp_path / f"film.{suffix}", Film(frames=4, codec=codec, pixels=pixels, options={"qp": "10"}))
    except (av.error.FFmpegError, ValueError) as error:
        pytest.skip(f"this ffmpeg cannot write it: {error}")
    sample = decode(path, CONFIG)
    assert sample.frames is not None
    assert [number_of(picture) for picture in sample.frames.pixels] == [0, 1, 2, 3]


def test_pictures_that_change_size_are_scaled_to_the_size_of_the_first(tmp_path: Path) -> None:
    parts = [
        make(tmp_path / "small.ts", Film(frames=10)),
        make(tmp_path / "large.ts", Film(frames=10, paint=lambda number: numbered(number, 128, 128))),
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    sample = decode(path, CONFIG)
    assert sample.frames is not None
    assert sample.frames.pixels.shape[1:3] == (64, 64)


def test_slides_shown_for_long_are_sampled_once_each(tmp_path: Path) -> None:
    path = make(tmp_path / "film.mp4", Film(frames=3, times=[0, 300, 600]))  # slides of half a minute
    sample = decode(path, CONFIG)
    assert sample.frames is not None
    assert list(sample.frames.times_s) == [0.0, 30.0, 60.0]


def test_a_picture_that_turns_from_landscape_to_portrait_is_cropped_and_not_squeezed(shared_data: Path) -> None:
    path = shared_data / "reports" / "turns_portrait2.ts"
    sample = decode(path, CONFIG)
    assert sample.frames is not None
    [warning] = [warning for warning in sample.warnings if "shape" in warning]
    assert re.fullmatch(r"the picture changes its shape: \d+ of 16 pictures are cropped", warning)
    with av.open(str(path)) as container:
        last = list(container.decode(video=0))[-1]
    assert last.height == 2 * last.width
    whole = last.reformat(192, 384, "rgb24", interpolation="BICUBIC").to_ndarray()
    height, width = sample.frames.pixels.shape[1:3]
    middle = whole[192 - height // 2 : 192 - height // 2 + height]
    assert width == 192
    assert np.abs(sample.frames.pixels[-1].astype(int) - middle).mean() < 12
