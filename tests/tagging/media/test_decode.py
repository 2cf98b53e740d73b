import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tagging.config.media import MediaConfig
from tagging.errors import (
    DecodeTimeoutError,
    InvalidMediaError,
    MediaLimitError,
    MediaTooBigError,
    MediaTooLongError,
    MediaTooManyPixelsError,
)
from tagging.media.decode import decode
from tests.support.media_files import Film, make, number_of, numbered, quadrants

CONFIG = MediaConfig(frames=8)
FILM = Film(frames=300, rate=25, tone_s=12.0, options={"g": "25"})


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("film") / "film.mp4", FILM)


def faststart(folder: Path) -> Path:
    """Return the film with its index at the front (faststart), as streaming sites write it."""
    return make(folder / "front.mp4", replace(FILM, container_options={"movflags": "faststart"}))


def cut(path: Path, share: float) -> Path:
    whole = path.read_bytes()
    result = path.with_stem(path.stem + "-cut")
    result.write_bytes(whole[: int(len(whole) * share)])
    return result


def test_a_healthy_file_gives_frames_and_sound_and_no_warning(film: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sample = decode(film, CONFIG)
    assert sample.frames is not None
    assert len(sample.frames.pixels) == 8
    assert sample.sound is not None
    assert sample.warnings == ()
    assert sample.duration_s == pytest.approx(12.0, abs=0.1)
    assert sample.content_hash == hashlib.sha256(film.read_bytes()).hexdigest()
    assert capfd.readouterr() == ("", "")


def test_a_video_without_sound_gives_a_warning(tmp_path: Path) -> None:
    sample = decode(make(tmp_path / "film.mp4", Film(frames=5)), CONFIG)
    assert sample.frames is not None
    assert sample.sound is None
    assert sample.warnings == ("no sound track",)


def test_sound_without_pictures_gives_a_warning(tmp_path: Path) -> None:
    sample = decode(make(tmp_path / "song.m4a", Film(tone_s=1.5)), CONFIG)
    assert sample.frames is None
    assert sample.sound is not None
    assert sample.warnings == ("no picture track",)


def test_the_cover_art_of_a_song_is_not_a_frame(tmp_path: Path) -> None:
    sample = decode(make(tmp_path / "song.mp4", Film(tone_s=1.5, cover=True)), CONFIG)
    assert sample.frames is None
    assert "no picture track" in sample.warnings


def test_a_truncated_file_with_its_index_at_the_front_reports_how_much_was_read(tmp_path: Path) -> None:
    sample = decode(cut(faststart(tmp_path), 0.4), CONFIG)
    assert sample.frames is not None
    assert sample.sound is not None
    found = [re.fullmatch(r"cut file: decoded ([\d.]+) s of ([\d.]+) s", warning) for warning in sample.warnings]
    (match,) = [match for match in found if match]
    assert float(match[1]) == pytest.approx(sample.duration_s, abs=0.06)
    assert 2.0 < float(match[1]) < 8.0  # 40 % of the bytes of twelve even seconds, less the index
    assert float(match[2]) == pytest.approx(12.0, abs=0.1)
    assert sample.frames.times_s.max() < float(match[1])
    assert sample.sound.duration_s <= float(match[1]) + 0.1


def test_a_truncated_matroska_file_reports_how_much_was_read(tmp_path: Path) -> None:
    sample = decode(cut(make(tmp_path / "film.mkv", FILM), 0.4), CONFIG)
    assert any(re.fullmatch(r"cut file: decoded [3-6][\d.]* s of 12 s", warning) for warning in sample.warnings)


@pytest.mark.parametrize(
    ("name", "film"),
    [
        ("song.wav", Film(tone_s=5.0, tone_codec="pcm_s16le")),
        ("film.avi", Film(frames=50, codec="mpeg4", tone_s=5.0, tone_codec="mp2")),
    ],
)
def test_a_truncated_file_that_states_its_bytes_reports_how_many_are_there(
    tmp_path: Path, name: str, film: Film
) -> None:
    """ffmpeg shortens the duration of such files to what is there."""
    path = make(tmp_path / name, film)
    assert not any("cut file" in warning for warning in decode(path, CONFIG).warnings)
    sample = decode(short := cut(path, 0.6), CONFIG)
    assert f"cut file: it has {short.stat().st_size} of {path.stat().st_size} bytes" in sample.warnings
    assert sample.duration_s < 4.0


@pytest.mark.parametrize(
    ("name", "film"),
    [
        ("film.gif", Film(frames=30, codec="gif", pixels="rgb8")),
        ("film.apng", Film(frames=30, codec="apng", pixels="rgb24")),
    ],
)
def test_a_truncated_animation_is_reported(tmp_path: Path, name: str, film: Film) -> None:
    path = make(tmp_path / name, film)
    assert decode(path, CONFIG).warnings == ("no sound track",)
    assert "cut file: its end is missing" in decode(cut(path, 0.6), CONFIG).warnings


@pytest.mark.parametrize("tag", [b"", b"ID3\x04\0\0\0\0\x02\x01" + bytes(257)], ids=["plain", "ID3"])
def test_a_truncated_song_whose_frames_are_counted_reports_how_much_was_read(tmp_path: Path, tag: bytes) -> None:
    path = make(
        tmp_path / "song.mp3", Film(tone_s=5.0, tone_codec="libmp3lame", container_options={"id3v2_version": "0"})
    )
    path.write_bytes(tag + path.read_bytes())
    assert decode(path, CONFIG).warnings == ("no picture track",)
    assert "cut file: decoded 3 s of 5 s" in decode(cut(path, 0.6), CONFIG).warnings


@pytest.mark.parametrize("size", [0, 2**32 - 1])
def test_a_recording_that_was_not_finished_is_not_called_cut(tmp_path: Path, size: int) -> None:
    path = make(tmp_path / "song.wav", Film(tone_s=2.0, tone_codec="pcm_s16le"))
    data = bytearray(path.read_bytes())
    data[4:8] = size.to_bytes(4, "little")
    path.write_bytes(data)
    assert decode(path, CONFIG).warnings == ("no picture track",)


def test_a_truncated_file_with_its_index_at_the_end_is_one_clear_error(film: Path) -> None:
    with pytest.raises(InvalidMediaError, match=r"an MP4 file whose index \(moov\) is missing or damaged"):
        decode(cut(film, 0.9), CONFIG)


def test_damage_within_the_packets_is_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    path = make(tmp_path / "film.mp4", Film(frames=8, options={"g": "1", "bf": "0"}))
    with av.open(str(path)) as container:
        places = [(packet.pos or 0, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for position, size in places[3:5]:
        data[position : position + size] = b"\xff" * size
    path.write_bytes(data)
    sample = decode(path, CONFIG)
    assert sample.frames is not None
    assert [number_of(picture) for picture in sample.frames.pixels] == [0, 1, 2, 5, 6, 7]
    assert "2 damaged picture packets skipped" in sample.warnings


def without(path: Path, start: float, size: int) -> Path:
    """Return a copy without `size` bytes, starting at a share of the file."""
    whole = path.read_bytes()
    first = int(len(whole) * start)
    result = path.with_stem(path.stem + "-without")
    result.write_bytes(whole[:first] + whole[first + size :])
    return result


def test_a_real_clip_without_bytes_in_its_middle_reports_the_missing_part(tmp_path: Path, shared_data: Path) -> None:
    whole = shared_data / "clips_edge" / "edge_1be26e500b.webm"
    (tmp_path / "film.webm").write_bytes(whole.read_bytes())
    sample = decode(without(tmp_path / "film.webm", 1 / 3, 3000), MediaConfig())
    # Seen in the packets: none between 2.43 s and 5.03 s, on either track.
    assert sample.warnings == (
        "no pictures between 2.4 s and 5 s",
        "5.2 s of 7.8 s of sound could be decoded",
    )


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
@pytest.mark.parametrize("tone_s", [12.0, 0.0], ids=["with sound", "picture only"])
def test_missing_bytes_in_the_middle_are_reported_as_a_hole(tmp_path: Path, suffix: str, tone_s: float) -> None:
    path = make(tmp_path / f"film.{suffix}", replace(FILM, tone_s=tone_s))
    sample = decode(without(path, 0.4, path.stat().st_size // 4 // 188 * 188), CONFIG)
    (hole,) = [match for w in sample.warnings if (match := re.fullmatch(r"no pictures between (.*) s and (.*) s", w))]
    start_s, end_s = float(hole[1]), float(hole[2])
    assert 3.5 < start_s < 5.5  # 0.4 of twelve even seconds
    assert 1.5 < end_s - start_s < 6.0  # a quarter of them, up to the next point where the reader resynchronises
    decoded = re.findall(r"([\d.]+) s of 12[\d.]* s of sound could be decoded", "\n".join(sample.warnings))
    assert len(decoded) == bool(tone_s)
    for decoded_s in decoded:
        assert float(decoded_s) == pytest.approx(12.0 - (end_s - start_s), abs=0.7)


def zeroed(path: Path) -> Path:
    """Overwrite the middle third with zeros."""
    whole = path.read_bytes()
    third = len(whole) // 3
    path.write_bytes(whole[:third] + bytes(third) + whole[2 * third :])
    return path


def test_a_file_with_a_zeroed_middle_reports_how_much_was_decoded(tmp_path: Path) -> None:
    sample = decode(zeroed(faststart(tmp_path)), CONFIG)
    assert sample.frames is not None
    assert sample.sound is not None
    warnings = "\n".join(sample.warnings)
    (unseen,) = re.findall(r"(\d) of 8 pictures could not be decoded", warnings)
    assert int(unseen) == 8 - len(sample.frames.pixels) > 0
    (decoded_s,) = re.findall(r"([\d.]+) s of 12 s of sound could be decoded", warnings)
    assert float(decoded_s) == pytest.approx(sample.sound.duration_s, abs=0.06)
    assert 7.0 < float(decoded_s) < 10.0  # two thirds of the bytes, less the index
    assert "cut" not in warnings


@pytest.mark.parametrize("sound_max_s", [3.0, 9.0])
def test_missing_sound_is_reported_relative_to_the_requested_length(tmp_path: Path, sound_max_s: float) -> None:
    sample = decode(zeroed(faststart(tmp_path)), CONFIG.model_copy(update={"sound_max_s": sound_max_s}))
    about_sound = [warning for warning in sample.warnings if "could be decoded" in warning or "sound cut" in warning]
    if sound_max_s == 3.0:  # reached before the damage
        assert about_sound == ["sound cut at 3 s of 12 s"]
    else:
        (warning,) = about_sound
        assert re.fullmatch(r"[78][\d.]* s of 9 s of sound could be decoded", warning)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("tone_s", [30.0, 0.0], ids=["with sound", "picture only"])
@pytest.mark.parametrize(
    "times",
    [
        [*range(60), *range(120, 180), *range(270, 300)],  # a screen recording with still periods
        [*range(0, 300, 75)],  # slides
        [0, *range(200, 300)],  # a title card
    ],
    ids=["screen", "slides", "title"],
)
def test_still_pictures_are_not_a_hole(tmp_path: Path, suffix: str, tone_s: float, times: list[int]) -> None:
    film = Film(frames=len(times), times=times, tone_s=tone_s)
    path = make(tmp_path / f"film.{suffix}", film)
    assert decode(path, CONFIG).warnings == (() if tone_s else ("no sound track",))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"these are only words, whatever the name says\n" * 50, "text"),
        ("Überschrift, kein Film ".encode() * 40, "text"),
        (bytes(5000), "only zero bytes"),
        (bytes(range(251, 1, -1)) * 20, "unknown data that starts with fb fa f9"),
        (b"\x89PNG\r\n\x1a\n" + bytes(300), "a still picture"),
        (b"\0\0\0\x20ftypisom", "an MP4 file whose index"),
        (b"x", "text"),
    ],
)
def test_a_file_without_media_is_one_error_that_names_its_kind(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(InvalidMediaError, match=found):
        decode(path, CONFIG)


def playlists(victim: Path) -> Iterator[str]:
    yield f"#EXTM3U\n#EXT-X-TARGETDURATION:12\n#EXTINF:12,\n{victim}\n#EXT-X-ENDLIST\n"
    yield f"#EXTM3U\n#EXT-X-TARGETDURATION:12\n#EXTINF:12,\nfile://{victim}\n#EXT-X-ENDLIST\n"
    yield f"ffconcat version 1.0\nfile '{victim}'\n"
    yield f'<?xml version="1.0"?><MPD><BaseURL>{victim}</BaseURL></MPD>'


@pytest.mark.parametrize("kind", range(4))
def test_a_playlist_renamed_to_mp4_opens_no_other_file(tmp_path: Path, film: Path, kind: int) -> None:
    path = tmp_path / "film.mp4"
    path.write_text(list(playlists(film))[kind])
    with pytest.raises(InvalidMediaError, match=r"found (a playlist|text)"):
        decode(path, CONFIG)


def test_a_quicktime_reference_to_another_file_is_not_followed(shared_data: Path) -> None:
    with pytest.raises(InvalidMediaError, match="the picture track is empty"):
        decode(shared_data / "clips_edge" / "edge_11d244b44a.mov", CONFIG)


LIMITS: list[tuple[dict[str, object], type[MediaLimitError], str]] = [
    ({"max_bytes": 1000}, MediaTooBigError, r"has \d+ bytes, expected at most 1000"),
    ({"max_duration_s": 10.0}, MediaTooLongError, r"lasts 12(\.\d)? s, expected at most 10 s"),
    ({"max_pixels": 4000}, MediaTooManyPixelsError, r"has 64 x 64 pixels, expected at most 4000"),
]


@pytest.mark.parametrize(("limit", "kind", "message"), LIMITS)
def test_the_error_of_a_limit_names_the_value_found_and_the_config_key(
    film: Path, limit: dict[str, object], kind: type[MediaLimitError], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        decode(film, CONFIG.model_copy(update=limit))
    assert f"media.{next(iter(limit))}" in caught.value.hint


def test_the_duration_limit_holds_where_the_header_states_none(tmp_path: Path) -> None:
    # A live recording: Matroska written to a pipe has no duration.
    path = make(tmp_path / "live.mkv", Film(frames=200, container_options={"live": "1"}))
    with pytest.raises(MediaTooLongError, match="lasts 20 s"):
        decode(path, CONFIG.model_copy(update={"max_duration_s": 19.0}))
    assert decode(path, CONFIG).duration_s == pytest.approx(20.0, abs=0.2)


def test_a_picture_that_grows_within_the_file_is_limited_too(tmp_path: Path) -> None:
    parts = [
        make(tmp_path / "small.ts", Film(frames=10)),
        make(tmp_path / "large.ts", Film(frames=10, paint=lambda number: numbered(number, 256, 256))),
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(MediaTooManyPixelsError, match="256 x 256"):
        decode(path, CONFIG.model_copy(update={"max_pixels": 64 * 64}))


def test_decoding_of_a_slow_file_ends_at_the_deadline(film: Path) -> None:
    ticks = iter(range(10_000))
    with pytest.raises(DecodeTimeoutError, match="not done within 100 s") as caught:
        decode(film, CONFIG.model_copy(update={"decode_timeout_s": 100.0}), clock=lambda: float(next(ticks)))
    assert "media.decode_timeout_s" in caught.value.hint


def test_a_name_that_looks_like_a_protocol_is_still_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "plain.mp4", Film(frames=2, paint=quadrants)).rename(tmp_path / "concat:ä %d film.mp4")
    assert decode(Path("concat:ä %d film.mp4"), CONFIG).frames is not None


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"avif"])
def test_a_picture_of_a_phone_is_refused_as_a_still_picture(tmp_path: Path, brand: bytes) -> None:
    path = make(tmp_path / "photo.mp4", Film(frames=1))
    data = bytearray(path.read_bytes())
    data[8:12] = brand  # of the ftyp box; a grid of tiles is the same to a demuxer
    path.write_bytes(data)
    with pytest.raises(InvalidMediaError, match="found a still picture"):
        decode(path, MediaConfig())


def test_an_animated_png_is_read_as_a_clip(shared_data: Path) -> None:
    sample = decode(shared_data / "reports" / "k.apng", MediaConfig())
    assert sample.frames is not None
    assert len(sample.frames.pixels) > 1


def test_an_animated_webp_is_refused_with_what_to_give_instead(tmp_path: Path) -> None:
    path = tmp_path / "animation.webp"
    path.write_bytes(b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0" + bytes(40))
    with pytest.raises(InvalidMediaError, match="an animated WebP, which is not read"):
        decode(path, MediaConfig())


def transparent(path: Path, codec: str, pixels: str) -> Path:
    """Write red pictures whose right half is transparent."""
    picture = np.zeros((64, 96, 4), np.uint8)
    picture[..., 0], picture[:, :48, 3] = 255, 255
    with av.open(str(path), "w") as out:
        video = out.add_stream(codec, rate=5)
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = 96, 64, pixels
        for number in range(5):
            frame = VideoFrame.from_ndarray(picture, "rgba")
            frame.pts = number
            out.mux(video.encode(frame.reformat(format=pixels)))
        out.mux(video.encode())
    return path


@pytest.mark.parametrize(
    ("name", "codec", "pixels"), [("a.mov", "png", "rgba"), ("a.mkv", "ffv1", "bgra"), ("a.mkv", "ffv1", "yuva444p")]
)
def test_what_is_transparent_is_shown_on_white(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    frames = decode(transparent(tmp_path / name, codec, pixels), CONFIG).frames
    assert frames is not None
    np.testing.assert_allclose(frames.pixels[:, 32, 24], [[255, 0, 0]] * len(frames.pixels), atol=3)
    np.testing.assert_allclose(frames.pixels[:, 32, 72], [[255, 255, 255]] * len(frames.pixels), atol=3)


def test_transparency_that_is_not_read_gives_a_warning(tmp_path: Path) -> None:
    sample = decode(transparent(tmp_path / "sticker.webm", "libvpx-vp9", "yuva420p"), CONFIG)
    assert "the picture is transparent in places, which is not read" in sample.warnings
