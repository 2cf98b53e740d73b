"""The two towers find a planted order, of videos that were watched and of new ones; baselines do not."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tagging.errors import InvalidManifestError, NothingToLearnError, TrainingDivergedError
from tagging.progress import Silent
from tagging.ragged import Ragged
from tagging.recommendation.baselines import ItemNeighbours, TextProfile
from tagging.recommendation.measures import Recommender, measures, recommended
from tagging.recommendation.split import Cases, divide
from tagging.recommendation.two_towers import model as model_module
from tagging.recommendation.two_towers.learn import learn_towers
from tagging.recommendation.two_towers.model import RecommendationModel
from tagging.types import LabelledVideo, VideoEmbeddings, VideoRef
from tests.support.watching import TINY, VIDEOS, catalog, group_of, walks


def in_right_group(system: Recommender, cases: Cases) -> float:
    """Return the share of the first recommendations that are of the group that follows the last video."""
    found = recommended(system, cases, top=1)[:, 0]
    return float(
        np.mean([group_of(video) == group_of(int(target)) for video, target in zip(found, cases.targets, strict=True)])
    )


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_towers_find_the_order_that_neighbours_miss(loss: str) -> None:
    division = divide(walks(), VIDEOS, "last", "test", 1)
    config = TINY.model_copy(update={"loss": loss, "popularity": 0.5 if loss == "softmax" else 0.0})
    model = learn_towers(catalog(), division.training, config, Silent())
    assert in_right_group(model, division.cases) > 0.9
    assert in_right_group(ItemNeighbours(division.training, VIDEOS), division.cases) < 0.6


def test_new_videos_are_recommended_by_their_tags() -> None:
    videos = catalog()
    division = divide(walks(), VIDEOS, "new", "test", 3)
    groups = {group_of(video) for video in division.cases.candidates.tolist()}
    assert len(groups) > 3
    follows = np.array([group_of(int(target)) in groups for target in division.cases.targets])
    assert follows.all()
    model = learn_towers(videos, division.training, TINY, Silent())
    assert in_right_group(model, division.cases) > 0.9
    without = learn_towers(
        videos, division.training, TINY.model_copy(update={"views": ("id", "text", "words")}), Silent()
    )
    titles = TextProfile([video.video.text for video in videos.videos])
    for system in (without, titles, ItemNeighbours(division.training, VIDEOS)):
        assert in_right_group(system, division.cases) < 0.6


def test_the_seed_decides_the_weights() -> None:
    config = TINY.model_copy(update={"epochs": 2, "dropout": 0.1})
    first, again, other = (
        learn_towers(catalog(), walks(50), config.model_copy(update={"seed": seed}), Silent()) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.vectors, again.vectors)
    assert np.abs(first.vectors - other.vectors).max() > 0.01


def test_training_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    learn_towers(catalog(), walks(20), TINY.model_copy(update={"epochs": 1}), Silent())
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize(
    "users", [[[1], [2]], [[1, 2, 3]], [[1, 2], [2, 1]], [[1, 2, 3], [2]], [list(range(TINY.history + 9))]]
)
def test_users_without_a_case_or_a_negative_teach_nothing(users: list[list[int]]) -> None:
    with pytest.raises(NothingToLearnError, match=f"none of {len(users)} users has two videos, and a negative"):
        learn_towers(catalog(), Ragged.of(users), TINY, Silent())


def test_two_videos_and_one_of_another_user_are_enough() -> None:
    model = learn_towers(catalog(), Ragged.of([[1, 2], [3]]), TINY, Silent())
    scores = model.scores(Ragged.of([[1]]), np.array([2, 3]))[0]
    assert scores[0] > scores[1]


def test_a_video_without_any_of_the_views_is_left_out() -> None:
    videos = catalog()
    config = TINY.model_copy(update={"views": ("text",), "epochs": 2})
    model = learn_towers(videos, walks(50), config, Silent())
    assert np.isfinite(model.vectors).all()
    assert model.vectors.any(axis=1).tolist() == [video % 5 > 0 for video in range(VIDEOS)]
    with pytest.raises(InvalidManifestError, match=r"none of \d+ watched videos has one of the views audio"):
        learn_towers(videos, walks(50), config.model_copy(update={"views": ("audio",)}), Silent())


@pytest.fixture(scope="module")
def small() -> RecommendationModel:
    training = Ragged.of([[video for video in user if video < 60] for user in lists(walks(100))])
    return learn_towers(catalog(), training, TINY.model_copy(update={"epochs": 1}), Silent())


def lists(packed: Ragged) -> list[list[int]]:
    return [packed.at(row).tolist() for row in range(len(packed))]


def test_a_user_is_the_same_alone_and_among_others(small: RecommendationModel) -> None:
    histories = [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [70], [5, 6]]
    together = small.users(Ragged.of(histories))
    for row, history in enumerate(histories):
        np.testing.assert_allclose(together[row], small.users(Ragged.of([history]))[0], atol=1e-6)
    np.testing.assert_allclose(together[0], small.users(Ragged.of([histories[0][-8:]]))[0], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)


def test_a_user_by_the_vectors_of_the_history_is_the_user_by_its_rows(small: RecommendationModel) -> None:
    for history in ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [70]):
        user = small.user(small.vectors[history])
        np.testing.assert_allclose(user, small.users(Ragged.of([history]))[0], atol=1e-6)
    with_nothing = np.concatenate([small.vectors[[5]], np.zeros_like(small.vectors[:9]), small.vectors[[6]]])
    np.testing.assert_allclose(small.user(with_nothing), small.users(Ragged.of([[5, 6]]))[0], atol=1e-6)
    assert not small.user(with_nothing[1:10]).any()
    assert not small.user(with_nothing[:0]).any()


def test_a_video_of_which_nothing_is_known_is_never_recommended(small: RecommendationModel) -> None:
    added = small.with_videos([LabelledVideo(VideoRef("bare"), ("never seen",))], [VideoEmbeddings({})])
    assert not added.vectors[VIDEOS].any()
    scores = added.scores(Ragged.of([[1, 2], [VIDEOS, 2], [VIDEOS]]), np.array([3, VIDEOS]))
    assert scores[:, 1].tolist() == [-np.inf] * 3
    np.testing.assert_allclose(scores[1, 0], small.scores(Ragged.of([[2]]), np.array([3]))[0, 0], atol=1e-6)
    assert scores[2, 0] == 0


def test_videos_are_encoded_in_parts(small: RecommendationModel, monkeypatch: pytest.MonkeyPatch) -> None:
    videos = catalog()
    monkeypatch.setattr(model_module, "ITEMS_AT_ONCE", 7)
    again = RecommendationModel.of(small.towers, small.vocabulary, videos.videos, videos.embeddings)
    np.testing.assert_allclose(again.vectors, small.vectors, atol=1e-6)


def test_the_id_of_a_video_without_users_is_missing(small: RecommendationModel) -> None:
    videos = catalog()
    items = small.vocabulary.items(videos.videos, videos.embeddings)
    assert [len(items.fields["id"].at(video)) for video in (3, 59, 60, 71)] == [1, 1, 0, 0]
    twin = [replace(videos.videos[60], video=replace(videos.videos[60].video, video_id="twin"))]
    added = small.with_videos(twin, [videos.embeddings[60]])
    np.testing.assert_allclose(added.vectors[VIDEOS], small.vectors[60], atol=1e-6)


def test_measures_of_the_model_are_those_of_its_ranking(small: RecommendationModel) -> None:
    cases = divide(walks(100), VIDEOS, "last", "test", 1).cases
    hits = 0
    for case in range(len(cases)):
        history = cases.histories.at(case)
        cosines = small.users(Ragged.of([history]))[0] @ small.vectors.T
        cosines[history] = -2
        hits += int(cases.targets[case]) in np.argsort(-cosines)[:10]
    assert measures(recommended(small, cases), cases.targets)["HR@10"] == pytest.approx(hits / len(cases), abs=0.011)


def test_a_training_that_diverges_is_one_error() -> None:
    config = TINY.model_copy(update={"rate": 1e30, "batch": 128, "epochs": 1})
    with pytest.raises(TrainingDivergedError, match="diverged"):
        learn_towers(catalog(), walks(100), config, Silent())


def test_users_without_a_video_teach_nothing() -> None:
    with pytest.raises(NothingToLearnError, match="none of 2 users has a video"):
        learn_towers(catalog(), Ragged.of([[], []]), TINY, Silent())
