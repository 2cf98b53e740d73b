"""Damage tracking: which decoded pictures are intact and refer to intact ones only.

A decoder fills what it lacks with grey or with parts of other frames, mostly without a word. It also returns a frame
some packets after the packet of that frame: a keyframe may appear after a refused packet that follows it. So packets
are numbered in decoding order, and what is damaged reaches from its number to the next keyframe.
"""

from collections import deque

from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

MAY_BE_KEY = (PictureType.NONE, PictureType.I)  # many decoders of old codecs do not mark keyframes
DELAY = 256  # packets; more than any decoder holds back


class DamageTracker:
    """Follows the packets and frames of a decoder from the start of a file, or from a seek."""

    def __init__(self, *, is_field_coded: bool, has_keyframes: bool, marks_losses: bool) -> None:
        """has_keyframes: the container marks keyframes; some decoders call every frame one."""
        self._marks_losses = marks_losses
        self._is_field_coded = is_field_coded
        self._has_keyframes = has_keyframes
        self._number = -1  # of the last packet
        self._waiting: deque[tuple[int | None, int, bool]] = deque(maxlen=DELAY)  # pts, number, whether it is a key
        self._start: int | None = None  # number of the last intact keyframe
        self._damaged: set[int] = set()  # from the last intact keyframe on
        self._first_damaged: int | None = None
        self._suspects: set[int] = set()  # packets that may lack their end, or those that should follow them

    @property
    def has_started(self) -> bool:
        """Return False until the first intact keyframe; what comes before it refers to missing frames."""
        return self._start is not None

    def send(self, packet: "Packet[VideoStream]") -> None:
        """Register the next packet, before it is decoded."""
        if self._number in self._suspects and not packet.is_keyframe:  # a keyframe needs nothing that was lost
            self._lose(self._number)
        self._number += 1
        if (
            packet.is_corrupt and self._marks_losses
        ):  # MPEG-TS marks the packet before a loss, as its parser notices the loss one packet early
            self._suspects.add(self._number + 1)
        self._waiting.append((packet.pts, self._number, packet.is_keyframe))
        if packet.is_discard and packet.is_keyframe:  # an edit list hides its frame
            self._begin(self._number)

    def refuse(self) -> None:
        """Mark the last packet as damaged."""
        self._lose(self._number)
        if self._start == self._number:
            self._start = None

    def is_intact(self, frame: VideoFrame) -> bool:
        """Judge the next frame of the decoder."""
        number, is_key_packet = self._packet_of(frame)
        is_refused = number in self._damaged or (self._is_field_coded and number + 1 in self._damaged)
        if frame.is_corrupt or is_refused:
            if is_refused or frame.pict_type != PictureType.B:  # others rarely refer to B-frames
                self._lose(number)
            return False
        may_be_key = frame.key_frame or frame.pict_type in MAY_BE_KEY
        is_key = may_be_key and is_key_packet if self._has_keyframes else frame.key_frame
        if is_key or (may_be_key and not self.has_started and not self._damaged):
            self._begin(number)
            return True
        return self.has_started and (self._first_damaged is None or self._first_damaged > number)

    def _packet_of(self, frame: VideoFrame) -> tuple[int, bool]:
        """Return the number of a frame's packet, and whether it is marked as a keyframe."""
        for at, (pts, number, is_key) in enumerate(self._waiting):
            if (
                pts is not None and pts == frame.pts
            ):  # the first one: packets of recordings that were joined may share a time
                del self._waiting[at]
                return number, is_key
        return self._number, True

    def _begin(self, number: int) -> None:
        self._start = number
        self._damaged = {damaged for damaged in self._damaged if damaged > number}
        self._first_damaged = min(self._damaged, default=None)

    def _lose(self, number: int) -> None:
        self._damaged.add(number)
        self._first_damaged = number if self._first_damaged is None else min(self._first_damaged, number)
