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


def scripted(path: Path, config: MediaConfig) -> MediaSample:
    """Follow the order in the file's text; a sample carries the worker's process id as its hash."""
    order, _, argument = path.read_text().partition(" ")
    _ruin(order)
    if order == "refuse":
        raise InvalidMediaError(f"refused {argument}", "a hint")
    if order == "fail":
        raise ZeroDivisionError("nobody foresaw this")
    if order == "wait":  # until another file is there
        while not Path(argument).exists():
            time.sleep(0.005)
    if order == "mark":
        Path(argument).touch()
    frames = Frames(np.full((1, 2, 2, 3), 7, np.uint8), np.zeros(1))
    return MediaSample(str(os.getpid()), 1.0, frames, None, (order,))


def large(path: Path, config: MediaConfig) -> MediaSample:
    """7 MB, as many as sixteen frames of 512 x 288."""
    pixels = np.random.default_rng(7).integers(0, 256, (16, 288, 512, 3), np.uint8)
    return MediaSample("", 1.0, Frames(pixels, np.arange(16.0)), None)


def sleeping(path: Path, config: MediaConfig) -> MediaSample:
    time.sleep(1000)
    raise AssertionError


def starting_hang(path: Path, config: MediaConfig) -> MediaSample:
    """Says on disk that it has begun, then never ends."""
    path.with_suffix(f".{os.getpid()}.begun").touch()
    time.sleep(1000)
    raise AssertionError


def _ruin(order: str) -> None:
    """What costs the process its life."""
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
    if order == "spin":  # in C, and without letting any other thread of the process run
        re.fullmatch("(a|aa)+", "a" * 1000 + "b")
    if order == "grow":
        hoard = [b"x" * (1 << 24)]
        while True:
            hoard.append(b"x" * (1 << 24))
    if order == "leap":
        np.ones(1 << 40, np.uint8)
