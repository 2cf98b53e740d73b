"""Training of rank: which videos the towers of each fold are trained on, and where their trainings are saved."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recall.fusion import Fusion
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.config.profiles import load_config
from tagging.progress import Silent
from tagging.ragged import Ragged
from tagging.tags.catalog import build_catalog
from tagging.tags.graph import TagGraph
from tagging.training.rank import train_rank
from tagging.training.recall import HeldOutCandidates, TrainedRecall
from tagging.training.training_set import TrainingSet
from tagging.training.video_split import split_videos
from tagging.types import Candidates, RankInput, VideoEmbeddings, VideoRef
from tests.support.configs import with_training

VIDEOS = 400


@dataclass(slots=True)
class Training:
    """Stands for the towers: knows what it was trained on, and is right about the tags of no other video."""

    ids: set[str]
    checkpoint: Path | None = None
    queried: set[str] = field(default_factory=set)

    @property
    def graph(self) -> TagGraph:
        return None  # type: ignore[return-value]

    def train(self, *arguments: Any) -> "Training":
        recalled, self.checkpoint = arguments[-2:]
        assert len(recalled) == len(self.ids)
        return self

    def cosines(self, videos: list[RankInput]) -> list[np.ndarray]:
        self.queried |= {video.video.video_id for video in videos}
        return [np.linspace(0, 1, len(video.candidates.tag_rows), dtype=np.float32) for video in videos]


@pytest.mark.parametrize(("blended", "trainings"), [(80, 1), (81, 6)])
def test_the_trees_learn_from_towers_that_do_not_know_the_videos(
    blended: int, trainings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Training] = []

    def build(training_set: TrainingSet, *_: Any) -> Training:
        found.append(Training({video.video_id for video in training_set.videos}))
        return found[-1]

    monkeypatch.setattr("tagging.training.rank.build_rank_data", build)
    config = with_training(load_config("offline"), blended=blended, least_videos=100)
    catalog, tags = build_catalog([("cat", "dog") if row % 2 else ("cat",) for row in range(VIDEOS)], 1)
    ids = tuple(f"v{row}" for row in range(VIDEOS))
    owners = tuple(f"u{row % 60}" for row in range(VIDEOS))
    labelled = LabelledVideos(ids, ids, owners, tags)
    embeddings = [VideoEmbeddings({}, title=name) for name in ids]
    training_set = TrainingSet([VideoRef(name) for name in ids], labelled, catalog, embeddings, {})
    split = split_videos(labelled, config.training)

    def proposed(rows: np.ndarray) -> HeldOutCandidates:
        probabilities = np.array([0.6, 0.4], np.float32)
        both = Candidates(np.arange(2), ("text",), np.full((2, 1), 0.5, np.float32), probabilities=probabilities)
        return HeldOutCandidates(rows, [both] * len(rows))

    recall = TrainedRecall(
        None, Fusion(None, None, None), split,  # type: ignore[arg-type]
        [proposed(fold.held_out) for fold in split.folds], proposed(split.control), Ragged.of([[]] * VIDEOS),
    )  # fmt: skip
    trained = train_rank(training_set, recall, None, config, Silent(), Path("towers.pt"))

    assert trained.videos == len(split.learnt)
    assert len(found) == trainings
    for training, fold in zip(found, split.folds, strict=False):
        assert training.queried == {ids[row] for row in fold.held_out.tolist()}
        assert not training.queried & training.ids
    assert found[-1].ids == {ids[row] for row in split.learnt.tolist()}
    files = [training.checkpoint for training in found]
    assert files[-1] == Path("towers.pt")
    assert len(set(files)) == trainings
