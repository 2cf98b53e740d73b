"""Model contract of the Triton repository."""

import pytest

from tagging.features.networks import contract
from tagging.features.networks.contract import Tensor


def test_a_version_is_found_by_the_fingerprint_that_the_parameters_state() -> None:
    parameters = contract.fingerprint_parameters({1: "aaaa", 12: "bbbb"})
    assert contract.versions_by_fingerprint({**parameters, "other": "cccc"}) == {"aaaa": 1, "bbbb": 12}


def test_a_tensor_without_a_size_is_rejected() -> None:
    with pytest.raises(ValueError, match="tokens of shape"):
        Tensor("tokens", "FP32", (0,))


def test_the_tag_tower_reads_graph_embeddings_only_if_there_are_any() -> None:
    names = [[tensor.name for tensor in contract.rank_tags_model(384, dim, 256).inputs] for dim in (0, 128)]
    assert names == [["text", "text_mask"], ["text", "text_mask", "graph"]]


def test_the_recall_tower_has_an_input_for_each_view_and_a_mask_over_all() -> None:
    spec = contract.recall_video_model(64, {"text": 384, "frames": 256})
    assert {tensor.name: tensor.shape for tensor in spec.inputs} == {
        "ngrams": (64,), "text": (384,), "frames": (256,), "present": (3,),
    }  # fmt: skip
    assert {tensor.name: tensor.shape for tensor in spec.outputs} == {"hidden": (64,), "attention": (3,)}
