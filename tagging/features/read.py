"""Reading of speech and screen text for one video; a reader that is missing or fails is a warning."""

import logging
from collections.abc import Callable
from typing import TypeVar

from tagging.features.factory import Encoders
from tagging.types import MediaSample, PassageSource, Reading

logger = logging.getLogger(__name__)

Part = TypeVar("Part")

SAID: dict[PassageSource, str] = {"speech": "speech", "screen": "text on the screen"}  # in warnings


def missing_warnings(encoders: Encoders) -> dict[PassageSource, str]:
    """Return a warning for each configured reader whose packages are missing."""
    return {source: f"{SAID[source]} was not read: {install}" for source, install in encoders.missing.items()}


def read_passages(encoders: Encoders, media: MediaSample) -> tuple[dict[PassageSource, Reading], tuple[str, ...]]:
    """Return the reading of each reader that had its input and did not fail, and all warnings."""
    readings: dict[PassageSource, Reading] = {}
    warnings: list[str] = []
    if media.sound is not None:
        speech = None if encoders.speech is None else encoders.speech.read
        _read("speech", speech, media.sound, encoders, readings, warnings)
    if media.frames is not None:
        screen = None if encoders.screen is None else encoders.screen.read
        _read("screen", screen, media.frames, encoders, readings, warnings)
    return readings, tuple(warnings)


def _read(
    source: PassageSource,
    read: Callable[[Part], Reading] | None,
    part: Part,
    encoders: Encoders,
    readings: dict[PassageSource, Reading],
    warnings: list[str],
) -> None:
    if source in encoders.missing:
        warnings.append(missing_warnings(encoders)[source])
    if read is None:
        return
    try:
        readings[source] = read(part)
    except Exception as error:  # a library's error on odd input must not lose the video's other modalities
        logger.exception("reader failed", extra={"reader": source})
        warnings.append(f"{SAID[source]} could not be read: {type(error).__name__}")
    else:
        warnings += readings[source].warnings
