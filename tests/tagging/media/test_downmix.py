"""Mono from any number of channels."""

import numpy as np
import pytest

from tagging.media.downmix import channel_weights, mix_down

TONE = np.sin(np.arange(16000) / 7).astype(np.float32)
QUIET = np.zeros(16000, np.float32)
SURROUND = ("FL", "FR", "FC", "LFE", "SL", "SR")


def test_weights_are_those_of_the_standard() -> None:
    # (Lo + Ro) / 2 of BS.775, over its sum
    want = np.array([0.5, 0.5, 2**-0.5, 0, 2**-0.5 / 2, 2**-0.5 / 2])
    np.testing.assert_allclose(channel_weights(SURROUND), want / want.sum(), rtol=1e-6)
    np.testing.assert_allclose(channel_weights(("FL", "FR")), [0.5, 0.5])
    np.testing.assert_allclose(channel_weights(("FC",)), [1.0])


def test_channels_of_an_unknown_layout_weigh_the_same() -> None:
    np.testing.assert_allclose(channel_weights(("FL", "NONE7", "FR")), [1 / 3] * 3)


@pytest.mark.parametrize("names", [("FC",), ("FL", "FR"), SURROUND])
def test_equal_channels_keep_their_level(names: tuple[str, ...]) -> None:
    np.testing.assert_allclose(mix_down(np.stack([TONE] * len(names), 1), channel_weights(names)), TONE, atol=1e-6)


def test_opposite_phase_does_not_cancel() -> None:
    np.testing.assert_array_equal(mix_down(np.stack([TONE, -TONE], 1), channel_weights(("FL", "FR"))), TONE)
    nearly = np.stack([TONE, -0.9 * TONE], 1)
    np.testing.assert_array_equal(mix_down(nearly, channel_weights(("FL", "FR"))), TONE)


def test_two_different_channels_are_averaged() -> None:
    other = np.cos(np.arange(16000) / 11).astype(np.float32)
    mixed = mix_down(np.stack([TONE, other], 1), channel_weights(("FL", "FR")))
    np.testing.assert_allclose(mixed, (TONE + other) / 2, atol=1e-6)


def test_a_voice_in_the_centre_alone_keeps_its_level() -> None:
    channels = [QUIET, QUIET, TONE, QUIET, QUIET, QUIET]
    np.testing.assert_array_equal(mix_down(np.stack(channels, 1), channel_weights(SURROUND)), TONE)


def test_the_bass_channel_alone_is_not_heard() -> None:
    channels = [QUIET, QUIET, QUIET, TONE, QUIET, QUIET]
    assert not mix_down(np.stack(channels, 1), channel_weights(SURROUND)).any()


def test_silence_stays_silent() -> None:
    assert not mix_down(np.zeros((0, 2), np.float32), channel_weights(("FL", "FR"))).any()
    assert not mix_down(np.zeros((5, 2), np.float32), channel_weights(("FL", "FR"))).any()
