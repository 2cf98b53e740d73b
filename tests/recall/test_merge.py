import numpy as np

from recall.merge import merge
from tagging.types import ChannelTags, Evidence, Neighbours

NO_NEIGHBOURS = Neighbours(np.zeros(0, np.int64), np.zeros(0, np.float32))


def channel(scores: dict[int, float]) -> ChannelTags:
    return ChannelTags(np.array(list(scores), np.int64), np.array(list(scores.values()), np.float32), NO_NEIGHBOURS)


def test_the_union_has_every_channels_score_and_marks_missing_ones() -> None:
    merged = merge({"text": channel({9: 0.8, 2: 0.5}), "video": None, "audio": channel({2: 0.3})})
    assert merged.channels == ("text", "video", "audio")
    assert merged.tag_rows.tolist() == [2, 9]
    np.testing.assert_allclose(merged.scores, [[0.5, np.nan, 0.3], [0.8, np.nan, np.nan]], rtol=1e-6)
    assert set(merged.neighbours) == {"text", "audio"}


def test_evidence_of_a_tag_is_collected_from_all_channels() -> None:
    spoken = [Evidence("seen", "frame", 0.9, frame=1, frames=2), Evidence("seen", "frame", 0.8, frame=2, frames=2)]
    seen = ChannelTags(np.array([4, 2]), np.array([0.9, 0.8], np.float32), evidence=tuple(spoken))
    heard_dog = Evidence("heard", "sound", 0.7, start_s=0.96)
    heard = ChannelTags(np.array([2]), np.array([0.7], np.float32), evidence=(heard_dog,))
    merged = merge({"text": channel({2: 0.5}), "seen": seen, "heard": heard})
    assert merged.evidence == {4: (spoken[0],), 2: (spoken[1], heard_dog)}


def test_channels_without_input_give_no_candidates() -> None:
    merged = merge({"text": None, "audio": channel({})})
    assert merged.scores.shape == (0, 2)
    assert set(merged.neighbours) == {"audio"}
