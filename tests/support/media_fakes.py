"""Decoders for the pool's tests; worker processes import them by name."""

import ctypes
import os
import re
import signal
import time
from pathlib import Path

import numpy as np

from tagging.config.media import MediaConfig
from tagging.errors import InvalidMediaError
from tagging.types import Frames, MediaSample
from tests.support.polling import wait_until


def scripted(path: Path, config: MediaConfig) -> MediaSample:
    """Follow the order in the file's text; a sample carries the worker's process id as its hash."""
    order, _, argument = path.read_text().partition(" ")
    _crash(order)
    if order == "refuse":
        raise InvalidMediaError(f"refused {argument}", "a hint")
    if order == "fail":
        raise ZeroDivisionError("an unexpected error")
    if order == "wait":  # until another file exists
        wait_until(Path(argument).exists, interval_s=0.005)
    if order == "mark":
        Path(argument).touch()
    frames = Frames(np.full((1, 2, 2, 3), 7, np.uint8), np.zeros(1))
    return MediaSample(str(os.getpid()), 1.0, frames, None, (order,))


def large(path: Path, config: MediaConfig) -> MediaSample:
    """Return sixteen frames of 512 x 288, 7 MB."""
    pixels = np.random.default_rng(7).integers(0, 256, (16, 288, 512, 3), np.uint8)
    return MediaSample("", 1.0, Frames(pixels, np.arange(16.0)), None)


def sleeping(path: Path, config: MediaConfig) -> MediaSample:
    time.sleep(1000)
    raise AssertionError


def starting_hang(path: Path, config: MediaConfig) -> MediaSample:
    """Create a marker file, then never return."""
    path.with_suffix(f".{os.getpid()}.begun").touch()
    time.sleep(1000)
    raise AssertionError


class EndingWorker:
    """A decoder that ends its worker before it is ready."""

    def __call__(self, path: Path, config: MediaConfig) -> MediaSample:
        raise AssertionError

    def __reduce__(self) -> tuple[object, ...]:
        return os._exit, (3,)


class EndingServer(EndingWorker):
    """A decoder at which the server of workers ends, as it does when the system refuses it a process."""

    def __reduce__(self) -> tuple[object, ...]:
        raise EOFError("unexpected EOF")


def _crash(order: str) -> None:
    """Crash or hang the worker process, depending on the order."""
    if order == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if order == "exit":
        os._exit(3)
    if order == "abort":
        os.abort()
    if order == "segfault":
        ctypes.string_at(0)
    if order == "hang":
        time.sleep(1000)
    if order == "spin":  # in C, while holding the GIL
        re.fullmatch("(a|aa)+", "a" * 1000 + "b")
    if order == "grow":
        hoard = [b"x" * (1 << 24)]
        while True:
            hoard.append(b"x" * (1 << 24))
    if order == "leap":
        np.ones(1 << 40, np.uint8)
