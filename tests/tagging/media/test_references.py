"""Pictures that refer to missing or damaged ones are left out, whatever the order in which the decoder returns them."""

import zlib
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tagging.config.media import MediaConfig
from tagging.errors import InvalidMediaError
from tagging.media.decode import decode
from tagging.media.disposable import is_disposable
from tests.support.media_files import Film, brute_force, make, number_of, numbered

CONFIG = MediaConfig(frames=16)
X264 = {"g": "20", "sc_threshold": "0"}
ONE_GROUP = {"g": "60", "sc_threshold": "0"}
TS_PACKET = 188


def numbers_of(path: Path) -> tuple[list[int], tuple[str, ...]]:
    sample = decode(path, CONFIG)
    assert sample.frames is not None
    return [number_of(picture) for picture in sample.frames.pixels], sample.warnings


def packets_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def overwritten(path: Path, number: int) -> Path:
    """Fill a packet with zeros, as a lost block of a disk; the container stays as it is."""
    payload = packets_of(path)[number]
    data = path.read_bytes()
    assert data.count(payload) == 1
    path.write_bytes(data.replace(payload, bytes(len(payload))))
    return path


def without(path: Path, number: int) -> Path:
    """Copy a film without one packet of its pictures."""
    copy = path.with_stem("copy")
    with av.open(str(path)) as source, av.open(str(copy), "w") as out:
        stream = source.streams.video[0]
        target = out.add_stream_from_template(stream)
        for index, packet in enumerate(packet for packet in source.demux(stream) if packet.size):
            packet.stream = target
            if index != number:
                out.mux(packet)
    return copy


@pytest.mark.parametrize(
    ("suffix", "codec"), [("mkv", "libx264"), ("mkv", "mpeg4"), ("mkv", "mpeg2video"), ("asf", "wmv2")]
)
def test_pictures_without_any_keyframe_are_not_used(tmp_path: Path, suffix: str, codec: str) -> None:
    film = make(tmp_path / f"film.{suffix}", Film(frames=30, rate=25, codec=codec, options={**ONE_GROUP, "bf": "0"}))
    with pytest.raises(InvalidMediaError, match="neither picture nor sound"):
        decode(without(film, 0), CONFIG)


def test_pictures_before_the_first_keyframe_are_not_used_even_if_they_are_most(tmp_path: Path) -> None:
    film = make(tmp_path / "film.mkv", Film(frames=60, rate=25, codec="mpeg4", options={"g": "40", "bf": "0"}))
    numbers, warnings = numbers_of(without(film, 0))
    assert len(numbers) == 5  # a third of 16
    assert min(numbers) >= 40
    assert any("damaged picture" in warning for warning in warnings)


@pytest.mark.parametrize("number", range(1, 12))
def test_a_lost_packet_costs_the_pictures_from_it_to_the_next_keyframe(tmp_path: Path, number: int) -> None:
    """With B-frames a decoder returns a keyframe after packets that follow it."""
    path = make(tmp_path / "film.mp4", Film(frames=60, rate=25, options={**X264, "bf": "2", "b-pyramid": "none"}))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rows = [packet for packet in container.demux(stream) if packet.size]
        lost = rows[number]
        is_needed = not is_disposable(bytes(lost), stream.codec_context.extradata)
        gap = min(row.duration or 0 for row in rows)
        assert lost.pts is not None
        shown = [(row.pts or 0) // gap - (rows[0].pts or 0) // gap for row in rows]
    intact = set(range(60)) - {n for n in shown[number:] if n < 20}
    sample = decode(overwritten(path, number), CONFIG)
    assert sample.frames is not None
    numbers = [number_of(picture) for picture in sample.frames.pixels]
    assert numbers == np.round(sample.frames.times_s * 25).astype(int).tolist()  # none is a copy of an earlier one
    if is_needed:
        assert set(numbers) <= intact
        assert any("damaged picture" in warning for warning in sample.warnings)
    assert {n for n in numbers if n >= 20} == {(2 * i + 1) * 60 // 32 for i in range(16)} - set(range(20))
    assert shown[number] not in numbers


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mpeg2video"])
def test_pictures_shown_before_a_damaged_one_that_they_refer_to_are_not_used(tmp_path: Path, codec: str) -> None:
    """B-frames appear before the P-frame that comes before them in the file."""
    options = {**X264, "bf": "2", **({"b-pyramid": "none", "b-adapt": "0"} if codec == "libx264" else {})}
    path = make(tmp_path / "film.mkv", Film(frames=60, rate=25, codec=codec, options=options, paint=texture))
    with av.open(str(path)) as container:
        rows = [packet for packet in container.demux(video=0) if packet.size]
        first_ms = min(packet.pts or 0 for packet in rows)
        shown = [round(((packet.pts or 0) - first_ms) / 40) for packet in rows]
    number = next(at for at in range(6, 20) if shown[at] > shown[at + 1])  # a P-frame, and B-frames shown before it
    next_key = next(time for time, packet in zip(shown[number:], rows[number:], strict=True) if packet.is_keyframe)
    payload = bytes(rows[number])
    data = path.read_bytes()
    piece = payload[len(payload) // 3 :]
    noise = np.random.default_rng(0).integers(0, 256, len(piece), np.uint8).tobytes()
    path.write_bytes(data.replace(piece, noise))
    sample = decode(path, MediaConfig(frames=60))
    assert sample.frames is not None
    used = set(np.round(sample.frames.times_s * 25).astype(int).tolist())
    assert used == set(range(60)) - {time for time in shown[number:] if time < next_key}
    assert any("damaged picture" in warning for warning in sample.warnings)


def texture(number: int) -> NDArray[np.uint8]:
    """Return a picture of much detail that moves by a pixel."""
    still = np.random.default_rng(0).integers(60, 160, (128, 128, 3), np.uint8)
    return np.roll(still, number, axis=1)


def test_a_keyframe_that_the_decoder_refuses_and_returns_is_damaged(tmp_path: Path) -> None:
    """The decoder of MPEG-2 returns what it has of a refused picture with the next packet."""
    path = make(tmp_path / "film.mpg", Film(frames=60, rate=25, codec="mpeg2video", options={"g": "20", "bf": "0"}))
    data = bytearray(path.read_bytes())
    key = packets_of(path)[20]
    end_of_slices = data.index(key[len(key) // 4 : len(key) // 4 + 16]) + 16
    data[end_of_slices : end_of_slices + 4] = b"\0\0\1\xa0"  # a slice below the picture
    path.write_bytes(data)
    numbers, _ = numbers_of(path)
    assert {number // 20 for number in numbers} == {0, 2}


def test_pictures_drawn_onto_a_refused_one_are_not_used(tmp_path: Path) -> None:
    """The decoder of APNG calls every picture a keyframe."""

    def square(number: int) -> np.ndarray:
        picture = np.full((64, 64, 3), 200, np.uint8)
        picture[20:30, 2 * number : 2 * number + 10] = 20
        return picture

    film = Film(frames=12, codec="apng", pixels="rgb24", paint=square, options={"pred": "none"})
    path = make(tmp_path / "film.apng", film)
    data = bytearray(path.read_bytes())
    start = data.index(b"IDAT")
    length = int.from_bytes(data[start - 4 : start])
    data[start + 4 + length // 2] ^= 0xFF
    assert zlib.crc32(data[start : start + 4 + length]).to_bytes(4) != data[start + 4 + length : start + 8 + length]
    path.write_bytes(data)
    with pytest.raises(InvalidMediaError, match="damaged"):
        decode(path, CONFIG)


@pytest.mark.parametrize(
    ("suffix", "codec", "pixels"),
    [("mov", "qtrle", "rgb24"), ("avi", "msvideo1", "rgb555"), ("mov", "svq1", "yuv410p"), ("avi", "cinepak", "rgb24")],
)
def test_codecs_whose_decoders_mark_no_keyframes_are_read(tmp_path: Path, suffix: str, codec: str, pixels: str) -> None:
    film = Film(frames=30, rate=25, codec=codec, pixels=pixels, options={"g": "10"})
    numbers, warnings = numbers_of(make(tmp_path / f"film.{suffix}", film))
    assert numbers == [(2 * i + 1) * 30 // 32 for i in range(16)]
    assert warnings == ("no sound track",)


def ts_packets(path: Path) -> list[bytes]:
    data = path.read_bytes()
    return [data[at : at + TS_PACKET] for at in range(0, len(data), TS_PACKET)]


def is_of(packet: bytes | bytearray, pid: int) -> bool:
    return int.from_bytes(packet[1:3]) & 0x1FFF == pid


def test_a_keyframe_lost_from_a_transport_stream_costs_its_group(tmp_path: Path) -> None:
    path = make(tmp_path / "film.ts", Film(frames=60, rate=25, options={**X264, "bf": "0"}))
    packets = ts_packets(path)
    starts = [at for at, packet in enumerate(packets) if is_of(packet, 0x100) and packet[1] & 0x40]
    lost = [packet for at, packet in enumerate(packets) if not (starts[20] <= at < starts[21] and is_of(packet, 0x100))]
    path.write_bytes(b"".join(lost))
    numbers, warnings = numbers_of(path)
    assert {number // 20 for number in numbers} == {0, 2}
    assert any("damaged picture" in warning for warning in warnings)


def test_wrong_lengths_in_a_transport_stream_are_no_damage(tmp_path: Path) -> None:
    path = make(tmp_path / "film.ts", Film(frames=60, rate=25, options={**X264, "bf": "2"}))
    packets = [bytearray(packet) for packet in ts_packets(path)]
    for packet in packets:
        start = packet.find(b"\0\0\1\xe0")  # the header of a PES packet
        if is_of(packet, 0x100) and packet[1] & 0x40 and start >= 0:
            packet[start + 4 : start + 6] = (60_000).to_bytes(2)
    path.write_bytes(b"".join(packets))
    with av.open(str(path)) as container:
        assert sum(packet.is_corrupt for packet in container.demux(video=0)) > 20
    numbers, warnings = numbers_of(path)
    assert numbers == [(2 * i + 1) * 60 // 32 for i in range(16)]
    assert warnings == ("no sound track",)


def test_transport_streams_that_were_joined_are_healthy(tmp_path: Path) -> None:
    """The counters of their packets jump, as in segments that were stored one after the other."""
    first = make(tmp_path / "first.ts", Film(frames=40, rate=25, options={**X264, "bf": "2"}))
    times = range(40, 83)
    second = make(tmp_path / "second.ts", Film(frames=43, rate=25, options={**X264, "bf": "2"}, times=times))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    assert decode(joined, CONFIG).warnings == ("no sound track",)


def test_a_damaged_keyframe_is_found_though_another_picture_has_its_time(tmp_path: Path) -> None:
    """Recordings that were joined may overlap for a moment."""
    film = Film(frames=40, rate=25, options={**X264, "bf": "2"})
    first = make(tmp_path / "first.ts", film)
    late = replace(film, times=range(38, 78), paint=lambda number: numbered(number + 100))
    second = make(tmp_path / "second.ts", late)
    key = packets_of(second)[0]
    data = bytearray(second.read_bytes())
    at = data.index(key[-60:-40])
    data[at : at + 20] = bytes(range(7, 27))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + data)
    sample = decode(joined, MediaConfig(frames=80))
    assert sample.frames is not None
    numbers = {number_of(picture) for picture in sample.frames.pixels}
    assert not set(range(100, 120)) & numbers
    assert set(range(120, 140)) <= numbers
    assert any("damaged picture" in warning for warning in sample.warnings)


@pytest.mark.parametrize("suffix", ["mp4", "ts", "mkv"])
@pytest.mark.parametrize("options", [{"bf": "2", "b-pyramid": "none"}, {"bf": "3", "b-pyramid": "normal"}, {"bf": "0"}])
def test_disposable_packets_are_those_that_the_decoder_would_skip(
    tmp_path: Path, suffix: str, options: dict[str, str]
) -> None:
    path = make(tmp_path / f"film.{suffix}", Film(frames=50, rate=25, options={**X264, **options}))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONREF"
        kept, disposable = set(), set()
        for packet in container.demux(stream):
            if packet.size and is_disposable(bytes(packet), stream.codec_context.extradata):
                disposable.add(packet.pts)
            kept |= {frame.pts for frame in packet.decode()}
    assert len(kept) + len(disposable) == 50
    assert not kept & disposable
    assert bool(disposable) == (options["bf"] != "0")


@pytest.mark.parametrize("packet", [b"", b"\0\0", bytes(40), b"\0\0\1", b"\0\0\0\xffab", b"\xff" * 9])
@pytest.mark.parametrize("extradata", [None, b"", b"\1abc\xff", b"\1"])
def test_a_packet_that_cannot_be_read_is_not_disposable(packet: bytes, extradata: bytes | None) -> None:
    assert not is_disposable(packet, extradata)


def test_av1_gives_every_planned_picture(tmp_path: Path) -> None:
    """Its decoder takes skip_frame when it is opened, for the whole file."""
    path = make(tmp_path / "film.mkv", Film(frames=90, rate=25, codec="libsvtav1", options={"preset": "12"}))
    sample = decode(path, CONFIG)
    assert sample.frames is not None
    times, _ = brute_force(path, CONFIG.frames)
    np.testing.assert_allclose(sample.frames.times_s, [float(time) for time in times], atol=2e-3)
