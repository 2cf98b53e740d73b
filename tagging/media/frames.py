"""Decoding of planned frames of a video track: upright, in their true aspect ratio, in one size.

Between two planned frames the decoder reads forward, or seeks if there is a keyframe in between.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray

from tagging.config.media import MediaConfig
from tagging.media.container import open_container, picture_stream, use_threads
from tagging.media.limits import Deadline, check_pixels
from tagging.media.timeline import PictureTrack
from tagging.types import Frames

# If frames are identified by counting, a seek may miscount by the B-frames around it: only for long distances.
COUNTED_WORTH_SEEKING = 250  # frames
SANE_SAMPLE_ASPECT = Fraction(16)  # a wider or narrower sample is a damaged header


class SeekMissedError(Exception):
    """A seek landed after its target frame; never leaves this module."""


def decode_frames(
    path: Path, track: PictureTrack, plan: NDArray[np.int64], config: MediaConfig, deadline: Deadline
) -> tuple[Frames | None, int]:
    """Decode the frames at the planned positions (k,), and count the damaged packets skipped on the way.

    A frame that cannot be decoded is replaced by the one before it; None if no frame can be decoded.
    Raises MediaTooManyPixelsError and DecodeTimeoutError.
    """
    for may_seek in (True, False):
        with open_container(path) as container:
            stream = picture_stream(container)
            if stream is None:
                return None, 0
            check_pixels(stream.codec_context.width, stream.codec_context.height, config)
            use_threads(stream, config.workers)
            reader = _Reader(container, stream, track, config, deadline)
            reader.skip_all_but(plan)
            try:
                positions, pictures = _pick(reader, plan, may_seek)
            except SeekMissedError:
                continue
        if not pictures:
            return None, reader.damaged
        return Frames(np.stack(pictures), track.times_s(np.array(positions))), reader.damaged
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
        self.damaged = 0
        self._container = container
        self._stream = stream
        self._config = config
        self._deadline = deadline
        self._wanted: frozenset[int] | None = None
        self._shape: _Shape | None = None
        self._place = -1
        self._count_from_packet = False
        self._ahead = self._decode()

    def skip_all_but(self, plan: NDArray[np.int64]) -> None:
        """Let the decoder skip frames that are neither planned (k,) nor referred to by another frame."""
        if self.track.pts is not None:
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
        self._ahead = self._decode()

    def picture(self, frame: VideoFrame) -> NDArray[np.uint8] | None:
        """Convert a frame to (H, W, 3) RGB in the size of the first; None for an unsupported pixel format."""
        if self._shape is None:
            aspect = self._stream.sample_aspect_ratio or self._stream.codec_context.sample_aspect_ratio
            self._shape = _Shape(frame, aspect, self._config.max_side_px)
        try:
            return self._shape.convert(frame)
        except (av.error.FFmpegError, ValueError):
            self.damaged += 1
            return None

    def _decode(self) -> Iterator[tuple[int, VideoFrame]]:
        codec = self._stream.codec_context
        try:
            for packet in self._container.demux(self._stream):
                self._deadline.check()
                if self._count_from_packet and packet.dts is not None and self.track.dts is not None:
                    self._place = int(np.searchsorted(self.track.dts, packet.dts)) - 1
                    self._count_from_packet = False
                if self._wanted is not None:
                    # Skipping the frames that no other frame refers to takes a third less time with B-frames.
                    codec.skip_frame = "DEFAULT" if not packet.size or packet.pts in self._wanted else "NONREF"
                try:
                    frames = packet.decode()
                except av.error.EOFError:
                    return
                except av.error.FFmpegError:
                    self.damaged += 1
                    continue
                for frame in frames:
                    check_pixels(frame.width, frame.height, self._config)
                    self._place = self._place_of(frame)
                    yield self._place, frame
        except av.error.FFmpegError:  # the file ends here
            return

    def _place_of(self, frame: VideoFrame) -> int:
        if self.track.pts is None or frame.pts is None:
            return self._place + 1
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


class _Shape:
    """Scales and rotates every frame as the first frame of the video requires."""

    def __init__(self, first: VideoFrame, sample_aspect: Fraction | None, max_side_px: int) -> None:
        width, height = Fraction(first.width), Fraction(first.height)
        if sample_aspect and 1 / SANE_SAMPLE_ASPECT <= sample_aspect <= SANE_SAMPLE_ASPECT:
            # Shrink the longer edge of a sample: nothing is ever scaled up.
            width, height = (width * sample_aspect, height) if sample_aspect < 1 else (width, height / sample_aspect)
        scale = min(Fraction(1), max_side_px / max(width, height))
        self._width = max(1, round(width * scale))
        self._height = max(1, round(height * scale))
        # PyAV states the angle counterclockwise, as np.rot90 counts; a phone held upright gives -90.
        self._quarter_turns = round(first.rotation / 90) % 4

    def convert(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Return the frame as (H, W, 3) RGB."""
        scaled = frame.reformat(self._width, self._height, "rgb24", interpolation=Interpolation.BICUBIC, threads=1)
        return np.ascontiguousarray(np.rot90(scaled.to_ndarray(), self._quarter_turns))
