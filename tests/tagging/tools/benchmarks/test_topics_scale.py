import numpy as np

from tagging.progress import Silent
from tagging.tools.benchmarks.topics_scale import grown_pool, topics_scale
from tests.support.topic_pools import TINY, pool_of


def test_grown_videos_have_tags_of_their_parent_and_content_near_it() -> None:
    pool = pool_of(40, seed=1)
    grown = grown_pool(pool, 100, np.random.default_rng(1))
    assert len(grown) == 100
    assert grown.videos[:40] == list(pool.videos)
    assert len({video.video.video_id for video in grown.videos}) == 100
    parents = {video.video.video_id: row for row, video in enumerate(pool.videos)}
    cosines, owners = [], dict[str | None, set[str | None]]()
    for video, embeddings in zip(grown.videos[40:], grown.embeddings[40:], strict=True):
        row = parents[video.video.video_id.split("+")[0]]
        assert video.tags == pool.videos[row].tags
        owners.setdefault(video.video.uploader_id, set()).add(pool.videos[row].video.uploader_id)
        assert set(embeddings.rows) == set(pool.embeddings[row].rows)
        if "text" in embeddings.rows:
            cosines.append(float(embeddings.rows["text"] @ pool.embeddings[row].rows["text"]))
    assert np.mean(cosines) > 0.8
    assert all(len(parents) == 1 for parents in owners.values())
    assert len(owners) > len({video.video.uploader_id for video in pool.videos})  # copies are uploaders of their own


def test_the_time_of_each_stage_adds_up() -> None:
    tables = topics_scale(pool_of(120, seed=1), TINY, Silent())
    sizes = {row[""]: row["count"] for row in tables["Size"]}
    assert (sizes["videos"], sizes["topics"]) == (120, 4)
    assert sizes["MiB at most"] >= sizes["MiB before"] > 0
    seconds = {row["stage"]: row["s"] for row in tables["Processor time"]}
    assert list(seconds) == ["walk the tag graph", "learn topics", "cluster videos", "all else", "total"]
    assert abs(sum(seconds.values()) - 2 * seconds["total"]) < 0.5
