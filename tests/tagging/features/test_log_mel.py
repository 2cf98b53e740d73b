"""Log-mel examples: those of torchvggish, bit for bit."""

import numpy as np
import pytest

from tagging.features.log_mel import log_mel
from tagging.types import SAMPLE_RATE_HZ, Sound
from tests.support.encoders import noise


@pytest.mark.parametrize("seconds", [0.975, 1.0, 5.3, 70.0])
def test_log_mel_examples_equal_those_of_the_library(seconds: float) -> None:
    from torchvggish.vggish_input import waveform_to_examples

    sound = noise(seconds)
    want = waveform_to_examples(sound.samples, SAMPLE_RATE_HZ).detach().numpy()[:, 0]
    got = log_mel(sound)
    assert got.dtype == np.float32
    assert np.array_equal(got, want)


@pytest.mark.parametrize(
    ("samples", "examples"), [(0, 0), (1, 0), (399, 0), (15_599, 0), (15_600, 1), (30_959, 1), (30_960, 2)]
)
def test_an_incomplete_example_is_dropped(samples: int, examples: int) -> None:
    assert log_mel(Sound(np.zeros(samples, np.float32))).shape == (examples, 96, 64)
