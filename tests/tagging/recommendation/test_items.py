"""Views of videos, and the vocabulary, which knows only the videos that are learnt from."""

import numpy as np
import pytest

from tagging.recommendation.items import FIELDS, Vocabulary, build_vocabulary
from tagging.types import LabelledVideo, VideoEmbeddings, VideoRef

UNIT = np.eye(3, dtype=np.float32)
VIDEOS = [
    LabelledVideo(VideoRef("a", title="Cats nap", uploader_id="ann"), ("Funny cats", "pets")),
    LabelledVideo(VideoRef("b", title="cats play", uploader_id="ann"), ("funny  cats",)),
    LabelledVideo(VideoRef("c", title="dogs", uploader_id="bob"), ("funny dogs", "pets")),
    LabelledVideo(VideoRef("new", title="Nap of the dogs", uploader_id="bob"), ("pets", "funny dogs")),
]
EMBEDDINGS = [
    VideoEmbeddings({"text": UNIT[0]}),
    VideoEmbeddings({}),
    VideoEmbeddings({"text": UNIT[1]}),
    VideoEmbeddings({"text": UNIT[2], "audio": UNIT[0]}),
]


def vocabulary(views: tuple[str, ...] = (*FIELDS, "text", "audio")) -> Vocabulary:
    return build_vocabulary(VIDEOS, EMBEDDINGS, np.array([0, 1, 2]), views, 2)


def test_the_vocabulary_has_names_of_several_learnt_videos() -> None:
    found = vocabulary()
    assert sorted(found.tags.rows_by_spelling) == ["funny cats", "pets"]
    assert sorted(found.words) == ["cats", "funny", "pets"]
    assert list(found.uploaders) == ["ann"]
    assert list(found.ids) == ["a", "b", "c"]
    assert found.dims == {"text": 3}  # no learnt video has sound


def test_items_list_the_rows_of_each_view_and_mask_the_missing() -> None:
    found = vocabulary()
    items = found.items(VIDEOS, EMBEDDINGS)
    tag_row = found.tags.rows_by_spelling
    fields = {name: [lists.at(video).tolist() for video in range(4)] for name, lists in items.fields.items()}
    assert fields["id"] == [[0], [1], [2], []]
    assert fields["tags"][3] == [tag_row["pets"]]
    assert fields["tags"][0] == sorted([tag_row["funny cats"], tag_row["pets"]])
    assert {found.words["cats"], found.words["funny"], found.words["pets"]} == set(fields["tag words"][0])
    assert fields["words"][1] == [found.words["cats"]]
    assert fields["uploader"] == [[0], [0], [], []]
    views = [*items.fields, *items.dense]
    assert views == [*FIELDS, "text"]
    expected = [[bool(fields[view][video]) for view in items.fields] + [video != 1] for video in range(4)]
    assert items.present.tolist() == expected
    assert items.dense["text"][3].tolist() == [0, 0, 1]


def test_a_view_that_is_not_asked_for_is_not_read() -> None:
    items = vocabulary(("text", "tags")).items(VIDEOS, EMBEDDINGS)
    assert (list(items.fields), list(items.dense)) == (["tags"], ["text"])


def test_a_row_of_another_width_is_refused() -> None:
    other = VideoEmbeddings({"text": np.eye(4, dtype=np.float32)[0]})
    with pytest.raises(ValueError, match="text embedding of shape"):
        vocabulary().items(VIDEOS[:1], [other])
