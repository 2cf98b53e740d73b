"""Configuration of media decoding.

Each part of the program receives only its own branch. A bundle stores the tree of its training; profiles.py has the
values.
"""

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt

from tagging.config.base import Branch


class MediaConfig(Branch):
    """Sampling of a media file, and its limits."""

    frames: PositiveInt = 16
    max_side_px: PositiveInt = 512
    sound_max_s: PositiveFloat = 300.0
    max_bytes: PositiveInt = 4 * 2**30
    max_duration_s: PositiveFloat = 6 * 3600.0
    max_pixels: PositiveInt = 8192 * 4320
    decode_timeout_s: PositiveFloat = 120.0
    decode_memory_bytes: Annotated[int, Field(ge=2**28)] = 4 * 2**30  # of each worker
    workers: PositiveInt = 2
