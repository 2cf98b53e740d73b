"""Decoding of planned frames of a video track: upright, in their true aspect ratio and colours, in one size.

Between two planned frames the decoder reads forward, or seeks if there is a keyframe in between.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from tagging.config.media import MediaConfig
from tagging.media.container import demux, open_container, use_threads
from tagging.media.damage import HELD, DamageTracker, SentPacket
from tagging.media.disposable import is_disposable
from tagging.media.limits import Deadline, check_pixels
from tagging.media.shape import Shape
from tagging.media.timeline import PictureTrack, plan_frames
from tagging.types import Frames

# If frames are identified by counting, a seek may miscount by the B-frames around it: only for long distances.
COUNTED_WORTH_SEEKING = 250  # frames
# "aggressive" calls pictures of healthy files damaged; without "bitstream" MPEG-4 pictures are never marked.
DETECT_DAMAGE = {"err_detect": "crccheck+bitstream+buffer"}
# Decoders that obey a change of skip_frame between packets, and report damage all the same.
SKIPPING_CODECS = frozenset({"hevc", "mpeg1video", "mpeg2video", "mpeg4"})
PALETTE = "pal8"  # a palette comes with the first packet, or with changes: after a seek it would be missing


class SeekMissedError(Exception):
    """A seek landed after its target frame; never leaves this module."""


@dataclass(frozen=True, slots=True, eq=False)
class DecodedFrames:
    """The planned frames that could be decoded, and what was damaged on the way to them."""

    frames: Frames | None  # None if no frame could be decoded
    damaged_packets: int  # that the decoder refused
    damaged_frames: int  # that it decoded to something, which was left out
    cropped: int  # that have another shape than the first


def decode_frames(
    path: Path, stream_index: int, track: PictureTrack, config: MediaConfig, deadline: Deadline
) -> DecodedFrames:
    """Decode the frames that `plan_frames` chooses.

    A frame that cannot be decoded is replaced by the one before it. After damage every frame is left out until a
    keyframe, because a decoder fills what it lacks with grey or with parts of other frames.
    Raises MediaTooManyPixelsError and DecodeTimeoutError.
    """
    plan = plan_frames(track, config.frames)
    for may_seek in (True, False):
        with open_container(path) as container:
            stream = container.streams[stream_index]
            assert isinstance(stream, VideoStream)
            check_pixels(stream.codec_context.width, stream.codec_context.height, config)
            use_threads(stream, config.workers)
            stream.codec_context.options = DETECT_DAMAGE
            reader = _Reader(container, stream, track, config, deadline)
            reader.skip_all_but(plan)
            try:
                positions, pictures = _pick(reader, plan, may_seek and stream.codec_context.pix_fmt != PALETTE)
            except SeekMissedError:
                continue
        frames = Frames(np.stack(pictures), track.times_s(np.array(positions))) if pictures else None
        return DecodedFrames(frames, reader.damaged_packets, reader.damaged_frames, reader.cropped)
    raise AssertionError("decoding without seeking cannot miss a seek")


class _Reader:
    """Decodes forward from the current position; each frame comes with its position in the track."""

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        track: PictureTrack,
        config: MediaConfig,
        deadline: Deadline,
    ) -> None:
        self.track = track
        self.damaged_packets = 0
        self.damaged_frames = 0
        self.cropped = 0
        self._container = container
        self._stream = stream
        self._config = config
        self._deadline = deadline
        self._wanted: frozenset[int] | None = None  # pts; None: every packet is decoded
        self._shape: Shape | None = None
        self._position = -1
        self._count_from_packet = False
        self._has_sought = False
        self._tracker = self._new_tracker()
        self._ahead = self._decode()

    def skip_all_but(self, plan: NDArray[np.int64]) -> None:
        """Let the decoder skip frames that are neither planned (k,) nor referred to by another frame.

        Not of field-coded video: half of a planned frame would be skipped.
        """
        if self.track.pts is not None and not self.track.is_field_coded:
            self._wanted = frozenset(self.track.pts[plan].tolist())

    def next(self) -> tuple[int, VideoFrame] | None:
        return next(self._ahead, None)

    def seek(self, keyframe: int) -> None:
        """Seek to a keyframe by its number, or to an earlier one. Raises SeekMissedError."""
        try:
            self._container.seek(int(self.track.seek_to[keyframe]), stream=self._stream)
        except av.error.FFmpegError as error:
            raise SeekMissedError from error
        self._count_from_packet = self.track.pts is None
        self._has_sought = True
        self._tracker = self._new_tracker()
        self._ahead = self._decode()

    def picture(self, frame: VideoFrame) -> NDArray[np.uint8] | None:
        """Convert a frame to (H, W, 3) RGB in the size of the first; None for an unsupported pixel format."""
        if self._shape is None:
            aspect = self._stream.sample_aspect_ratio or self._stream.codec_context.sample_aspect_ratio
            self._shape = Shape(frame, aspect, self._config.max_side_px)
        self.cropped += not self._shape.fits(frame)
        try:
            return self._shape.convert(frame)
        except (av.error.FFmpegError, ValueError):
            self.damaged_packets += 1
            return None

    def _new_tracker(self) -> DamageTracker:
        return DamageTracker(
            is_field_coded=self.track.is_field_coded,
            has_keyframes=len(self.track.keyframes) > 0,
            marks_losses=self.track.marks_losses,
        )

    def _decode(self) -> Iterator[tuple[int, VideoFrame]]:
        held: deque[tuple[VideoFrame, SentPacket]] = deque()
        for frame in self._frames():
            held.append((frame, self._tracker.receive(frame)))
            while held and (len(held) > HELD or self._tracker.is_settled(held[0][1])):
                yield from self._judged(*held.popleft())
        for frame, packet in held:
            yield from self._judged(frame, packet)

    def _frames(self) -> Iterator[VideoFrame]:
        for packet in demux(self._container, self._stream):
            self._deadline.check()
            if self._count_from_packet and packet.dts is not None and self.track.dts is not None:
                self._position = int(np.searchsorted(self.track.dts, packet.dts)) - 1
                self._count_from_packet = False
            if packet.size:
                disposable = self._is_disposable(packet)
                if self._may_skip(packet) and disposable:
                    continue
                self._tracker.send(packet, is_disposable=disposable)
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.damaged_packets += 1
                self._tracker.refuse()
                continue
            for frame in frames:
                check_pixels(frame.width, frame.height, self._config)
                yield frame

    def _judged(self, frame: VideoFrame, packet: SentPacket) -> Iterator[tuple[int, VideoFrame]]:
        """Yield the frame with its position if it is intact and has a place in the track."""
        is_intact = self._tracker.is_intact(frame, packet)
        if frame.pts in self.track.strays:
            return
        self._position = self._position_of(frame)
        if is_intact:
            yield self._position, frame
        else:
            self.damaged_frames += self._is_expected(frame)

    def _is_disposable(self, packet: "Packet[VideoStream]") -> bool | None:
        """Return whether no other packet refers to this one; None if it is unknown."""
        codec = self._stream.codec_context
        return is_disposable(bytes(packet), codec.extradata) if codec.name == "h264" else None

    def _may_skip(self, packet: "Packet[VideoStream]") -> bool:
        """Return False for the packet of a planned frame; some decoders skip others themselves.

        Skipping the frames that no other frame refers to takes a third less time with B-frames.
        """
        if self._wanted is None:
            return False
        is_wanted = packet.pts in self._wanted
        codec = self._stream.codec_context
        if codec.name in SKIPPING_CODECS:
            codec.skip_frame = "DEFAULT" if is_wanted else "NONREF"
        return not is_wanted

    def _is_expected(self, frame: VideoFrame) -> bool:
        """Return False for a frame before the first keyframe, of the track or after a seek."""
        if self._has_sought and not self._tracker.has_started:
            return False
        return self.track.pts is None or frame.pts is None or frame.pts >= int(self.track.pts[0])

    def _position_of(self, frame: VideoFrame) -> int:
        if self.track.pts is None or frame.pts is None:
            return self._position + 1
        return max(0, int(np.searchsorted(self.track.pts, frame.pts, side="right")) - 1)


def _pick(reader: _Reader, plan: NDArray[np.int64], may_seek: bool) -> tuple[list[int], list[NDArray[np.uint8]]]:
    """Return the last frame at or before each planned position, without repeats."""
    positions: list[int] = []
    pictures: list[NDArray[np.uint8]] = []
    held: tuple[int, VideoFrame] | None = None  # at or before the target
    beyond: tuple[int, VideoFrame] | None = None  # already decoded, after the target
    for target in plan.tolist():
        if beyond is not None and beyond[0] <= target:
            held, beyond = beyond, None
        position = beyond[0] if beyond is not None else held[0] if held is not None else 0
        keyframe = reader.track.keyframe_before(target)
        if may_seek and _worth_seeking(reader.track, keyframe, position):
            reader.seek(keyframe)
            held = beyond = None
        while beyond is None and (held is None or held[0] < target):
            frame = reader.next()
            if frame is None:
                break
            if frame[0] <= target:
                held = frame
            else:
                beyond = frame
        if held is None and may_seek and target > 0:
            raise SeekMissedError
        _keep(reader, held, positions, pictures)
    if not positions:
        _keep(reader, beyond, positions, pictures)
    return positions, pictures


def _keep(
    reader: _Reader, frame: tuple[int, VideoFrame] | None, positions: list[int], pictures: list[NDArray[np.uint8]]
) -> None:
    if frame is None or (positions and frame[0] <= positions[-1]):
        return
    picture = reader.picture(frame[1])
    if picture is not None:
        positions.append(min(frame[0], len(reader.track.ticks) - 1))
        pictures.append(picture)


def _worth_seeking(track: PictureTrack, keyframe: int, position: int) -> bool:
    if keyframe < 0:
        return False
    skipped = int(track.keyframes[keyframe]) - position
    return skipped > (0 if track.pts is not None else COUNTED_WORTH_SEEKING)
