"""Reading of speech and screen text for one video; a reader that is missing or fails is a warning."""

import logging
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import TypeVar

from tagging.errors import VideotagError
from tagging.features.factory import Encoders
from tagging.types import MediaSample, PassageSource, Reading

logger = logging.getLogger(__name__)

Part = TypeVar("Part")

SAID: dict[PassageSource, str] = {"speech": "speech", "screen": "text on the screen"}  # in warnings


def missing_warnings(encoders: Encoders) -> dict[PassageSource, str]:
    """Return a warning for each configured reader whose packages are missing."""
    return {source: f"{SAID[source]} was not read: {install}" for source, install in encoders.missing.items()}


def read_passages(
    encoders: Encoders, media: MediaSample, source: PassageSource
) -> tuple[Reading | None, tuple[str, ...]]:
    """Return what is said, or what is written on the screen, and warnings; None where nothing could be read."""
    if source == "speech":
        return _read(source, encoders, media.sound, None if encoders.speech is None else encoders.speech.read)
    return _read(source, encoders, media.frames, None if encoders.screen is None else encoders.screen.read)


def _read(
    source: PassageSource, encoders: Encoders, part: Part | None, read: Callable[[Part], Reading] | None
) -> tuple[Reading | None, tuple[str, ...]]:
    if part is None:
        return None, ()
    if source in encoders.missing:
        return None, (missing_warnings(encoders)[source],)
    if read is None:
        return None, ()
    try:
        reading = read(part)
    except (VideotagError, CancelledError):  # the deadline passed, or a server that runs the reader's networks is away
        raise
    except Exception as error:  # a library's error on odd input must not lose the video's other modalities
        logger.exception("reader failed", extra={"reader": source})
        return None, (f"{SAID[source]} could not be read: {type(error).__name__}",)
    return reading, reading.warnings
