"""Towers of recall and of the ranker on Triton: the forward passes of a loaded bundle's towers as requests.

Everything around them stays in this process: n-grams and their table, padding, the linear and the similarity branch,
the re-ranker. The weights stay loaded, too; they are small next to those of the encoders.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from rank.base import Ranker
from rank.contrastive import ContrastiveRanker
from rank.padding import Padded
from rank.towers import TagInput, VideoInput
from recall.tower import Tower
from tagging.bundle.manifest import RANK_WEIGHTS, RECALL_WEIGHTS, BundleManifest
from tagging.features.networks.contract import rank_tags_model, rank_video_model, recall_video_model
from tagging.features.triton.client import TritonClient
from tagging.features.triton.model import TritonModel
from tagging.features.triton.runtime import models_of
from tagging.pipeline.models import PipelineModels
from tagging.pipeline.recall_stage import RecallStage


class TritonVideoTower:
    """The video tower of the recall model; a TowerForward."""

    def __init__(self, views: Sequence[str], model: TritonModel) -> None:
        """views: of the tower, in its order"""
        self._views = views
        self.model = model

    def __call__(self, values: Mapping[str, Tensor], present: Tensor, /) -> tuple[Tensor, Tensor]:
        inputs = {view: values[view].numpy() for view in self._views}
        found = self.model.outputs({**inputs, "present": present.numpy()})
        return torch.from_numpy(found["hidden"]), torch.from_numpy(found["attention"])


class TritonTowers:
    """The towers of the ranker; a TowersForward."""

    def __init__(self, videos: TritonModel, tags: TritonModel) -> None:
        self.videos = videos
        self.tags = tags

    def video_rows(self, inputs: VideoInput) -> Tensor:
        """Return (B, D) unit rows; zeros for a video without a token."""
        arrays = _named("text", inputs.text)
        for name, tokens in inputs.media.items():
            arrays |= _named(name, tokens)
        return torch.from_numpy(self.videos.rows(arrays))

    def tag_rows(self, inputs: TagInput) -> Tensor:
        """Return (M, D) unit rows."""
        arrays = _named("text", inputs.text)
        if inputs.graph.shape[1]:
            arrays["graph"] = inputs.graph.numpy()
        return torch.from_numpy(self.tags.rows(arrays))


def towers_on_triton(models: PipelineModels, manifest: BundleManifest, client: TritonClient) -> PipelineModels:
    """Return the models with their towers on Triton, those that the bundle has.

    Raises ArtifactMismatchError if it does not hold them, BackendUnavailableError if it is away.
    """
    recall_stage, ranker = models.recall_stage, models.ranker
    if (parts := recall_stage.parts.recall_model) is not None:
        tower = _video_tower(parts.model.videos, manifest.weights_fingerprint(RECALL_WEIGHTS), client)
        recall_parts = replace(recall_stage.parts, recall_model=replace(parts, tower=tower))
        recall_stage = replace(recall_stage, parts=recall_parts)
    if isinstance(ranker, ContrastiveRanker):
        ranker = _ranker(ranker, manifest.weights_fingerprint(RANK_WEIGHTS), client)
    return replace(models, recall_stage=recall_stage, ranker=ranker)


def triton_models(models: PipelineModels) -> list[TritonModel]:
    """Return the models on Triton that a bundle runs."""
    encoders = models.encoders
    return [*models_of([*encoders.present().values(), *encoders.readers().values()]), *towers_of(models)]


def towers_of(models: PipelineModels) -> list[TritonModel]:
    """Return the towers on Triton that a bundle runs."""
    return [*_of_recall(models.recall_stage), *_of_ranker(models.ranker)]


def _video_tower(tower: Tower, fingerprint: str, client: TritonClient) -> TritonVideoTower:
    spec = recall_video_model(tower.width, tower.dims)
    return TritonVideoTower(tower.views, TritonModel.find(client, spec, fingerprint))


def _ranker(ranker: ContrastiveRanker, fingerprint: str, client: TritonClient) -> ContrastiveRanker:
    scorer, towers = ranker.scorer, ranker.scorer.encoder.towers
    videos = rank_video_model(towers.text_dim, towers.media_dims, towers.width)
    tags = rank_tags_model(towers.text_dim, towers.graph_dim, towers.width)
    remote = TritonTowers(*(TritonModel.find(client, spec, fingerprint) for spec in (videos, tags)))
    return replace(ranker, scorer=replace(scorer, encoder=replace(scorer.encoder, remote=remote)))


def _of_recall(stage: RecallStage) -> list[TritonModel]:
    parts = stage.parts.recall_model
    return [parts.tower.model] if parts is not None and isinstance(parts.tower, TritonVideoTower) else []


def _of_ranker(ranker: Ranker) -> list[TritonModel]:
    remote = ranker.scorer.encoder.remote if isinstance(ranker, ContrastiveRanker) else None
    return [remote.videos, remote.tags] if isinstance(remote, TritonTowers) else []


def _named(name: str, tokens: Padded) -> dict[str, NDArray[Any]]:
    values, mask = tokens
    return {name: values.numpy(), f"{name}_mask": mask.numpy()}
