import logging
from dataclasses import replace

import numpy as np
import pytest

from tagging.errors import InvalidManifestError
from tagging.progress import Silent
from tagging.topics.learn import EarlierModel, Learnt, learn_topics
from tagging.topics.pool import Pool, certain
from tests.support.topic_pools import SUBJECTS, TINY, learnt_of, pool_of


@pytest.fixture(scope="module")
def pool() -> Pool:
    return pool_of(240, seed=1)


@pytest.fixture(scope="module")
def learnt(pool: Pool) -> Learnt:
    return learnt_of(pool)


def subject_of_topic(learnt: Learnt) -> list[str]:
    return [next(tag for tag in topic.tags if tag in SUBJECTS) for topic in learnt.model.topics]


def test_each_subject_becomes_a_topic_that_its_tags_name(learnt: Learnt) -> None:
    assert sorted(subject_of_topic(learnt)) == sorted(SUBJECTS)
    assert [topic.id for topic in learnt.model.topics] == [1, 2, 3, 4]
    assert learnt.model.space.mmoe.tasks == {"category": 4, "tags": 16}
    for topic in learnt.model.topics:
        assert topic.examples
        assert sum(topic.languages.values()) == pytest.approx(1)


def test_new_videos_are_assigned_by_content_by_tags_and_by_both(learnt: Learnt) -> None:
    new = pool_of(80, seed=2, first=1000)
    rows = learnt.model.space.represent(new.embeddings, [certain(video.tags) for video in new.videos])
    found = learnt.model.assign(rows)
    subjects = subject_of_topic(learnt)
    right = [
        subjects[found.at(index)[0][0]] == video.category
        for index, video in enumerate(new.videos)
        if found.at(index) and rows.known[index]
    ]
    assert len(right) > 60
    assert np.mean(right) > 0.9
    assert found.at(35) == []  # number 35 has neither content nor tags


def test_the_same_pool_and_seed_give_the_same_topics(pool: Pool, learnt: Learnt) -> None:
    again = learnt_of(pool)
    np.testing.assert_array_equal(again.model.centres, learnt.model.centres)
    assert again.model.topics == learnt.model.topics


def test_a_refit_on_a_newer_pool_keeps_the_ids(learnt: Learnt) -> None:
    newer = pool_of(240, seed=5, first=120)
    config = TINY.model_copy(update={"seed": 11})  # other weights, so another space
    again = learn_topics(newer, config, Silent(), EarlierModel(learnt.model, learnt.lineage.next_id))
    before = dict(zip([topic.id for topic in learnt.model.topics], subject_of_topic(learnt), strict=True))
    after = dict(zip([topic.id for topic in again.model.topics], subject_of_topic(again), strict=True))
    assert after == before
    assert again.lineage.born == again.lineage.died == ()
    assert set(again.lineage.drift) == {1, 2, 3, 4}


def test_a_topic_that_leaves_the_pool_dies_and_a_new_one_is_born(pool: Pool) -> None:
    def only(subjects: set[str]) -> Pool:
        rows = [row for row, video in enumerate(pool.videos) if video.category in subjects]
        return Pool([pool.videos[row] for row in rows], [pool.embeddings[row] for row in rows])

    three = TINY.model_copy(update={"count": 3})
    before = learnt_of(only({"cats", "cars", "food"}), three)
    earlier = EarlierModel(before.model, before.lineage.next_id)
    after = learn_topics(only({"cats", "cars", "music"}), three, Silent(), earlier)
    [died] = after.lineage.died
    assert subject_of_topic(before)[died - 1] == "food"
    assert after.lineage.born == (4,)


def test_without_categories_topics_are_learnt_from_tags(pool: Pool, caplog: pytest.LogCaptureFixture) -> None:
    uncategorised = Pool([replace(video, category="") for video in pool.videos], pool.embeddings)
    with caplog.at_level(logging.WARNING):
        found = learnt_of(uncategorised)
    assert list(found.model.space.mmoe.tasks) == ["tags"]
    assert "no two categories are stated" in caplog.text


def test_a_pool_without_tags_is_one_clear_error(pool: Pool) -> None:
    untagged = Pool([replace(video, tags=()) for video in pool.videos], pool.embeddings)
    with pytest.raises(InvalidManifestError, match="no tag is on 2 of the 240 videos") as error:
        learnt_of(untagged)
    assert "videotag batch" in error.value.hint


def test_a_pool_without_content_is_one_clear_error(pool: Pool) -> None:
    blind = Pool(pool.videos, [replace(row, rows={}) for row in pool.embeddings])
    with pytest.raises(InvalidManifestError, match="has content and a category or tag"):
        learnt_of(blind)


def test_more_topics_than_videos_are_one_clear_error() -> None:
    with pytest.raises(InvalidManifestError, match="cannot make 99 topics"):
        learnt_of(pool_of(40, seed=1), TINY.model_copy(update={"count": 99}))


def test_predicted_tags_join_videos_by_their_confidence(pool: Pool) -> None:
    tagged = Pool([replace(video, tags=()) for video in pool.videos], pool.embeddings, predictions_of(pool, 0.8))
    found = learnt_of(tagged)
    assert sorted(subject_of_topic(found)) == sorted(SUBJECTS)
    plain = learnt_of(Pool(tagged.videos, tagged.embeddings, predictions_of(pool, 1.0)))
    assert not np.array_equal(plain.model.space.means, found.model.space.means)
    np.testing.assert_array_equal(plain.model.space.tag_vectors, found.model.space.tag_vectors)


def predictions_of(pool: Pool, confidence: float) -> dict[str, dict[str, float]]:
    """Return the tags of a pool as predictions: the first of each video is certain."""
    return {
        video.video.video_id: {tag: 1.0 if row == 0 else confidence for row, tag in enumerate(video.tags)}
        for video in pool.videos
    }


def test_a_tag_that_says_nothing_joins_and_names_no_topic() -> None:
    pool = pool_of(400, seed=1)
    generator = np.random.default_rng(1)
    videos = [replace(v, tags=(*v.tags, "popular") if generator.random() < 0.4 else v.tags) for v in pool.videos]
    found = learnt_of(Pool(videos, pool.embeddings))
    assert found.left_out == ("popular",)
    assert "popular" not in found.model.space.catalog.names
    assert not any("popular" in topic.tags for topic in found.model.topics)
    kept = learnt_of(Pool(videos, pool.embeddings), TINY.model_copy(update={"least_cohesion": 0.0}))
    assert kept.left_out == ()
    assert "popular" in kept.model.space.catalog.names
