import numpy as np

from recall.merge import merge
from tagging.types import ChannelTags, Neighbours

NOBODY = Neighbours(np.zeros(0, np.int64), np.zeros(0, np.float32))


def channel(scores: dict[int, float]) -> ChannelTags:
    return ChannelTags(np.array(list(scores), np.int64), np.array(list(scores.values()), np.float32), NOBODY)


def test_the_union_keeps_every_channels_score_and_marks_what_is_missing() -> None:
    merged = merge({"text": channel({9: 0.8, 2: 0.5}), "video": None, "audio": channel({2: 0.3})})
    assert merged.channels == ("text", "video", "audio")
    assert merged.tag_rows.tolist() == [2, 9]
    np.testing.assert_allclose(merged.scores, [[0.5, np.nan, 0.3], [0.8, np.nan, np.nan]], rtol=1e-6)
    assert set(merged.neighbours) == {"text", "audio"}


def test_no_channel_with_anything_to_look_at_gives_no_candidates() -> None:
    merged = merge({"text": None, "audio": channel({})})
    assert merged.scores.shape == (0, 2)
    assert set(merged.neighbours) == {"audio"}
