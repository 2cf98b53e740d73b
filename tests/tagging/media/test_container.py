from collections.abc import Callable, Iterator

from tagging.media.container import demux


class LateStream:
    """A container in which PyAV meets a stream that was not there when it was opened."""

    def __init__(self, packets: list[str]) -> None:
        self._packets = packets

    def demux(self, *_: object) -> Iterator[str]:
        yield from self._packets
        raise IndexError("list index out of range")


def test_a_stream_that_begins_late_ends_the_packets_quietly() -> None:
    read: Callable[[LateStream], Iterator[object]] = demux  # type: ignore[assignment]
    assert list(read(LateStream(["first", "second"]))) == ["first", "second"]
