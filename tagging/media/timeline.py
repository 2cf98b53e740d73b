"""Timeline of a file's tracks, from one pass over its packets without decoding.

Headers are wrong for truncated files, and some state no duration; packets are reliable.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from tagging.media.container import RESUMING_FORMATS, UNTIMED_FORMATS
from tagging.media.holes import picture_holes
from tagging.media.limits import Deadline


@dataclass(frozen=True, slots=True, eq=False)
class PictureTrack:
    """The n frames of a video track in order of time, by their positions 0 .. n-1."""

    ticks: NDArray[np.int64]  # (n,) from the first frame, non-decreasing
    duration_ticks: int  # to the end of the last frame
    tick_s: Fraction
    pts: NDArray[np.int64] | None  # (n,) ascending; None: no usable pts, frames are identified by counting
    keyframes: NDArray[np.int64]  # (m,) positions, ascending
    seek_to: NDArray[np.int64]  # (m,) timestamp for seeking to each keyframe: pts, or dts without pts
    dts: NDArray[np.int64] | None  # (n,) sorted, if frames are identified by counting; None: cannot seek

    @property
    def duration_s(self) -> float:
        return float(self.duration_ticks * self.tick_s)

    def times_s(self, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Convert positions (k,) to seconds from the first frame (k,)."""
        return self.ticks[positions].astype(np.float64) * float(self.tick_s)

    def keyframe_before(self, position: int) -> int:
        """Return the number of the last keyframe at or before a position, or -1."""
        return int(np.searchsorted(self.keyframes, position, side="right")) - 1


@dataclass(frozen=True, slots=True)
class Timeline:
    picture: PictureTrack | None  # None: no stream, or a stream without a single packet
    sound_s: float | None  # duration of the sound track; None likewise
    holes_s: tuple[tuple[float, float], ...] = ()  # stretches of lost pictures: from, to; from the first frame


def read_timeline(
    container: InputContainer, picture: VideoStream | None, sound: AudioStream | None, deadline: Deadline
) -> Timeline:
    """Raises DecodeTimeoutError; unreadable packets end the pass."""
    streams = [stream for stream in (picture, sound) if stream is not None]
    if not streams:
        return Timeline(None, None)
    frames = _PacketTable()
    sounds = _PacketTable()
    for packet in _packets(container, streams):
        deadline.check()
        (frames if packet.stream is picture else sounds).add(packet)
    track = _picture_track(frames, picture, container.format.name) if picture is not None and frames.pts else None
    return Timeline(
        picture=track,
        sound_s=_span_s(sounds, sound.time_base) if sound is not None and sounds.pts else None,
        holes_s=_holes_s(track, frames, sounds, sound, container.format.name) if track is not None else (),
    )


def plan_frames(track: PictureTrack, frames: int) -> NDArray[np.int64]:
    """Return the positions (k <= frames,), ascending, of the frames shown at (i + 0.5) / frames of the duration."""
    # Integers, as a target is often exactly at a frame.
    doubled = (2 * np.arange(frames, dtype=np.int64) + 1) * track.duration_ticks
    positions = np.searchsorted(track.ticks * (2 * frames), doubled, side="right") - 1
    return np.unique(positions.clip(0))


NONE = -(1 << 63)


class _PacketTable:
    """Columns with a row per shown packet; arrays, as hours of video have a million packets."""

    def __init__(self) -> None:
        self.pts = array("q")
        self.dts = array("q")
        self.durations = array("q")
        self.is_key = bytearray()

    def add(self, packet: "Packet[Stream]") -> None:
        if packet.is_discard:  # before the start that an edit list sets
            return
        self.pts.append(NONE if packet.pts is None else packet.pts)
        self.dts.append(NONE if packet.dts is None else packet.dts)
        self.durations.append(packet.duration or 0)
        self.is_key.append(packet.is_keyframe)


def _packets(container: InputContainer, streams: list[VideoStream | AudioStream]) -> Iterator["Packet[Stream]"]:
    try:
        for packet in container.demux(streams):
            if packet.size:  # the last ones are empty and flush the decoders
                yield packet
    except av.error.FFmpegError:
        return


def _picture_track(table: _PacketTable, stream: VideoStream, format_name: str) -> PictureTrack:
    pts, dts = np.array(table.pts), np.array(table.dts)
    durations, is_key = np.array(table.durations), np.frombuffer(bytes(table.is_key), np.bool_)
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    tick_s = stream.time_base or Fraction(1, 1000)
    timed = format_name not in UNTIMED_FORMATS and NONE not in pts and len(np.unique(pts)) == len(pts)
    counted = not timed and NONE not in dts
    if timed or counted:
        stamps = pts if timed else dts
        order = np.argsort(stamps, kind="stable")
        stamps, durations, is_key = stamps[order], durations[order], is_key[order]
        last = int(durations[-1]) or int(np.median(np.diff(stamps))) if len(stamps) > 1 else int(durations[-1])
        last = last if last > 0 else round(1 / (rate * tick_s))
    else:
        stamps, tick_s, last = np.arange(len(pts), dtype=np.int64), 1 / rate, 1
    keyframes = np.flatnonzero(is_key) if timed or counted else np.empty(0, np.int64)
    return PictureTrack(
        ticks=stamps - stamps[0],
        duration_ticks=int(stamps[-1]) - int(stamps[0]) + max(last, 1),
        tick_s=tick_s,
        pts=stamps if timed else None,
        keyframes=keyframes,
        seek_to=stamps[keyframes],
        dts=stamps if counted else None,
    )


def _holes_s(
    track: PictureTrack, frames: _PacketTable, sounds: _PacketTable, sound: AudioStream | None, format_name: str
) -> tuple[tuple[float, float], ...]:
    if track.pts is None:  # counted frames have no times
        return ()
    order = np.argsort(np.array(frames.pts), kind="stable")
    tick_s = float(track.tick_s)
    heard = np.array(sounds.pts, np.int64)
    sound_tick_s = float(sound.time_base or 0) if sound is not None else 0.0
    first_s = int(track.pts[0]) * tick_s
    found = picture_holes(
        track.pts.astype(np.float64) * tick_s,
        np.array(frames.durations, np.float64)[order] * tick_s,
        np.frombuffer(bytes(frames.is_key), np.bool_)[order] | (format_name in RESUMING_FORMATS),
        np.sort(heard[heard != NONE]).astype(np.float64) * sound_tick_s,
    )
    return tuple((start_s - first_s, end_s - first_s) for start_s, end_s in found)


def _span_s(table: _PacketTable, tick_s: Fraction | None) -> float:
    starts = np.array(table.pts)
    known = starts != NONE
    if not known.any():
        return float(sum(table.durations) * (tick_s or 0))
    starts = starts[known]
    first, last = int(starts.argmin()), int(starts.argmax())
    ticks = int(starts[last]) + int(np.array(table.durations)[known][last]) - int(starts[first])
    return float(ticks * (tick_s or 0))
