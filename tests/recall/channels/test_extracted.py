"""Extraction channel: known tags are rows of the catalog, new tags are rows after it."""

from typing import cast

import numpy as np
import pytest

from recall.channels.extracted import ExtractedTags
from recall.extract.extractor import NewTag, TagExtractor
from recall.fusion import FusionExample, fit_fusion, top_candidates
from recall.merge import merge
from recall.name_words import NameWords
from recall.query import RecallQuery
from tagging.config.recall import RecallFusionConfig
from tagging.text.normalise import normalise
from tagging.types import Candidates, ChannelTags, VideoEmbeddings

CATALOG = ["cats", "dogs"]


class Reader:
    """Propose each word of the title, with falling probabilities."""

    def propose(self, title: str, description: str, limit: int, least: float) -> list[NewTag]:
        words = title.split()
        tags = [NewTag(word, 0.9 / (index + 1), word) for index, word in enumerate(words)]
        return [tag for tag in tags if tag.probability >= least][:limit]


def channel(limit: int = 10) -> ExtractedTags:
    rows = {"cats": 0, "dogs": 1, "hounds": 1}
    return ExtractedTags(cast(TagExtractor, Reader()), lambda name: rows.get(normalise(name)), len(CATALOG), limit)


def test_known_phrases_are_catalog_rows_and_new_ones_follow() -> None:
    [tags] = channel().recall([RecallQuery.of(VideoEmbeddings({}, title="Dogs hounds Grumpy cats Grumpier"))])
    assert tags is not None
    assert tags.tag_rows.tolist() == [1, 2, 0, 3]  # hounds are dogs
    assert tags.new == {2: "Grumpy", 3: "Grumpier"}
    assert tags.scores.tolist() == pytest.approx([0.9, 0.3, 0.225, 0.18])
    assert [evidence.text for evidence in tags.evidence] == ["Dogs", "Grumpy", "cats", "Grumpier"]
    assert channel().recall([RecallQuery.of(VideoEmbeddings({}))]) == [None]


def test_phrases_that_are_hardly_ever_tags_are_left_out() -> None:
    [tags] = channel(2000).recall([RecallQuery.of(VideoEmbeddings({}, title=" ".join(map(str, range(1000)))))])
    assert tags is not None
    assert 0.001 <= tags.scores.min() < 0.002
    assert len(tags.scores) == 900


def test_new_tags_are_fused_with_all_others_and_named_within_the_budget() -> None:
    generator = np.random.default_rng(0)
    words, uses = NameWords(CATALOG), np.array([[3, 3], [3, 3]], np.float32)

    def candidates(title: str) -> Candidates:
        [read] = channel().recall([RecallQuery.of(VideoEmbeddings({}, title=title))])
        return merge({"other": ChannelTags(np.array([0]), np.array([0.2], np.float32)), "extracted": read})

    def example() -> FusionExample:
        first = str(generator.choice(["Fluffy", "dogs"]))
        title = f"{first} something"
        return FusionExample(candidates(title), title, np.array([2 if first == "Fluffy" else 1]), uses)

    fusion = fit_fusion(
        [example() for _ in range(80)], words, uses, RecallFusionConfig(trees=20, least_in_leaf=5), seed=1
    )
    weighed = fusion.weigh(candidates("Snowy indeed"), "Snowy indeed")
    assert weighed.probabilities is not None
    best = top_candidates(weighed, 1)
    assert best.tag_rows.tolist() == [2]
    assert best.new == {2: "Snowy"}
