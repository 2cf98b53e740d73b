"""Damage tracking: which decoded pictures are intact and refer to intact ones only.

A decoder fills what it lacks with grey or with parts of other frames, mostly without a word. It also returns a frame
some packets after the packet of that frame: a keyframe may appear after a refused packet that follows it, and a picture
before a damaged one that it refers to. So packets are numbered in decoding order, what is damaged reaches from its
number to the next keyframe, and a frame is judged when nothing that it may refer to is still to come.
"""

from collections import deque
from dataclasses import dataclass

from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

MAY_BE_KEY = (PictureType.NONE, PictureType.I)  # many decoders of old codecs do not mark keyframes
HELD = 8  # frames that wait for those before them in decoding order
DELAY = 256  # packets; more than any decoder holds back


@dataclass(frozen=True, slots=True)
class SentPacket:
    """The facts of a packet that are needed when its frame appears."""

    pts: int | None
    number: int  # in decoding order
    is_key: bool
    is_disposable: bool | None  # no other packet refers to it; None if unknown


class DamageTracker:
    """Follows the packets and frames of a decoder from the start of a file, or from a seek."""

    def __init__(self, *, is_field_coded: bool, has_keyframes: bool, marks_losses: bool) -> None:
        """has_keyframes: the container marks keyframes; some decoders call every frame one."""
        self._marks_losses = marks_losses
        self._is_field_coded = is_field_coded
        self._has_keyframes = has_keyframes
        self._number = -1  # of the last packet
        self._waiting: deque[SentPacket] = deque(maxlen=DELAY)
        self._shown: int | None = None  # pts of the last frame
        self._start: int | None = None  # number of the last intact keyframe
        self._damaged: set[int] = set()  # from the last intact keyframe on
        self._first_damaged: int | None = None
        self._suspects: set[int] = set()  # packets that may lack their end, or those that should follow them

    @property
    def has_started(self) -> bool:
        """Return False until the first intact keyframe; what comes before it refers to missing frames."""
        return self._start is not None

    def send(self, packet: "Packet[VideoStream]", *, is_disposable: bool | None) -> None:
        """Register the next packet, before it is decoded."""
        if self._number in self._suspects and not packet.is_keyframe:  # a keyframe needs nothing that was lost
            self._lose(self._number)
        self._number += 1
        if (
            packet.is_corrupt and self._marks_losses
        ):  # MPEG-TS marks the packet before a loss, as its parser notices the loss one packet early
            self._suspects.add(self._number + 1)
        self._waiting.append(SentPacket(packet.pts, self._number, packet.is_keyframe, is_disposable))
        if packet.is_discard and packet.is_keyframe:  # an edit list hides its frame
            self._begin(self._number)

    def refuse(self) -> None:
        """Mark the last packet as damaged."""
        self._lose(self._number)
        if self._start == self._number:
            self._start = None

    def receive(self, frame: VideoFrame) -> SentPacket:
        """Register the next frame of the decoder, and return its packet."""
        packet = self._packet_of(frame)
        self._shown = frame.pts
        # Others rarely refer to B-frames, except in H.264, where it is known.
        is_disposable = frame.pict_type == PictureType.B if packet.is_disposable is None else packet.is_disposable
        if frame.is_corrupt and not is_disposable:
            self._lose(packet.number)
        return packet

    def is_settled(self, packet: SentPacket) -> bool:
        """Return True if no frame is still to come that the packet's frame may refer to.

        Frames appear in order of time: a packet of an earlier time that gave no frame will not give one.
        """
        return self._shown is None or not any(
            other.number < packet.number and other.pts is not None and other.pts > self._shown
            for other in self._waiting
        )

    def is_intact(self, frame: VideoFrame, packet: SentPacket) -> bool:
        """Judge a settled frame; in the order in which the decoder returned them."""
        number = packet.number
        if frame.is_corrupt or number in self._damaged or (self._is_field_coded and number + 1 in self._damaged):
            return False
        may_be_key = frame.key_frame or frame.pict_type in MAY_BE_KEY
        is_key = may_be_key and packet.is_key if self._has_keyframes else frame.key_frame
        if is_key or (may_be_key and not self.has_started and not self._damaged):
            self._begin(number)
            return True
        return self.has_started and (self._first_damaged is None or self._first_damaged > number)

    def _packet_of(self, frame: VideoFrame) -> SentPacket:
        for at, packet in enumerate(self._waiting):
            # The first one: packets of recordings that were joined may share a time.
            if packet.pts is not None and packet.pts == frame.pts:
                del self._waiting[at]
                return packet
        return SentPacket(frame.pts, self._number, is_key=True, is_disposable=None)

    def _begin(self, number: int) -> None:
        self._start = number
        self._damaged = {damaged for damaged in self._damaged if damaged > number}
        self._first_damaged = min(self._damaged, default=None)

    def _lose(self, number: int) -> None:
        self._damaged.add(number)
        self._first_damaged = number if self._first_damaged is None else min(self._first_damaged, number)
