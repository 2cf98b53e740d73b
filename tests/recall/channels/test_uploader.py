"""Uploader channel: the tags that an uploader uses most."""

import numpy as np
import pytest

from recall.channels.uploader import UploaderTags
from recall.neighbours.table import LabelledTable
from recall.query import RecallQuery
from tagging.types import VideoEmbeddings
from tests.support.topics import lists


def test_tags_are_scored_by_their_share_of_the_uploaders_videos() -> None:
    names, uploader_ids = ["1", "2", "3", "4"], ["a", "a", "b", None]
    channel = UploaderTags(
        LabelledTable(names, names, uploader_ids, np.array([0, 0, 1, 2]), lists([[0, 1], [0], [2], [3]])), limit=5
    )
    known, unknown, silent = channel.recall(
        [
            RecallQuery.of(VideoEmbeddings({}, uploader_id="a")),
            RecallQuery.of(VideoEmbeddings({}, uploader_id="c")),
            RecallQuery.of(VideoEmbeddings({}, title="x")),
        ]
    )
    assert unknown is None
    assert silent is None
    assert known is not None
    assert known.tag_rows.tolist() == [0, 1]
    assert known.scores.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert known.evidence[0].text == "on 2 of the uploader's 2 labelled videos"
