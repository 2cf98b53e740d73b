"""Labelled videos that join and leave: channels answer as if they had been there, or not, from the start."""

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from recall.channels.base import Channel
from recall.channels.text_neighbours import TextNeighbours
from recall.channels.uploader import UploaderTags
from recall.channels.video_neighbours import VideoNeighbours
from recall.index.factory import build_index
from recall.neighbours.search import TextSearch, VideoSearch
from recall.neighbours.store import NeighbourStore
from recall.neighbours.table import LabelledTable
from recall.ngrams import NgramFeatures
from recall.query import RecallQuery
from tagging.config.recall import IndexConfig, NgramConfig, RecallConfig
from tagging.ragged import TagLists
from tagging.types import VideoEmbeddings
from tests.support.channel_tags import as_dict
from tests.support.embeddings import clustered
from tests.support.topics import lists, topics

DIM = 16
VIDEOS = [
    VideoEmbeddings(
        {"frames": row} if place % 3 else {},
        title=video.title if place % 4 else "",
        uploader_id=f"u{uploader}" if place % 5 else None,
    )
    for place, (video, uploader, row) in enumerate(
        zip(
            topics(90, seed=1).videos, topics(90, seed=1).uploaders, clustered(np.random.default_rng(2), 90, DIM),
            strict=True,
        )
    )
]  # fmt: skip
TAGS = topics(90, seed=1).tags
FEATURES = NgramFeatures.fit([video.title for video in VIDEOS], NgramConfig(least=1))
QUERIES = [*VIDEOS[1::7], VideoEmbeddings({}, title="kitten purring", uploader_id="u1")]


def neighbour_store(rows: Sequence[int], backend: str = "flat") -> NeighbourStore:
    """Of some of the videos, by the place of each as its id."""
    some = [VIDEOS[row] for row in rows]
    whose = [video.uploader_id for video in some]
    keys = [(one, place if one is None else 0) for place, one in enumerate(whose)]
    numbers = [list(dict.fromkeys(keys)).index(key) for key in keys]
    seen = [place for place, video in enumerate(some) if "frames" in video.rows]
    index = build_index(
        np.array([some[place].rows["frames"] for place in seen], np.float32).reshape(-1, DIM),
        IndexConfig.model_validate({"backend": backend}),
    )
    return NeighbourStore(
        LabelledTable(
            [str(row) for row in rows], [video.title for video in some], whose,
            np.array(numbers, np.int64),
            lists([TAGS.at(row).tolist() for row in rows]),
        ),
        {"video": VideoSearch("frames", index, np.array(seen, np.int64))},
        TextSearch(FEATURES, FEATURES.transform([video.title for video in some])),
    )  # fmt: skip


def said(voting: NeighbourStore) -> list[dict[str, dict[int, float] | None]]:
    """What the three channels propose for each query."""
    assert voting.texts is not None
    config = RecallConfig(neighbours=20)
    channels: list[Channel] = [
        VideoNeighbours("video", voting.searches["video"], voting.table, config),
        TextNeighbours(voting.texts, voting.table, config),
        UploaderTags(voting.table, 50),
    ]
    answers: list[dict[str, dict[int, float] | None]] = [{} for _ in QUERIES]
    for channel in channels:
        for answer, tags in zip(answers, channel.recall([RecallQuery.of(video) for video in QUERIES]), strict=True):
            answer[channel.name] = as_dict(tags)
    return answers


def add(voting: NeighbourStore, row: int, tags: TagLists = TAGS) -> None:
    voting.add(str(row), RecallQuery.of(VIDEOS[row]), tags.at(row))


@pytest.mark.parametrize("backend", ["flat", "faiss"])
def test_who_joined_votes_like_who_was_there_from_the_start(backend: str) -> None:
    voting = neighbour_store(range(50), backend)
    for row in range(50, 90):
        add(voting, row)
    assert said(voting) == said(neighbour_store(range(90)))


def test_joining_begins_with_nobody() -> None:
    voting = neighbour_store([])
    assert all(not any(answer.values()) for answer in said(voting))
    for row in range(90):
        add(voting, row)
    assert said(voting) == said(neighbour_store(range(90)))


def test_who_left_votes_no_more_whether_they_came_early_or_late() -> None:
    voting = neighbour_store(range(60))
    for row in range(60, 90):
        add(voting, row)
    for row in range(0, 90, 4):
        assert voting.remove(str(row))
        assert not voting.remove(str(row))
    assert said(voting) == said(neighbour_store([row for row in range(90) if row % 4]))
    assert not voting.remove("nobody")


def test_a_video_that_joins_again_takes_its_own_place() -> None:
    changed = lists([TAGS.at((row + 1) % 90).tolist() for row in range(90)])
    voting = neighbour_store(range(90))
    for row in range(90):
        add(voting, row, changed)
        add(voting, row, changed)
    fresh = neighbour_store([])
    for row in range(90):
        add(fresh, row, changed)
    assert said(voting) == said(fresh)
    assert len(voting.table.live()) == 90


def test_a_row_that_was_found_can_be_looked_up_after_its_video_left() -> None:
    voting = neighbour_store(range(10))
    add(voting, 10)
    row = voting.table.row_of("10")
    assert row is not None
    voting.remove("10")
    assert voting.table.row_of("10") is None
    assert (voting.table.id_of(row), voting.table.title_of(row)) == ("10", VIDEOS[10].title)
    assert voting.table.tags_of(row).tolist() == TAGS.at(10).tolist()


def test_an_embedding_of_another_width_leaves_no_trace() -> None:
    voting = neighbour_store(range(30))
    before = said(voting)
    wrong = VideoEmbeddings({"frames": np.eye(DIM + 1, dtype=np.float32)[0]}, title="kitten")
    with pytest.raises(ValueError, match="shape"):
        voting.add("new", RecallQuery.of(wrong), np.array([1]))
    assert said(voting) == before
    assert len(voting.table) == 30


def test_rows_of_videos_that_are_not_there_are_refused() -> None:
    voting = neighbour_store(range(3))
    near = VideoSearch("frames", build_index(np.eye(4, dtype=np.float32), IndexConfig(backend="flat")), np.arange(4))
    with pytest.raises(ValueError, match="video: rows of other videos than the 3"):
        NeighbourStore(voting.table, {"video": near}, None)
    with pytest.raises(ValueError, match="texts of 3 videos, a table of 2"):
        NeighbourStore(neighbour_store(range(2)).table, {}, voting.texts)


def test_channels_answer_while_videos_come_and_go() -> None:
    voting = neighbour_store(range(60))
    errors: list[BaseException] = []
    stop = threading.Event()
    turns = 0

    def ask() -> None:
        nonlocal turns
        try:
            while not stop.is_set():
                for answer in said(voting):
                    for tags in answer.values():
                        assert tags is None or all(0 <= score <= 1 for score in tags.values())
                turns += 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    while turns < 20 and not errors:
        for row in range(50, 90):
            add(voting, row)
        for row in range(50, 90, 2):
            voting.remove(str(row))
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors
    assert said(voting) == said(neighbour_store([*range(50), *range(51, 90, 2)]))
