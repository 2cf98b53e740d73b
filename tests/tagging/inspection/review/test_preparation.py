"""Preparation in the background: order, read-ahead, failures, and videos that are shown again."""

from collections.abc import Sequence

import numpy as np

from tagging.inspection.review.order import review_priorities
from tagging.inspection.review.preparation import AHEAD, KEPT, Preparation
from tests.support.polling import wait_until
from tests.support.reviews import NAMES, THRESHOLD, TableTagger, catalog, preparing, videos


def answers(count: int) -> dict[str, dict[str, float]]:
    rng = np.random.default_rng(2)
    return {f"v{at}": {name: float(np.round(rng.random(), 3)) for name in NAMES[:5]} for at in range(count)}


def by_priority(table: dict[str, dict[str, float]], waiting: Sequence[str]) -> list[str]:
    row_of = {name: row for row, name in enumerate(catalog().names)}
    confidences = np.array([list(table[video].values()) for video in waiting], np.float32)
    rows = np.array([[row_of[name] for name in table[video]] for video in waiting], np.int32)
    priorities = review_priorities(confidences, rows, len(row_of), THRESHOLD)
    return [waiting[at] for at in np.argsort(-priorities, kind="stable")]


def taken(preparation: Preparation) -> str:
    video = preparation.take_next()
    assert video is not None
    wait_until(lambda: preparation.ready(video.video_id))
    return video.video_id


def test_videos_come_in_the_order_of_their_priority_among_those_that_wait() -> None:
    table = answers(12)
    with preparing(videos(12), TableTagger(table)) as preparation:
        wait_until(lambda: preparation.counts().untagged == 0)
        waiting = list(table)
        while waiting:
            want = by_priority(table, waiting)[0]
            assert taken(preparation) == want
            waiting.remove(want)
        assert preparation.take_next() is None
        assert preparation.counts().waiting == 0


def test_the_editor_begins_before_all_videos_are_tagged() -> None:
    tagger = TableTagger(answers(5))
    tagger.gate.clear()
    with preparing(videos(5), tagger) as preparation:
        assert preparation.take_next() is None
        tagger.gate.set()
        wait_until(lambda: preparation.counts().waiting)
        assert preparation.take_next() is not None


def test_few_videos_are_held_ready_however_many_wait() -> None:
    tagger = TableTagger(answers(60))
    with preparing(videos(60), tagger) as preparation:
        wait_until(lambda: preparation.counts().untagged == 0)
        shown = [taken(preparation) for _ in range(20)]
        wait_until(lambda: len(preparation._ready) <= AHEAD + KEPT)
        assert all(preparation.ready(video) for video in shown[-KEPT:])
        assert len(set(shown)) == 20


def test_reviewed_videos_are_not_tagged_again() -> None:
    tagger = TableTagger(answers(4))
    with preparing(videos(4), tagger, done=["v1", "v3", "of another manifest"]) as preparation:
        wait_until(lambda: preparation.counts().untagged == 0)
        assert {taken(preparation), taken(preparation)} == {"v0", "v2"}
        assert preparation.take_next() is None
        assert not {"v1", "v3"} & set(tagger.tagged)


def test_a_reviewed_video_is_prepared_when_it_is_opened_again() -> None:
    with preparing(videos(3), TableTagger(answers(3)), done=["v1"]) as preparation:
        assert preparation.take("v1").video_id == "v1"
        wait_until(lambda: preparation.ready("v1"))
        preparation.put_back("v1")
        wait_until(lambda: preparation.counts().untagged == 0)
        assert sorted(taken(preparation) for _ in range(3)) == ["v0", "v1", "v2"]


def test_damaged_videos_are_left_out_and_counted() -> None:
    tagger = TableTagger({"v1": {"dog": 0.6}})
    with preparing(videos(3), tagger) as preparation:
        wait_until(lambda: preparation.counts().untagged == 0)
        assert taken(preparation) == "v1"
        assert preparation.take_next() is None
        assert preparation.counts().unreadable == 2


def test_a_damaged_video_that_is_opened_again_is_shown_with_the_reason() -> None:
    with preparing(videos(2), TableTagger({"v1": {"dog": 0.6}}), done=["v0"]) as preparation:
        preparation.take("v0")
        wait_until(lambda: preparation.ready("v0"))
        prepared = preparation.ready("v0")
        assert prepared is not None
        assert prepared.answer.warnings == ("v0 is damaged",)


def test_a_video_that_broke_since_it_was_tagged_is_left_out() -> None:
    table = answers(30)
    tagger = TableTagger(table)
    with preparing(videos(30), tagger) as preparation:
        wait_until(lambda: preparation.counts().untagged == 0)
        last = by_priority(table, list(table))[-1]
        wait_until(lambda: len(preparation._ready) == AHEAD)
        assert preparation.ready(last) is None
        del tagger.answers[last]
        shown = []
        while (video := preparation.take_next()) is not None:
            shown.append(video.video_id)
        assert preparation.counts().unreadable <= 1
        assert len(shown) >= 29


def test_an_unexpected_error_ends_the_thread_and_is_kept() -> None:
    tagger = TableTagger({"v0": {"dog": 2.0j}})  # type: ignore[dict-item]
    with preparing(videos(1), tagger) as preparation:
        wait_until(lambda: preparation.error)
        assert preparation.take_next() is None
