import numpy as np
import pytest

from tagging.topics.pool import Pool
from tagging.types import CategorisedVideo, VideoEmbeddings, VideoRef


def test_a_video_without_uploader_counts_as_one_of_its_own() -> None:
    owners = ["a", None, "b", "a", None]
    videos = [CategorisedVideo(VideoRef(f"v{row}", uploader_id=owner), ()) for row, owner in enumerate(owners)]
    # The id of the second video is the name of an uploader.
    videos[1] = CategorisedVideo(VideoRef("a"), ())
    assert Pool(videos, [VideoEmbeddings({})] * 5).uploaders().tolist() == [0, 1, 2, 0, 3]


def test_embeddings_of_other_videos_are_refused() -> None:
    with pytest.raises(ValueError, match="1 videos, 0 embeddings"):
        Pool([CategorisedVideo(VideoRef("a"), ())], [])


def test_predicted_tags_count_only_where_people_gave_none() -> None:
    tags = [("cat",), (), (" ",), ()]
    videos = [CategorisedVideo(VideoRef(f"v{row}"), names) for row, names in enumerate(tags)]
    predicted = {video: {"dog": 0.4} for video in ("v0", "v1", "v2", "other")}
    pool = Pool(videos, [VideoEmbeddings({})] * 4, predicted)
    assert pool.tags == [{"cat": 1.0}, {"dog": 0.4}, {"dog": 0.4}, {}]
    assert pool.only(np.array([3, 1])).tags == [{}, {"dog": 0.4}]
