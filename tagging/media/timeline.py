"""Timeline of a file's tracks: the times of their pictures and sound, from packets, without jumps of the clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from tagging.media.container import RESUMING_FORMATS, UNTIMED_FORMATS
from tagging.media.holes import picture_holes
from tagging.media.jumps import JUMP_S, mend_end, mend_times
from tagging.media.packets import NONE, PacketTable
from tagging.media.tracks import Tracks

LOSSES_SHARE = 0.25  # of the packets; muxers that state wrong lengths have more of them marked


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
    is_field_coded: bool = False  # two packets make a frame; only the first of them is in the track
    strays: frozenset[int] = frozenset()  # pts of pictures with stray times, which are not in the track
    marks_losses: bool = False  # the packets near lost ones are marked

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
    """The times of a file's picture and sound."""

    picture: PictureTrack | None  # None: no stream, or a stream without a single packet
    sound_s: float | None  # duration of the sound track; None likewise
    holes_s: tuple[tuple[float, float], ...] = ()  # stretches of lost pictures: from, to; from the first frame
    strays: int = 0  # pictures and sound packets left out for their times
    jumps_s: float = 0.0  # length of the jumps of the clock that were removed


def build_timeline(
    container: InputContainer, tracks: Tracks, tables: Mapping[int, PacketTable], frame_ticks: int | None
) -> Timeline:
    """Return the timeline of the chosen tracks.

    frame_ticks: ticks from one frame to the next if the packets of the picture are fields, as
        fields.frame_ticks found; None if each packet is a frame
    """
    heard = None
    if tracks.sound is not None and len(tables[tracks.sound]):
        heard = _SoundPackets.of(tables[tracks.sound])
    seen = None
    track = None
    if tracks.picture is not None and len(tables[tracks.picture]):
        stream = container.streams[tracks.picture]
        assert isinstance(stream, VideoStream)
        is_timed = container.format.name not in UNTIMED_FORMATS
        seen = _PicturePackets.of(tables[tracks.picture], is_timed, frame_ticks, heard.starts_s if heard else None)
        table = tables[tracks.picture]
        track = _picture_track(seen, stream, marks_losses=0 < table.incomplete <= LOSSES_SHARE * len(table))
    may_resume_anywhere = container.format.name in RESUMING_FORMATS
    return Timeline(
        picture=track,
        sound_s=heard.duration_s if heard else None,
        holes_s=_holes_s(seen, track, heard, may_resume_anywhere) if seen and track else (),
        strays=(heard.strays if heard else 0) + (len(seen.strays) if seen else 0),
        jumps_s=max(heard.jumps_s if heard else 0.0, seen.jumps_s if seen else 0.0),
    )


def plan_frames(track: PictureTrack, frames: int) -> NDArray[np.int64]:
    """Return the positions (k <= frames,), ascending, of the frames shown at (i + 0.5) / frames of the duration."""
    # Integers, as a target is often exactly at a frame.
    doubled = (2 * np.arange(frames, dtype=np.int64) + 1) * track.duration_ticks
    positions = np.searchsorted(track.ticks * (2 * frames), doubled, side="right") - 1
    return np.unique(positions.clip(0))


@dataclass(frozen=True, slots=True, eq=False)
class _PicturePackets:
    """The n packets of a picture track that begin a frame, in order of time; in decoding order if not timed."""

    stamps: NDArray[np.int64] | None  # (n,) pts if is_timed, else dts; None: neither is known
    is_timed: bool
    shift: NDArray[np.int64]  # (n,) ticks to subtract for jumps of the clock
    durations: NDArray[np.int64]  # (n,)
    is_key: NDArray[np.bool_]  # (n,)
    is_field_coded: bool
    strays: frozenset[int]  # pts
    jumps_s: float

    @classmethod
    def of(
        cls, table: PacketTable, may_be_timed: bool, frame_ticks: int | None, heard: NDArray[np.float64] | None
    ) -> "_PicturePackets":
        pts, dts, durations, is_key = table.pts, table.dts, table.durations, table.is_key
        if frame_ticks is not None:
            rows = _first_fields(pts, frame_ticks)
            pts, dts, durations, is_key = pts[rows], dts[rows], durations[rows], is_key[rows]
        if not table.begins_hidden:
            rows = _decodable(pts, is_key)
            pts, dts, durations, is_key = pts[rows], dts[rows], durations[rows], is_key[rows]
        is_timed = may_be_timed and NONE not in pts and len(np.unique(pts)) == len(pts)
        stamps = pts if is_timed else dts if NONE not in dts else None
        shift = np.zeros(len(pts), np.int64)
        strays: frozenset[int] = frozenset()
        jumps_s = 0.0
        if stamps is not None:
            order = np.argsort(stamps, kind="stable")
            stamps, durations, is_key = stamps[order], durations[order], is_key[order]
            tick_s = float(table.tick_s)
            # Frames that are identified by counting cannot be left out.
            mended = mend_times(stamps.astype(np.float64) * tick_s, heard, may_drop=is_timed)
            strays, jumps_s = frozenset(stamps[~mended.kept].tolist()), mended.jumps_s
            shift = np.round(mended.shift_s[mended.kept] / tick_s).astype(np.int64)
            stamps, durations, is_key = stamps[mended.kept], durations[mended.kept], is_key[mended.kept]
            if mended.strays or mended.jumps_s:  # MP4 states the time to the next packet as a packet's duration
                usual = int(np.median(np.diff(stamps))) if len(stamps) > 1 else 0
                durations = np.where(durations * tick_s < JUMP_S, durations, usual)
            last_s = float(durations[-1]) * tick_s
            usual_s = mend_end(
                (stamps - shift).astype(np.float64) * tick_s, last_s, _earlier(heard, shift[-1] * tick_s)
            )
            if usual_s is not None:
                jumps_s += last_s - usual_s
                durations[-1] = round(usual_s / tick_s)
        return cls(stamps, is_timed, shift, durations, is_key, frame_ticks is not None, strays, jumps_s)

    @property
    def ticks(self) -> NDArray[np.int64]:
        """(n,) mended times."""
        assert self.stamps is not None
        return self.stamps - self.shift


def _earlier(heard: NDArray[np.float64] | None, shift_s: float) -> NDArray[np.float64] | None:
    return None if heard is None else heard - shift_s


def _first_fields(pts: NDArray[np.int64], frame_ticks: int) -> NDArray[np.int64]:
    """Return the rows of packets that begin a frame: the second field follows within a frame's time, or has no time."""
    order = np.argsort(pts, kind="stable")
    rows: list[int] = []
    last: int | None = None
    for row in order.tolist():
        stamp = int(pts[row])
        if stamp == NONE or (last is not None and 4 * (stamp - last) < 3 * frame_ticks):
            continue
        rows.append(row)
        last = stamp
    return np.sort(np.array(rows, np.int64))


def _decodable(pts: NDArray[np.int64], is_key: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the rows from the first keyframe on, in decoding order, without those that are shown before it.

    A recording may begin in the middle of a group; its first pictures refer to some that are not there. Some formats
    mark no or few keyframes, so all rows are returned if most would be left out.
    """
    rows = np.arange(len(pts))
    keys = np.flatnonzero(is_key)
    if not len(keys):
        return rows
    kept = rows[keys[0] :]
    kept = kept[(pts[kept] == NONE) | (pts[kept] >= pts[keys[0]])]
    return kept if 2 * len(kept) >= len(rows) else rows


def _picture_track(packets: _PicturePackets, stream: VideoStream, *, marks_losses: bool) -> PictureTrack:
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    tick_s = stream.time_base or Fraction(1, 1000)
    if packets.stamps is None:
        count = len(packets.durations)
        nothing = np.empty(0, np.int64)
        return PictureTrack(np.arange(count), count, 1 / rate, None, nothing, nothing, None)
    ticks, stamps = packets.ticks, packets.stamps
    last = int(packets.durations[-1])
    if last <= 0 and len(ticks) > 1:
        last = int(np.median(np.diff(ticks)))
    if last <= 0:
        last = round(1 / (rate * tick_s))
    keyframes = np.flatnonzero(packets.is_key)
    return PictureTrack(
        ticks=ticks - ticks[0],
        duration_ticks=int(ticks[-1]) - int(ticks[0]) + max(last, 1),
        tick_s=tick_s,
        pts=stamps if packets.is_timed else None,
        keyframes=keyframes,
        seek_to=stamps[keyframes],
        dts=None if packets.is_timed else stamps,
        is_field_coded=packets.is_field_coded,
        strays=packets.strays,
        marks_losses=marks_losses,
    )


def _holes_s(
    packets: _PicturePackets, track: PictureTrack, heard: "_SoundPackets | None", may_resume_anywhere: bool
) -> tuple[tuple[float, float], ...]:
    """Return the holes in the pictures; with a jump of the clock, or without times, there is nothing to judge by."""
    if track.pts is None or packets.shift.any():
        return ()
    tick_s = float(track.tick_s)
    first_s = int(track.pts[0]) * tick_s
    found = picture_holes(
        track.pts.astype(np.float64) * tick_s,
        packets.durations.astype(np.float64) * tick_s,
        packets.is_key | may_resume_anywhere,
        heard.starts_s if heard else np.empty(0),
    )
    return tuple((start_s - first_s, end_s - first_s) for start_s, end_s in found)


@dataclass(frozen=True, slots=True, eq=False)
class _SoundPackets:
    """The packets of a sound track in order of time, without strays."""

    starts_s: NDArray[np.float64]  # (n,) on the file's clock; empty if no time is known
    duration_s: float
    strays: int
    jumps_s: float

    @classmethod
    def of(cls, table: PacketTable) -> "_SoundPackets":
        pts, tick_s = table.pts, float(table.tick_s)
        known = pts != NONE
        if not known.any():
            return cls(np.empty(0), float(table.durations.sum() * table.tick_s), 0, 0.0)
        order = np.argsort(pts[known], kind="stable")
        starts_s, lengths_s = pts[known][order] * tick_s, table.durations[known][order] * tick_s
        mended = mend_times(np.asarray(starts_s, np.float64))
        starts_s, lengths_s = starts_s[mended.kept], lengths_s[mended.kept]
        mended_s = starts_s - mended.shift_s[mended.kept]
        last_s = float(lengths_s[-1])
        usual_s = mend_end(mended_s, last_s)
        jumps_s = mended.jumps_s + (0.0 if usual_s is None else last_s - usual_s)
        duration_s = float(mended_s[-1] - mended_s[0]) + (last_s if usual_s is None else usual_s)
        return cls(starts_s, duration_s, mended.strays, jumps_s)
