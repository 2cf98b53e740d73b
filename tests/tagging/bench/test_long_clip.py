"""Clips whose packets are repeated."""

from pathlib import Path

import numpy as np
import pytest

from tagging.bench.long_clip import write_clip
from tagging.config.media import MediaConfig
from tagging.media.decode import decode


def test_a_repeated_clip_is_healthy_and_has_the_stated_duration(tmp_path: Path) -> None:
    write_clip(tmp_path / "c.mp4", 30, np.random.default_rng(7))
    media = decode(tmp_path / "c.mp4", MediaConfig(frames=6))
    assert media.duration_s == pytest.approx(30, abs=0.2)
    assert media.warnings == ()
    assert media.frames is not None
    assert media.sound is not None
    assert len(media.frames.pixels) == 6
    assert media.sound.duration_s == pytest.approx(30, abs=0.2)
    # The pattern moves within the seconds that are repeated, and is at the same place in each of them.
    pixels, times_s = media.frames.pixels.astype(int), media.frames.times_s
    repeated = np.abs(times_s[:, None] - times_s[None] - 10) < 0.1
    assert repeated.any()
    for later, earlier in np.argwhere(repeated):
        assert np.abs(pixels[later] - pixels[earlier]).mean() < np.abs(pixels[later] - pixels[earlier - 1]).mean()
