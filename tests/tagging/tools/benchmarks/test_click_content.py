"""Content of videos by modality."""

import numpy as np

from tagging.recommendation.tables import Catalog
from tagging.tools.benchmarks.click_content import content_rows, standardised, word_rows
from tagging.types import LabelledVideo, VideoEmbeddings, VideoRef


def test_texts_with_the_same_words_are_near_and_unknown_words_are_missing() -> None:
    texts = ["red cat", "red cat", "blue sea", "blue sea", "unheard", ""]
    rows = word_rows(texts)
    cosines = rows @ rows.T
    np.testing.assert_allclose(cosines[0, 1], cosines[0, 0], rtol=1e-4)
    assert abs(cosines[0, 2]) < 1e-4
    assert not rows[4:].any()


def test_present_rows_have_mean_0_and_deviation_1() -> None:
    rows = np.random.default_rng(1).normal(3, [0.1, 5], (50, 2)).astype(np.float32)
    rows[7] = 0
    found = standardised(rows)
    assert not found[7].any()
    present = np.delete(found, 7, axis=0)
    np.testing.assert_allclose(present.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(present.std(axis=0), 1, rtol=1e-5)


def test_a_video_has_content_by_what_it_carries() -> None:
    titles, tags = ["red cat", "red sea", "", "cat sea"], [("big pet",), (), ("big sail",), ("pet sail",)]
    videos = [LabelledVideo(VideoRef(f"v{n}", title=title), tags[n]) for n, title in enumerate(titles)]
    row = np.array([0.6, 0.8], np.float32)
    known = VideoEmbeddings({"text": row})
    embeddings = [known, VideoEmbeddings({"text": row[::-1]}), VideoEmbeddings({}), known]
    rows = content_rows(Catalog(videos, embeddings))
    assert {name: values.any(axis=1).tolist() for name, values in rows.items()} == {
        "tags": [True, False, True, True],
        "words": [True, True, False, True],
        "text": [True, True, False, True],
    }
