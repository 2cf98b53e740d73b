"""Neighbour store: channels answer as if added videos had been there, and removed ones had not, from the start."""

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from recall.channels.base import Channel
from recall.channels.text_neighbours import TextNeighbours
from recall.channels.uploader import UploaderTags
from recall.channels.video_neighbours import VideoNeighbours
from recall.index.factory import build_index
from recall.neighbours.search import VideoSearch
from recall.neighbours.space import NeighbourSpace
from recall.neighbours.store import NeighbourStore
from recall.neighbours.table import LabelledTable
from recall.neighbours.text_search import TextSearch
from recall.ngrams import NgramFeatures
from recall.query import RecallQuery
from tagging.config.recall import IndexConfig, NgramConfig, RecallConfig
from tagging.ragged import Ragged
from tagging.types import VideoEmbeddings
from tests.support.channel_tags import as_dict
from tests.support.embeddings import clustered
from tests.support.queries import query_of
from tests.support.topics import lists, topics

DIM = 16
VIDEOS = [
    VideoEmbeddings(
        {"frames": row} if index % 3 else {},
        title=video.title if index % 4 else "",
        uploader_id=f"u{uploader}" if index % 5 else None,
    )
    for index, (video, uploader, row) in enumerate(
        zip(
            topics(90, seed=1).videos, topics(90, seed=1).uploaders, clustered(np.random.default_rng(2), 90, DIM),
            strict=True,
        )
    )
]  # fmt: skip
TAGS = topics(90, seed=1).tags
SPACE = NeighbourSpace.around(np.stack([video.rows["frames"] for video in VIDEOS if video.rows]))
FEATURES = NgramFeatures.fit([video.title for video in VIDEOS], NgramConfig(least=1))
QUERIES = [*VIDEOS[1::7], VideoEmbeddings({}, title="kitten purring", uploader_id="u1")]


def neighbour_store(rows: Sequence[int], backend: str = "flat") -> NeighbourStore:
    """Return a store of these rows of VIDEOS; the id of a video is its row."""
    videos = [VIDEOS[row] for row in rows]
    uploader_ids = [video.uploader_id for video in videos]
    keys = [(uploader, index if uploader is None else 0) for index, uploader in enumerate(uploader_ids)]
    numbers = [list(dict.fromkeys(keys)).index(key) for key in keys]
    with_frames = [index for index, video in enumerate(videos) if "frames" in video.rows]
    frames = np.array([videos[index].rows["frames"] for index in with_frames], np.float32).reshape(-1, DIM)
    index = build_index(SPACE.rows(frames), IndexConfig.model_validate({"backend": backend}))
    return NeighbourStore(
        LabelledTable(
            [str(row) for row in rows], [video.title for video in videos], uploader_ids,
            np.array(numbers, np.int64),
            lists([TAGS.at(row).tolist() for row in rows]),
        ),
        {"video": VideoSearch("frames", index, np.array(with_frames, np.int64), SPACE)},
        TextSearch(FEATURES.transform([video.title for video in videos])),
    )  # fmt: skip


def proposals(voting: NeighbourStore) -> list[dict[str, dict[int, float] | None]]:
    """Return the scores of each query by channel; None for a channel without input."""
    assert voting.texts is not None
    config = RecallConfig(neighbours=20)
    channels: list[Channel] = [
        VideoNeighbours("video", voting.searches["video"], voting.table, config),
        TextNeighbours(voting.texts, voting.table, config),
        UploaderTags(voting.table, 50),
    ]
    answers: list[dict[str, dict[int, float] | None]] = [{} for _ in QUERIES]
    for channel in channels:
        for answer, tags in zip(answers, channel.recall([query_of(video, FEATURES) for video in QUERIES]), strict=True):
            answer[channel.name] = as_dict(tags)
    return answers


def add(voting: NeighbourStore, row: int, tags: Ragged = TAGS) -> None:
    voting.add(str(row), query_of(VIDEOS[row], FEATURES), tags.at(row))


@pytest.mark.parametrize("backend", ["flat", "faiss"])
def test_added_videos_vote_like_initial_ones(backend: str) -> None:
    voting = neighbour_store(range(50), backend)
    for row in range(50, 90):
        add(voting, row)
    assert proposals(voting) == proposals(neighbour_store(range(90)))


def test_videos_can_be_added_to_an_empty_store() -> None:
    voting = neighbour_store([])
    assert all(not any(answer.values()) for answer in proposals(voting))
    for row in range(90):
        add(voting, row)
    assert proposals(voting) == proposals(neighbour_store(range(90)))


def test_removed_videos_do_not_vote_whether_initial_or_added() -> None:
    voting = neighbour_store(range(60))
    for row in range(60, 90):
        add(voting, row)
    for row in range(0, 90, 4):
        assert voting.remove(str(row))
        assert not voting.remove(str(row))
    assert proposals(voting) == proposals(neighbour_store([row for row in range(90) if row % 4]))
    assert not voting.remove("nobody")


def test_adding_a_known_video_replaces_it() -> None:
    changed = lists([TAGS.at((row + 1) % 90).tolist() for row in range(90)])
    voting = neighbour_store(range(90))
    for row in range(90):
        add(voting, row, changed)
        add(voting, row, changed)
    fresh = neighbour_store([])
    for row in range(90):
        add(fresh, row, changed)
    assert proposals(voting) == proposals(fresh)
    assert len(voting.table.live()) == 90


def test_a_found_row_can_be_looked_up_after_its_video_was_removed() -> None:
    voting = neighbour_store(range(10))
    add(voting, 10)
    row = voting.table.row_of("10")
    assert row is not None
    voting.remove("10")
    assert voting.table.row_of("10") is None
    assert (voting.table.id_of(row), voting.table.title_of(row)) == ("10", VIDEOS[10].title)
    assert voting.table.tags_of(np.array([row])).values.tolist() == TAGS.at(10).tolist()


def test_an_embedding_of_another_width_changes_nothing() -> None:
    voting = neighbour_store(range(30))
    before = proposals(voting)
    wrong = VideoEmbeddings({"frames": np.eye(DIM + 1, dtype=np.float32)[0]}, title="kitten")
    with pytest.raises(ValueError, match="shape"):
        voting.add("new", RecallQuery.of(wrong), np.array([1]))
    assert proposals(voting) == before
    assert len(voting.table) == 30


def test_searches_over_unknown_rows_are_rejected() -> None:
    voting = neighbour_store(range(3))
    index = build_index(np.eye(4, dtype=np.float32), IndexConfig(backend="flat"))
    search = VideoSearch("frames", index, np.arange(4), NeighbourSpace.unmoved(4))
    with pytest.raises(ValueError, match="video: rows of other videos than the 3"):
        NeighbourStore(voting.table, {"video": search}, None)
    with pytest.raises(ValueError, match="texts of 3 videos, a table of 2"):
        NeighbourStore(neighbour_store(range(2)).table, {}, voting.texts)


def test_channels_answer_while_videos_are_added_and_removed() -> None:
    voting = neighbour_store(range(60))
    errors: list[BaseException] = []
    stop = threading.Event()
    turns = 0

    def ask() -> None:
        nonlocal turns
        try:
            while not stop.is_set():
                for answer in proposals(voting):
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
    assert proposals(voting) == proposals(neighbour_store([*range(50), *range(51, 90, 2)]))
