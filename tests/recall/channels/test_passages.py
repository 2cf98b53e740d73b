"""Passage channels: names that are said or stand on the screen become tags, with their words and times."""

import numpy as np
import pytest

from recall.channels.named_tags import NamedTags
from recall.channels.passages import PassageNames
from recall.query import RecallQuery
from tagging.config.recall import StrengthConfig
from tagging.types import ChannelTags, Passage, TimeSpan, VideoEmbeddings

NAMES = np.eye(4, dtype=np.float32)
SPELLINGS = [["ice hockey"], ["hockey"], ["winter"], ["Oslo"]]
ROWS = np.array([5, 7, 8, 9])
EASY = StrengthConfig(slope=1.0, intercept=0.0, least=0.0)
TALK = (
    Passage("An Ice Hockey match", 0.0, 2.0, 0.5, "en"),
    Passage("winter in Oslo", 2.5, 4.0, 0.75, "en"),
    Passage("and ice hockey again", 8.0, 9.5, 0.875, "en"),
)


def channel(config: StrengthConfig = EASY, limit: int = 10) -> PassageNames:
    return PassageNames("spoken", "speech", NamedTags.of(NAMES, ROWS, SPELLINGS), config, limit)


def video(*passages: Passage, row: tuple[float, ...] = (0.5, 0.5, 0.5, 0.5)) -> RecallQuery:
    return RecallQuery.of(VideoEmbeddings({"speech": np.array(row, np.float32)}, passages={"speech": passages}))


def recalled(query: RecallQuery, config: StrengthConfig = EASY, limit: int = 10) -> ChannelTags:
    [tags] = channel(config, limit).recall([query])
    assert tags is not None
    return tags


def test_a_spoken_name_is_proposed_with_its_words_and_the_clearest_passage() -> None:
    tags = recalled(video(*TALK))
    assert tags.tag_rows.tolist() == [5, 8, 9]
    hockey, winter, oslo = tags.evidence
    assert (hockey.channel, hockey.kind, hockey.text) == ("spoken", "speech", "ice hockey")
    assert (hockey.start_s, hockey.end_s) == (8.0, 9.5)
    assert (winter.text, winter.start_s, oslo.text, oslo.end_s) == ("winter", 2.5, "Oslo", 4.0)


def test_every_passage_with_the_name_is_a_span_with_the_readers_confidence() -> None:
    [hockey, *_] = recalled(video(*TALK)).evidence
    assert hockey.spans == (TimeSpan(0.0, 2.0, "speech", 0.5), TimeSpan(8.0, 9.5, "speech", 0.875))


def test_words_of_the_evidence_are_words_of_a_passage() -> None:
    for evidence in recalled(video(*TALK)).evidence:
        assert any(
            evidence.text is not None and evidence.text in passage.text and evidence.start_s == passage.start_s
            for passage in TALK
        )


def test_a_name_that_the_talk_is_not_about_is_not_proposed() -> None:
    about_winter = video(*TALK, row=(0.6, 0.0, 0.8, 0.0))
    strict = EASY.model_copy(update={"least": 0.5})
    assert recalled(about_winter, strict).tag_rows.tolist() == [8, 5]


def test_a_proper_name_gets_its_bonus() -> None:
    about_winter = video(*TALK, row=(0.6, 0.0, 0.8, 0.0))
    generous = EASY.model_copy(update={"least": 0.5, "proper": 0.7})
    tags = recalled(about_winter, generous)
    assert tags.tag_rows.tolist() == [8, 9, 5]
    assert tags.scores[1] == pytest.approx(1 / (1 + np.exp(-0.7)))
    assert tags.evidence[1].similarity == 0.0


def test_at_most_the_limit_is_proposed() -> None:
    assert len(recalled(video(*TALK), limit=2).tag_rows) == 2


def test_passages_without_a_name_propose_nothing() -> None:
    assert not len(recalled(video(Passage("mm-hm", 0.0, 1.0, 1.0))).tag_rows)


def test_a_video_without_passages_of_the_source_is_none() -> None:
    shown = VideoEmbeddings({"screen": NAMES[0]}, passages={"screen": TALK})
    silent = VideoEmbeddings({"text": NAMES[0]}, title="ice hockey")
    unread = VideoEmbeddings({}, passages={"speech": TALK})  # no text encoder
    assert channel().recall([RecallQuery.of(query) for query in (shown, silent, unread)]) == [None] * 3


def test_a_source_with_no_passages_is_no_source() -> None:
    with pytest.raises(ValueError, match="no passages of speech"):
        VideoEmbeddings({}, passages={"speech": ()})
