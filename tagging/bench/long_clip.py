"""Clips of any duration: some seconds are encoded once, and their packets are repeated with later times."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.stream import VideoStream

from tagging.types import SAMPLE_RATE_HZ

SECONDS = 10  # that are encoded
FPS = 24
KEYFRAME_EVERY_S = 2
WIDTH, HEIGHT = 320, 180
SOUND_FRAME = 1_024  # samples in a packet of AAC


def write_clip(path: Path, duration_s: int, rng: np.random.Generator) -> None:
    """Write an MP4 of a moving pattern and noise: H.264 with keyframes every two seconds, and AAC.

    duration_s: a multiple of SECONDS, which is the length of the pattern
    """
    with av.open(str(path), "w") as container:
        video = container.add_stream(
            "libx264", rate=FPS, options={"preset": "ultrafast", "g": str(KEYFRAME_EVERY_S * FPS)}
        )
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.max_b_frames = 0  # so that the first packet of a repetition does not need the last
        audio = container.add_stream("aac", rate=SAMPLE_RATE_HZ)
        audio.layout = "mono"
        pictures, sounds = _pictures(video, rng), _sounds(audio, rng)
        for repetition in range(duration_s // SECONDS):
            for packets in (pictures, sounds):
                for packet in packets:
                    container.mux(_later(packet, repetition * SECONDS))


def _pictures(stream: VideoStream, rng: np.random.Generator) -> "list[Packet[Any]]":
    noise = rng.integers(0, 64, (HEIGHT, WIDTH, 3), np.uint8)
    packets: list[Packet[Any]] = []
    for number in range(SECONDS * FPS):
        picture = noise.copy()
        left = number * (WIDTH - 40) // (SECONDS * FPS)
        picture[60:120, left : left + 40] = (220, 180, 90)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = number
        packets += stream.encode(frame)
    return packets + list(stream.encode(None))


def _sounds(stream: AudioStream, rng: np.random.Generator) -> "list[Packet[Any]]":
    packets: list[Packet[Any]] = []
    count = SECONDS * SAMPLE_RATE_HZ // SOUND_FRAME * SOUND_FRAME
    samples = rng.normal(0, 0.1, (1, count)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE_HZ, 0, Fraction(1, SAMPLE_RATE_HZ)
    packets += stream.encode(frame)
    return packets + list(stream.encode(None))


def _later(packet: "Packet[Any]", delay_s: int) -> "Packet[Any]":
    copy = Packet(bytes(packet))
    copy.stream, copy.time_base, copy.is_keyframe = packet.stream, packet.time_base, packet.is_keyframe
    assert packet.pts is not None
    assert packet.dts is not None
    ticks = round(delay_s / packet.time_base)
    copy.pts, copy.dts, copy.duration = packet.pts + ticks, packet.dts + ticks, packet.duration
    return copy
