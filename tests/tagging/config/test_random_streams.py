"""Random streams of one seed are independent of each other."""

import numpy as np

from tagging.config.random_streams import HoldoutSalt, Stream


def test_every_stream_has_a_number_of_its_own() -> None:
    for streams in (Stream, HoldoutSalt):
        assert len({stream.value for stream in streams}) == len(streams.__members__)


def test_streams_of_one_seed_draw_different_numbers() -> None:
    drawn = {tuple(np.random.default_rng([7, stream]).integers(2**63, size=2).tolist()) for stream in Stream}
    assert len(drawn) == len(Stream)
