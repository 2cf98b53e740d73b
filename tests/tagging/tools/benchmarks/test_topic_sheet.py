"""The sheet for judging topics: every row is a video of its topic, drawn by the generator."""

import numpy as np

from tagging.store.topic_video import AssignedVideo
from tagging.tools.benchmarks.topic_sheet import SheetRow, draw_sheet
from tagging.topics.model import Topic
from tagging.types import LabelledVideo, VideoRef

TOPICS = [Topic(number, f"topic {number}", ("jazz", "blues"), 0, (), {}, 0) for number in (7, 8, 9)]
ASSIGNED = [AssignedVideo(str(video), ((7 + video % 2, 0.9), (7, 0.5))[: 1 + video % 3]) for video in range(30)]
VIDEOS = {
    str(video): LabelledVideo(VideoRef(str(video), title=f"title {video}"), ("jazz", "brass")) for video in range(25)
}


def drawn(seed: int, topics: int = 5, videos: int = 4) -> list[SheetRow]:
    return draw_sheet(TOPICS, ASSIGNED, VIDEOS, topics, videos, np.random.default_rng(seed))


def test_each_row_is_a_video_of_its_topic_that_the_manifest_has() -> None:
    rows = drawn(1)
    assert [row.topic for row in rows] == [7] * 4 + [8] * 4  # topic 9 has no video
    members = {int(video.video_id): {topic for topic, _ in video.topics} for video in ASSIGNED}
    assert all(row.topic in members[int(row.video_id)] and row.video_id in VIDEOS for row in rows)
    assert len({(row.topic, row.video_id) for row in rows}) == 8
    first = rows[0]
    assert (first.name, first.tags, first.title) == ("topic 7", "jazz, blues", f"title {first.video_id}")
    assert first.video_tags == "jazz, brass"


def test_the_generator_draws_topics_and_videos() -> None:
    assert drawn(1) == drawn(1)
    assert [row.video_id for row in drawn(1)] != [row.video_id for row in drawn(2)]
    assert {row.topic for seed in range(10) for row in drawn(seed, topics=1)} == {7, 8}
    videos_of_7 = {row.video_id for row in drawn(1, topics=3, videos=100) if row.topic == 7}
    assert videos_of_7 == {v.video_id for v in ASSIGNED if any(topic == 7 for topic, _ in v.topics)} & set(VIDEOS)
