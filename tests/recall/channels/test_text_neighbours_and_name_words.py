"""N-gram features, text neighbours, and the name-words channel."""

from pathlib import Path

import numpy as np
import pytest

from recall.channels.name_words import NameWordsChannel
from recall.channels.text_neighbours import TextNeighbours
from recall.name_words import NAME_FEATURES, NameWords, script
from recall.neighbours.text_search import TextSearch
from recall.ngrams import NgramFeatures
from recall.query import RecallQuery
from tagging.config.recall import NgramConfig, RecallConfig
from tagging.types import VideoEmbeddings
from tests.support.queries import query_of
from tests.support.topics import lists, voters

TEXTS = ["Minecraft house tutorial", "minecraft HOUSE build", "приготовить борщ", "สอนทำอาหารไทย", "สอนทำอาหาร"]


@pytest.fixture(scope="module")
def features() -> NgramFeatures:
    return NgramFeatures.fit(TEXTS, NgramConfig(least=1))


def test_rows_are_unit_and_texts_of_a_script_without_spaces_share_pieces(features: NgramFeatures) -> None:
    rows = features.transform(TEXTS)
    assert rows.dtype == np.float32
    assert np.asarray(rows.multiply(rows).sum(axis=1)).ravel() == pytest.approx(np.ones(5), abs=1e-5)
    cosines = (rows @ rows.T).toarray()
    assert cosines[3, 4] > 0.3
    assert cosines[0, 1] > 0.3
    assert cosines[0, 2] == 0


def test_a_text_without_a_known_ngram_has_an_empty_row(features: NgramFeatures) -> None:
    assert features.transform(["", "zzz qqq", "⁂"]).getnnz(axis=1).tolist() == [0, 0, 0]
    assert NgramFeatures.fit(["", ""], NgramConfig()).transform(["a"]).shape == (1, 0)


def test_saved_ngrams_are_equal_after_loading(features: NgramFeatures, tmp_path: Path) -> None:
    features.save(tmp_path / "ngrams.parquet")
    loaded = NgramFeatures.load(tmp_path / "ngrams.parquet")
    assert (abs(loaded.transform(TEXTS) - features.transform(TEXTS)) > 1e-6).nnz == 0


def test_videos_with_similar_texts_vote(features: NgramFeatures) -> None:
    voting = voters(lists([[0], [0, 1], [2], [3], [3]]), range(5))
    channel = TextNeighbours(TextSearch(features.transform(TEXTS)), voting, RecallConfig())
    cooking, nothing = channel.recall(
        [query_of(VideoEmbeddings({}, title=title), features) for title in ("ทำอาหาร", "⁂")]
    )
    assert nothing is None
    assert cooking is not None
    assert cooking.tag_rows.tolist() == [3]
    assert set(cooking.neighbours.video_rows.tolist()) == {3, 4}


def test_names_whose_words_all_occur_are_proposed_in_any_order() -> None:
    words = NameWords(["letra becerra", "maria becerra", "becerra", "TINI", "maria callas", "!!!"])
    [tags] = NameWordsChannel(words, np.arange(6), 10).recall(
        [RecallQuery.of(VideoEmbeddings({}, title="TINI, Maria Becerra - Miénteme (Letra)"))]
    )
    assert tags is not None
    assert set(tags.tag_rows.tolist()) == {0, 1, 2, 3}
    assert tags.scores[0] == tags.scores.max() <= 1
    assert tags.evidence[0].text == "TINI, Maria Becerra - Miénteme (Letra)"
    assert NameWordsChannel(words, np.arange(6), 10).recall([RecallQuery.of(VideoEmbeddings({}))]) == [None]


def test_name_features_describe_the_occurrence_of_a_name() -> None:
    words = NameWords(["maria becerra", "becerra maria", "aria", "опера", "maria callas"])
    signs = words.features("Maria Becerra live", np.arange(5))
    by_name = {name: signs[:, column].tolist() for column, name in enumerate(NAME_FEATURES)}
    assert by_name["words in text"] == [1, 1, 0, 0, 0.5]
    assert by_name["whole in text"] == [1, 0, 0, 0, 0]
    assert by_name["letters in text"] == [1, 0, 1, 0, 0]
    assert by_name["name words"] == [2, 2, 1, 1, 2]
    assert by_name["text words"] == [3] * 5
    assert by_name["same script"] == [1, 1, 1, 0, 1]


def test_the_script_of_a_text_is_that_of_most_letters() -> None:
    assert [script(text) for text in ("Maria", "Мария", "安倍", "123 !", "")] == ["LATIN", "CYRILLIC", "CJK", "", ""]
