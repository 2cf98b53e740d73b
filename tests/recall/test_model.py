"""Recall model: the towers, both branches, and their training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recall.channels.classifier import Classifier
from recall.channels.tag_similarity import TagSimilarity
from recall.index.flat import FlatIndex
from recall.model import RecallModel
from recall.tower import NGRAMS, Tower
from recall.train import ModelInputs, TagInputs, fit_recall_model
from tagging.config.recall import RecallModelConfig
from tagging.progress import Silent
from tagging.types import VideoEmbeddings
from tests.support.topics import LEARNT, NAMES, Topics, lists, topics

CATALOG = TagInputs(NAMES, {})


def trained_on(
    data: Topics, config: RecallModelConfig = LEARNT, seed: int = 7, catalog: TagInputs = CATALOG
) -> RecallModel:
    inputs = ModelInputs.of(data.videos, np.arange(len(data.videos)), catalog, config)
    return fit_recall_model(inputs, data.tags, data.uploaders, config, seed, Silent())


def like_names(trained: RecallModel, limit: int) -> TagSimilarity:
    rows, tag_rows = TagSimilarity.index_rows(trained, trained.encode_tags(NAMES))
    return TagSimilarity(trained, FlatIndex(rows), tag_rows, limit)


@pytest.fixture(scope="module")
def trained() -> RecallModel:
    return trained_on(topics(160, seed=1, frames=True))


def share_right(named: list[str], true: list[str]) -> float:
    return float(np.mean([name == topic for name, topic in zip(named, true, strict=True)]))


def test_unseen_titles_get_their_topic_from_both_branches_and_from_neighbours(trained: RecallModel) -> None:
    fresh = topics(40, seed=2)
    videos = trained.queries(fresh.videos)
    similar = like_names(trained, 3)
    for channel, least in ((Classifier(trained, 3), 0.95), (similar, 0.8)):
        answers = channel.recall(videos)
        right = [
            answer is not None and NAMES[answer.tag_rows[0]] == t
            for answer, t in zip(answers, fresh.topics, strict=True)
        ]
        assert np.mean(right) >= least, channel.name
    rows = np.stack([video.rows["multimodal"] for video in videos])
    cosines = rows @ rows.T - 2 * np.eye(len(rows))
    assert (
        np.mean([fresh.topics[nearest] == t for nearest, t in zip(cosines.argmax(axis=1), fresh.topics, strict=True)])
        > 0.9
    )


def test_a_video_with_frames_only_gets_its_topic(trained: RecallModel) -> None:
    frames = np.eye(8, dtype=np.float32)[1]
    [video] = trained.queries([VideoEmbeddings({"frames": frames})])
    [answer] = Classifier(trained, 1).recall([video])
    assert answer is not None
    assert NAMES[answer.tag_rows[0]] == "cars"
    assert video.attention == {NGRAMS: 0.0, "frames": 1.0}


def test_attention_is_distributed_over_the_present_views(trained: RecallModel) -> None:
    frames = np.eye(8, dtype=np.float32)[1]
    [video] = trained.queries([VideoEmbeddings({"frames": frames}, title="engine racing")])
    assert sum(video.attention.values()) == pytest.approx(1.0)
    assert min(video.attention.values()) > 0


def test_a_tag_of_one_uploader_is_not_a_label_but_is_found_by_its_name(trained: RecallModel) -> None:
    assert [NAMES[row] for row in trained.labels] == ["cats", "cars", "food", "music"]
    [video] = trained.queries([VideoEmbeddings({}, title="kitten recipe")])
    [answer] = like_names(trained, len(NAMES)).recall([video])
    assert answer is not None
    assert NAMES.index("kitten recipe") in answer.tag_rows


def test_the_tag_index_gives_the_logits_of_the_similarity_branch(trained: RecallModel) -> None:
    videos = trained.queries(topics(8, seed=3).videos)
    tags = trained.encode_tags(NAMES)
    answers = like_names(trained, 5).recall(videos)
    for video, answer in zip(videos, answers, strict=True):
        assert video.hidden is not None
        assert answer is not None
        logits = trained.head(torch.from_numpy(video.hidden[None]), torch.from_numpy(tags))[0] + trained.tag_bias
        best = logits.topk(5)
        np.testing.assert_array_equal(answer.tag_rows, best.indices.numpy())
        np.testing.assert_allclose(answer.scores, best.values.softmax(0).detach().numpy(), rtol=1e-4)


def test_a_video_without_known_views_has_no_encoding(trained: RecallModel) -> None:
    [video] = trained.queries([VideoEmbeddings({}, title="≈≈≈")])
    assert video.hidden is None
    assert Classifier(trained, 3).recall([video]) == [None]
    assert not trained.encode_tags(["≈≈≈"]).any()


def test_an_empty_list_of_videos_is_accepted(trained: RecallModel) -> None:
    assert trained.queries([]) == []
    assert Classifier(trained, 3).recall([]) == []


def test_an_embedding_of_another_width_is_rejected(trained: RecallModel) -> None:
    with pytest.raises(ValueError, match=r"frames embedding of shape \(4,\), the tower was trained on \(8,\)"):
        trained.queries([VideoEmbeddings({"frames": np.eye(4, dtype=np.float32)[0]})])


def test_the_same_seed_gives_the_same_weights_and_another_does_not() -> None:
    data = topics(64, seed=1)
    short = LEARNT.model_copy(update={"epochs": 1})
    first, again, other = (trained_on(data, short, seed) for seed in (3, 3, 4))
    assert torch.equal(first.table, again.table)
    assert torch.equal(first.weights, again.weights)
    assert not torch.equal(first.table, other.table)


def test_a_saved_model_gives_the_same_encodings_after_loading(trained: RecallModel, tmp_path: Path) -> None:
    trained.save(tmp_path)
    loaded = RecallModel.load(tmp_path)
    fresh = topics(8, seed=5, frames=True).videos
    for first, second in zip(trained.queries(fresh), loaded.queries(fresh), strict=True):
        assert first.hidden is not None
        assert second.hidden is not None
        np.testing.assert_allclose(first.hidden, second.hidden, atol=2e-2)  # tables are kept in half precision
    before, after = (Classifier(model, 4).recall(model.queries(fresh)) for model in (trained, loaded))
    assert [tags.tag_rows[0] for tags in before if tags] == [tags.tag_rows[0] for tags in after if tags]


def test_weights_that_do_not_match_their_ngrams_are_rejected(trained: RecallModel, tmp_path: Path) -> None:
    trained.save(tmp_path)
    replace(trained, features=type(trained.features)({"words": {"one": 1.0}, "pieces": {}})).features.save(
        tmp_path / "ngrams.parquet"
    )
    with pytest.raises(ValueError, match="n-gram vectors, 1 n-grams"):
        RecallModel.load(tmp_path)


def test_training_needs_a_tag_of_two_uploaders() -> None:
    videos = [VideoEmbeddings({}, title="one"), VideoEmbeddings({}, title="two")]
    data = Topics(videos, lists([[0], [1]]), np.array([0, 1]), ["", ""])
    with pytest.raises(ValueError, match="no tag is used by 2 uploaders"):
        trained_on(data)


def test_the_values_of_a_missing_view_have_no_effect() -> None:
    torch.manual_seed(0)
    tower = Tower({"frames": 4}, 8, dropout=0.0).eval()
    present = torch.tensor([[True, False]])
    ngrams = torch.randn(1, 8)
    h, weights = tower({NGRAMS: ngrams, "frames": torch.zeros(1, 4)}, present)
    other, _ = tower({NGRAMS: ngrams, "frames": torch.full((1, 4), 9.0)}, present)
    assert torch.equal(h, other)
    assert weights.tolist() == [[1.0, 0.0]]


def test_a_model_trained_with_the_graph_finds_tags_outside_the_graph() -> None:
    data = topics(160, seed=1)
    embeddings = np.random.default_rng(0).standard_normal((len(NAMES), 4)).astype(np.float32)
    trained = trained_on(data, catalog=TagInputs(NAMES, {"graph": embeddings}))
    assert set(trained.tags.dims) == {"graph"}
    [video] = trained.queries([VideoEmbeddings({}, title="kitten purr")])
    rows, tag_rows = TagSimilarity.index_rows(trained, trained.encode_tags(NAMES))  # as if all of them were new
    [answer] = TagSimilarity(trained, FlatIndex(rows), tag_rows, 2).recall([video])
    assert answer is not None
    assert NAMES[answer.tag_rows[0]] == "cats"
    with_graph = trained.encode_tags(NAMES, {"graph": embeddings})
    assert not np.allclose(with_graph, trained.encode_tags(NAMES), atol=1e-3)


def test_without_ngrams_the_model_uses_the_dense_views_only() -> None:
    data = topics(160, seed=1, frames=True)
    trained = trained_on(data, LEARNT.model_copy(update={"ngrams": None}))
    assert trained.features.width == 0
    [words, frames] = trained.queries(
        [VideoEmbeddings({}, title="kitten"), VideoEmbeddings({"frames": np.eye(8, dtype=np.float32)[1]})]
    )
    assert words.hidden is None
    assert frames.hidden is not None


def test_an_added_tag_has_the_bias_that_training_gives_a_tag_without_videos() -> None:
    trained = trained_on(topics(64, seed=1), LEARNT.model_copy(update={"epochs": 1}), seed=3)
    want = trained.tag_bias[NAMES.index("kitten recipe")].item()
    extended = trained.with_unused_tags(2)
    assert torch.equal(extended.tag_bias[: len(NAMES)], trained.tag_bias)
    assert extended.tag_bias[len(NAMES) :].tolist() == pytest.approx([want, want], abs=1e-4)
    assert extended.with_unused_tags(1).tag_bias[-1].item() == pytest.approx(want, abs=1e-4)


def test_encoding_the_inputs_of_training_equals_reading_the_texts_again() -> None:
    data = topics(80, seed=1, frames=True)
    rows = np.arange(0, 80, 2)
    inputs = ModelInputs.of(data.videos, rows, CATALOG, LEARNT)
    tags = data.tags.only(rows)
    trained = fit_recall_model(inputs, tags, data.uploaders[rows], LEARNT, 7, Silent())
    again = trained_on(
        replace(data, videos=[data.videos[row] for row in rows.tolist()], tags=tags, uploaders=data.uploaders[rows])
    )
    assert torch.equal(trained.table, again.table)
    for got, want in zip(trained.queries_of(data.videos, inputs.videos), again.queries(data.videos), strict=True):
        np.testing.assert_array_equal(got.hidden, want.hidden)
    np.testing.assert_array_equal(trained.tag_rows(inputs.tags), again.encode_tags(NAMES))


def test_speech_is_a_view_of_its_own_that_only_its_videos_have() -> None:
    data = topics(160, seed=1)
    directions = np.eye(8, dtype=np.float32)
    videos = [
        replace(video, rows={"speech": directions[number % 4]}) if number % 2 else video
        for number, video in enumerate(data.videos)
    ]
    trained = trained_on(replace(data, videos=videos))
    assert trained.videos.dims == {"speech": 8}
    spoken, silent = trained.queries(
        [VideoEmbeddings({"speech": directions[1]}), VideoEmbeddings({}, title="engine racing")]
    )
    assert spoken.attention["speech"] == pytest.approx(1.0)
    assert silent.attention["speech"] == 0.0
    [answer] = Classifier(trained, 1).recall([spoken])
    assert answer is not None
    assert NAMES[answer.tag_rows[0]] == "cars"
