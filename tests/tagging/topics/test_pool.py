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
