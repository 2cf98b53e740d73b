"""What recall learns: the towers, both branches of the classifier, and the training of all."""

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
from recall.train import TagInputs, fit_recall_model
from tagging.config.recall import RecallModelConfig
from tagging.progress import Silent
from tagging.types import VideoEmbeddings
from tests.support.topics import LEARNT, NAMES, Topics, lists, topics


def learnt_from(data: Topics, config: RecallModelConfig = LEARNT, seed: int = 7) -> RecallModel:
    return fit_recall_model(data.videos, data.tags, data.uploaders, TagInputs(NAMES, {}), config, seed, Silent())


def like_names(learnt: RecallModel, limit: int) -> TagSimilarity:
    rows, tag_rows = TagSimilarity.index_rows(learnt, learnt.encode_tags(NAMES))
    return TagSimilarity(learnt, FlatIndex(rows), tag_rows, limit)


@pytest.fixture(scope="module")
def learnt() -> RecallModel:
    return learnt_from(topics(160, seed=1, frames=True))


def share_right(named: list[str], true: list[str]) -> float:
    return float(np.mean([one == other for one, other in zip(named, true, strict=True)]))


def test_unseen_titles_get_their_topic_from_both_branches_and_from_neighbours(learnt: RecallModel) -> None:
    fresh = topics(40, seed=2)
    videos = learnt.queries(fresh.videos)
    similar = like_names(learnt, 3)
    for channel, least in ((Classifier(learnt, 3), 0.95), (similar, 0.8)):
        answers = channel.recall(videos)
        right = [
            answer is not None and NAMES[answer.tag_rows[0]] == t
            for answer, t in zip(answers, fresh.topics, strict=True)
        ]
        assert np.mean(right) >= least, channel.name
    rows = np.stack([video.rows["multimodal"] for video in videos])
    cosines = rows @ rows.T - 2 * np.eye(len(rows))
    assert (
        np.mean([fresh.topics[near] == t for near, t in zip(cosines.argmax(axis=1), fresh.topics, strict=True)]) > 0.9
    )


def test_a_video_with_frames_alone_is_recognised(learnt: RecallModel) -> None:
    looks = np.eye(8, dtype=np.float32)[1]
    [video] = learnt.queries([VideoEmbeddings({"frames": looks})])
    [answer] = Classifier(learnt, 1).recall([video])
    assert answer is not None
    assert NAMES[answer.tag_rows[0]] == "cars"
    assert video.attention == {NGRAMS: 0.0, "frames": 1.0}


def test_attention_is_shared_among_the_views_that_are_there(learnt: RecallModel) -> None:
    looks = np.eye(8, dtype=np.float32)[1]
    [video] = learnt.queries([VideoEmbeddings({"frames": looks}, title="engine racing")])
    assert sum(video.attention.values()) == pytest.approx(1.0)
    assert min(video.attention.values()) > 0


def test_a_tag_of_one_uploader_is_no_label_and_is_still_reached_by_its_name(learnt: RecallModel) -> None:
    assert [NAMES[row] for row in learnt.labels] == ["cats", "cars", "food", "music"]
    [video] = learnt.queries([VideoEmbeddings({}, title="kitten recipe")])
    [answer] = like_names(learnt, len(NAMES)).recall([video])
    assert answer is not None
    assert NAMES.index("kitten recipe") in answer.tag_rows


def test_the_index_of_tags_gives_the_branchs_own_logits(learnt: RecallModel) -> None:
    videos = learnt.queries(topics(8, seed=3).videos)
    tags = learnt.encode_tags(NAMES)
    answers = like_names(learnt, 5).recall(videos)
    for video, answer in zip(videos, answers, strict=True):
        assert video.hidden is not None
        assert answer is not None
        logits = learnt.head(torch.from_numpy(video.hidden[None]), torch.from_numpy(tags))[0] + learnt.tag_bias
        best = logits.topk(5)
        np.testing.assert_array_equal(answer.tag_rows, best.indices.numpy())
        np.testing.assert_allclose(answer.scores, best.values.softmax(0).detach().numpy(), rtol=1e-4)


def test_nothing_known_is_an_honest_nothing(learnt: RecallModel) -> None:
    [video] = learnt.queries([VideoEmbeddings({}, title="≈≈≈")])
    assert video.hidden is None
    assert Classifier(learnt, 3).recall([video]) == [None]
    assert not learnt.encode_tags(["≈≈≈"]).any()


def test_no_videos_are_no_error(learnt: RecallModel) -> None:
    assert learnt.queries([]) == []
    assert Classifier(learnt, 3).recall([]) == []


def test_an_embedding_of_another_width_is_refused(learnt: RecallModel) -> None:
    with pytest.raises(ValueError, match=r"frames embedding of shape \(4,\), the tower was trained on \(8,\)"):
        learnt.queries([VideoEmbeddings({"frames": np.eye(4, dtype=np.float32)[0]})])


def test_the_same_seed_gives_the_same_weights_and_another_does_not() -> None:
    data = topics(64, seed=1)
    short = LEARNT.model_copy(update={"epochs": 1})
    first, again, other = (learnt_from(data, short, seed) for seed in (3, 3, 4))
    assert torch.equal(first.table, again.table)
    assert torch.equal(first.weights, again.weights)
    assert not torch.equal(first.table, other.table)


def test_saved_and_loaded_it_says_the_same(learnt: RecallModel, tmp_path: Path) -> None:
    learnt.save(tmp_path)
    loaded = RecallModel.load(tmp_path)
    fresh = topics(8, seed=5, frames=True).videos
    for one, two in zip(learnt.queries(fresh), loaded.queries(fresh), strict=True):
        assert one.hidden is not None
        assert two.hidden is not None
        np.testing.assert_allclose(one.hidden, two.hidden, atol=2e-2)  # tables are kept in half precision
    first, second = (Classifier(x, 4).recall(x.queries(fresh)) for x in (learnt, loaded))
    assert [a.tag_rows[0] for a in first if a] == [a.tag_rows[0] for a in second if a]


def test_weights_that_do_not_fit_their_ngrams_are_refused(learnt: RecallModel, tmp_path: Path) -> None:
    learnt.save(tmp_path)
    replace(learnt, features=type(learnt.features)({"words": {"one": 1.0}, "pieces": {}})).features.save(
        tmp_path / "ngrams.parquet"
    )
    with pytest.raises(ValueError, match="n-gram vectors, 1 n-grams"):
        RecallModel.load(tmp_path)


def test_without_a_tag_that_two_uploaders_use_there_is_nothing_to_learn() -> None:
    videos = [VideoEmbeddings({}, title="one"), VideoEmbeddings({}, title="two")]
    data = Topics(videos, lists([[0], [1]]), np.array([0, 1]), ["", ""])
    with pytest.raises(ValueError, match="no tag is used by 2 uploaders"):
        learnt_from(data)


def test_a_missing_view_changes_nothing_whatever_its_values() -> None:
    torch.manual_seed(0)
    tower = Tower({"frames": 4}, 8, dropout=0.0).eval()
    present = torch.tensor([[True, False]])
    ngrams = torch.randn(1, 8)
    h, weights = tower({NGRAMS: ngrams, "frames": torch.zeros(1, 4)}, present)
    other, _ = tower({NGRAMS: ngrams, "frames": torch.full((1, 4), 9.0)}, present)
    assert torch.equal(h, other)
    assert weights.tolist() == [[1.0, 0.0]]


def test_a_tag_without_a_place_in_the_graph_is_reached_by_one_who_learnt_from_the_graph() -> None:
    data = topics(160, seed=1)
    places = np.random.default_rng(0).standard_normal((len(NAMES), 4)).astype(np.float32)
    learnt = fit_recall_model(
        data.videos, data.tags, data.uploaders, TagInputs(NAMES, {"graph": places}), LEARNT, 7, Silent()
    )
    assert set(learnt.tags.dims) == {"graph"}
    [video] = learnt.queries([VideoEmbeddings({}, title="kitten purr")])
    rows, tag_rows = TagSimilarity.index_rows(learnt, learnt.encode_tags(NAMES))  # as if all of them were new
    [answer] = TagSimilarity(learnt, FlatIndex(rows), tag_rows, 2).recall([video])
    assert answer is not None
    assert NAMES[answer.tag_rows[0]] == "cats"
    with_places = learnt.encode_tags(NAMES, {"graph": places})
    assert not np.allclose(with_places, learnt.encode_tags(NAMES), atol=1e-3)


def test_without_ngrams_the_dense_views_alone_are_learnt() -> None:
    data = topics(160, seed=1, frames=True)
    learnt = learnt_from(data, LEARNT.model_copy(update={"ngrams": None}))
    assert learnt.features.width == 0
    [words, looks] = learnt.queries(
        [VideoEmbeddings({}, title="kitten"), VideoEmbeddings({"frames": np.eye(8, dtype=np.float32)[1]})]
    )
    assert words.hidden is None
    assert looks.hidden is not None


def test_an_added_tag_has_the_bias_that_training_gives_a_tag_without_videos() -> None:
    data, short = topics(64, seed=1), LEARNT.model_copy(update={"epochs": 1})
    inputs = TagInputs(NAMES, {})
    learnt = fit_recall_model(data.videos, data.tags, data.uploaders, inputs, short, 3, Silent())
    want = learnt.tag_bias[NAMES.index("kitten recipe")].item()
    extended = learnt.with_unused_tags(2)
    assert torch.equal(extended.tag_bias[: len(NAMES)], learnt.tag_bias)
    assert extended.tag_bias[len(NAMES) :].tolist() == pytest.approx([want, want], abs=1e-4)
    assert extended.with_unused_tags(1).tag_bias[-1].item() == pytest.approx(want, abs=1e-4)
