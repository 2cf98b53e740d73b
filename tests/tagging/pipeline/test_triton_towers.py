"""Towers on Triton: what is asked of the server, and that tags are the same. Functions stand for the server."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rank.contrastive import ContrastiveRanker
from rank.towers import TagInput, Towers, VideoInput
from tagging.bundle.manifest import BUNDLE, RANK_WEIGHTS, RECALL_WEIGHTS
from tagging.errors import ArtifactMismatchError, BackendUnavailableError
from tagging.features.triton.client import Request
from tagging.pipeline.class_links import load_linker
from tagging.pipeline.load import load_tagger
from tagging.pipeline.models import PipelineModels
from tagging.pipeline.tag_overlay import TagOverlay
from tagging.pipeline.tagger import Tagger
from tagging.pipeline.triton_towers import towers_on_triton, triton_models
from tagging.tags.edits.catalog_index import CatalogIndex
from tagging.tags.edits.edit_batch import EditBatch
from tagging.tags.edits.history import EditHistory
from tagging.types import Numbered, VideoRef
from tests.support.triton_client import FunctionClient

VIDEOS = [VideoRef("v1", title="kitten purr"), VideoRef("v2", title="engine racing"), VideoRef("v3", title="≈≈≈")]


@pytest.fixture(scope="module")
def tagger(learnt_bundle: Path) -> Iterator[Tagger]:
    with load_tagger(learnt_bundle) as tagger:
        yield tagger


def server_of(bundle: Path, models: PipelineModels) -> FunctionClient:
    """Return a client of the networks of the bundle, in the tensors of the contract."""
    manifest = BUNDLE.read(bundle)
    assert models.recall_stage.parts.recall_model is not None
    assert isinstance(models.ranker, ContrastiveRanker)
    recall, towers = models.recall_stage.parts.recall_model.model.videos, models.ranker.scorer.encoder.towers

    def recall_video(present: NDArray[Any], **views: NDArray[Any]) -> Mapping[str, NDArray[np.float32]]:
        with torch.inference_mode():
            values = {view: torch.from_numpy(rows) for view, rows in views.items()}
            hidden, attention = recall(values, torch.from_numpy(present))
        return {"hidden": hidden.numpy(), "attention": attention.numpy()}

    client = FunctionClient({"recall_video": recall_video, **rank_answers(towers)})
    client.fingerprints = dict.fromkeys(["rank_video", "rank_tags"], manifest.files[RANK_WEIGHTS].sha256[:16])
    client.fingerprints["recall_video"] = manifest.files[RECALL_WEIGHTS].sha256[:16]
    return client


def rank_answers(towers: Towers) -> dict[str, Any]:
    def rank_video(**inputs: NDArray[Any]) -> NDArray[np.float32]:
        tensors = {name: torch.from_numpy(values) for name, values in inputs.items()}
        text, *media = ((tensors[name], tensors[f"{name}_mask"]) for name in ("text", *towers.media_dims))
        return towers.video_rows(VideoInput(text, dict(zip(towers.media_dims, media, strict=True)))).numpy()

    def rank_tags(text: NDArray[Any], text_mask: NDArray[Any], graph: NDArray[Any]) -> NDArray[np.float32]:
        read = torch.from_numpy(text), torch.from_numpy(text_mask)
        return towers.tag_rows(TagInput(read, torch.from_numpy(graph))).numpy()

    return {"rank_video": rank_video, "rank_tags": rank_tags}


@pytest.fixture
def client(learnt_bundle: Path, tagger: Tagger) -> FunctionClient:
    return server_of(learnt_bundle, tagger.models)


@pytest.fixture
def remote(learnt_bundle: Path, tagger: Tagger, client: Any) -> Tagger:
    found = tagger.with_models(towers_on_triton(tagger.models, BUNDLE.read(learnt_bundle), client))
    client.requests.clear()  # the probes
    return found


def answers(tagger: Tagger) -> list[list[tuple[str, float]]]:
    selection = tagger.selection(50, min_confidence=0.0)
    return [[(tag.name, tag.confidence) for tag in tagger.tag(video, selection).tags] for video in VIDEOS]


def test_tags_are_those_of_this_process_and_each_batch_asks_each_tower_once(
    tagger: Tagger, remote: Tagger, client: FunctionClient
) -> None:
    selection = tagger.selection(50, min_confidence=0.0)
    want, got = (list(each.tag_many(VIDEOS, selection)) for each in (tagger, remote))
    assert got == want
    assert {request.version for request in client.requests} == {"7"}
    assert sorted(request.model for request in client.requests) == ["rank_video", "recall_video"]  # no new tags


def test_requests_have_the_tensors_of_the_contract(remote: Tagger, client: FunctionClient) -> None:
    answers(remote)
    models = {model.spec.name: model.spec for model in triton_models(remote.models)}
    assert models.keys() == {"recall_video", "rank_video", "rank_tags"}
    types = {"FP32": np.float32, "BOOL": np.bool_}
    for request in client.requests:
        spec = models[request.model]
        assert list(request.inputs) == [tensor.name for tensor in spec.inputs]
        assert request.outputs == tuple(tensor.name for tensor in spec.outputs)
        for tensor in spec.inputs:
            values = request.inputs[tensor.name]
            assert values.dtype == types[tensor.dtype]
            assert len(values.shape) == 1 + len(tensor.shape)
            assert all(size in (-1, found) for size, found in zip(tensor.shape, values.shape[1:], strict=True))


def test_a_created_tag_is_encoded_by_the_server(
    tagger: Tagger, remote: Tagger, client: FunctionClient, learnt_bundle: Path
) -> None:
    want, got = (edited(each, learnt_bundle, "Zebra crossing") for each in (tagger, remote))
    assert [request.model for request in client.requests] == ["rank_tags"]
    video = VideoRef("q", title="a zebra crossing at night")
    selection = tagger.selection(50, min_confidence=0.0)
    assert got.tag(video, selection) == want.tag(video, selection)
    assert "Zebra crossing" in [tag.name for tag in got.tag(video, selection).tags]
    assert len(triton_models(got.models)) == 3


def edited(tagger: Tagger, bundle: Path, name: str) -> Tagger:
    history = EditHistory.over(CatalogIndex(tagger.models.recall_stage.catalog))
    batch = EditBatch(history.tags, 1)
    batch.create(name)
    history = history.then([Numbered(1 + n, edit) for n, edit in enumerate(batch.edits)])
    models = tagger.models
    linker = partial(load_linker, bundle, BUNDLE.read(bundle), models.encoders, models.recall_stage.catalog)
    overlay = TagOverlay(models, linker)
    return tagger.with_models(overlay.edited(history.tags))


@pytest.mark.parametrize("model", ["recall_video", "rank_video", "rank_tags"])
def test_a_server_with_other_towers_is_refused(model: str, tagger: Tagger, client: Any, learnt_bundle: Path) -> None:
    client.fingerprints[model] = "another"
    with pytest.raises(ArtifactMismatchError, match=f"no version of {model} has the fingerprint"):
        towers_on_triton(tagger.models, BUNDLE.read(learnt_bundle), client)


def test_a_failure_of_the_server_is_that_of_the_batch(
    remote: Tagger, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(requests: list[Request]) -> Any:
        raise BackendUnavailableError("grpc://test: away", "wait")

    monkeypatch.setattr(client, "infer", fail)
    with pytest.raises(BackendUnavailableError, match="away"):
        remote.tag(VIDEOS[0], remote.selection(5))


def test_a_bundle_without_towers_asks_nothing(tiny_starter: Path) -> None:
    client: Any = FunctionClient({})
    with load_tagger(tiny_starter, reads_media=False) as tagger:
        models = towers_on_triton(tagger.models, BUNDLE.read(tiny_starter), client)
        assert triton_models(models) == []
