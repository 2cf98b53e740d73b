"""Limits of a media file; each has its own error, which names its configuration key."""

import time
from collections.abc import Callable

from tagging.config.media import MediaConfig
from tagging.errors import (
    DecodeMemoryError,
    DecodeTimeoutError,
    MediaTooBigError,
    MediaTooLongError,
    MediaTooManyPixelsError,
)


class Deadline:
    """The deadline for reading one file. It is checked between packets, so it cannot stop a decoder that hangs."""

    def __init__(self, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._end_s = clock() + timeout_s

    def left_s(self) -> float:
        return self._end_s - self._clock()

    def check(self) -> None:
        """Raise DecodeTimeoutError after the deadline."""
        if self.left_s() < 0:
            raise timed_out(self._timeout_s)


def timed_out(timeout_s: float) -> DecodeTimeoutError:
    return DecodeTimeoutError(
        f"reading the file was not done within {seconds(timeout_s)} s", "raise media.decode_timeout_s to allow more"
    )


def out_of_memory(memory_bytes: int, name: str) -> DecodeMemoryError:
    return DecodeMemoryError(
        f"{name}: decoding the file takes more than {memory_bytes} bytes of memory",
        "raise media.decode_memory_bytes to allow more",
    )


def check_bytes(found: int, config: MediaConfig) -> None:
    """Raise MediaTooBigError above media.max_bytes."""
    if found > config.max_bytes:
        raise MediaTooBigError(
            f"the file has {found} bytes, expected at most {config.max_bytes}", "raise media.max_bytes to allow more"
        )


def check_duration(found_s: float, config: MediaConfig) -> None:
    """Raise MediaTooLongError above media.max_duration_s."""
    if found_s > config.max_duration_s:
        raise MediaTooLongError(
            f"the file lasts {seconds(found_s)} s, expected at most {seconds(config.max_duration_s)} s",
            "raise media.max_duration_s to allow more",
        )


def check_pixels(width: int, height: int, config: MediaConfig) -> None:
    """Raise MediaTooManyPixelsError above media.max_pixels."""
    if width * height > config.max_pixels:
        raise MediaTooManyPixelsError(
            f"the picture has {width} x {height} pixels, expected at most {config.max_pixels} in all",
            "raise media.max_pixels to allow more",
        )


def seconds(value: float) -> str:
    """Format seconds for messages: 26.34 -> '26.3', 60.0 -> '60'."""
    return f"{value:.1f}".removesuffix(".0")
