"""Packet tables: times of every packet of every track, from one pass over a file without decoding.

Headers are wrong for truncated files, and some state no duration; packets are reliable.
"""

from array import array
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray

from tagging.media.container import demux
from tagging.media.limits import Deadline

NONE = -(1 << 63)  # a packet without the time


class PacketTable:
    """A row for each packet that is shown; arrays, because hours of video have a million packets."""

    def __init__(self, tick_s: Fraction) -> None:
        self.tick_s = tick_s
        self._pts = array("q")
        self._dts = array("q")
        self._durations = array("q")
        self._is_key = bytearray()
        self.incomplete = 0  # packets that the container marks, as something is missing near them
        self.begins_hidden = False  # with a keyframe that an edit list hides; what follows can be decoded

    def __len__(self) -> int:
        return len(self._pts)

    def add(self, packet: "Packet[Stream]") -> None:
        if packet.is_discard:  # before the start that an edit list sets
            self.begins_hidden |= packet.is_keyframe and not len(self)
            return
        self._pts.append(NONE if packet.pts is None else packet.pts)
        self._dts.append(NONE if packet.dts is None else packet.dts)
        self._durations.append(packet.duration or 0)
        self._is_key.append(packet.is_keyframe)
        self.incomplete += packet.is_corrupt

    @property
    def pts(self) -> NDArray[np.int64]:
        """(n,) in decoding order; NONE where a packet has no time."""
        return np.array(self._pts, np.int64)

    @property
    def dts(self) -> NDArray[np.int64]:
        """(n,) likewise."""
        return np.array(self._dts, np.int64)

    @property
    def durations(self) -> NDArray[np.int64]:
        """(n,) ticks; 0 where a packet states none."""
        return np.array(self._durations, np.int64)

    @property
    def is_key(self) -> NDArray[np.bool_]:
        """(n,) True for keyframes."""
        return np.frombuffer(bytes(self._is_key), np.bool_)

    def starts_s(self) -> NDArray[np.float64]:
        """(m <= n,) known times in seconds on the file's clock, ascending."""
        known = self.pts
        return np.sort(known[known != NONE]).astype(np.float64) * float(self.tick_s)

    def end_s(self) -> float:
        """The end of the last packet on the file's clock; 0 if no packet has a time."""
        starts = self.pts
        known = starts != NONE
        if not known.any():
            return float(self.durations.sum() * self.tick_s)
        return float((starts[known] + self.durations[known]).max() * self.tick_s)


def read_packets(container: InputContainer, deadline: Deadline) -> Mapping[int, PacketTable]:
    """Return the table of each track, by the index of its stream.

    An unreadable packet ends the pass. Raises DecodeTimeoutError.
    """
    tables = {stream.index: PacketTable(stream.time_base or Fraction(1, 1000)) for stream in container.streams}
    for packet in demux(container, *container.streams):
        deadline.check()
        if packet.size:  # the last ones are empty and flush the decoders
            tables[packet.stream.index].add(packet)
    return tables
