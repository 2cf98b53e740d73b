"""Fitting of the words that EfficientNet-Lite2 proposes beside the classes of ImageNet."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tagging.errors import ArtifactMismatchError
from tagging.features.frame_words import FILE, FrameWords, read_classes
from tagging.tools.distillation.frame_words import MOST_COMMON, fit_words, write_words


def test_a_word_is_learnt_from_the_direction_of_its_pictures() -> None:
    rng = np.random.default_rng(0)
    tokens = rng.standard_normal((400, 8)).astype(np.float32) * 3 + 5
    labels = [["sea"] if row[2] > 9 else [] for row in tokens]
    weights, biases = fit_words(tokens, labels, ["sea"])
    logits = tokens @ weights[0] + biases[0]
    is_sea = tokens[:, 2] > 9
    assert logits[is_sea].mean() > np.quantile(logits[~is_sea], 0.9)
    assert np.abs(weights[0]).argmax() == 2


def test_a_word_on_most_pictures_is_taken_to_be_rarer_elsewhere() -> None:
    """The mean probability is the share of a word that is not rare; without any information it is the base rate."""
    tokens = np.random.default_rng(1).standard_normal((1000, 4)).astype(np.float32)
    labels = [["man"] if row % 2 else (["sea"] if row % 20 == 0 else []) for row in range(1000)]
    weights, biases = fit_words(tokens, labels, ["man", "sea"])
    means = (1 / (1 + np.exp(-(tokens @ weights.T + biases)))).mean(axis=0)
    assert means == pytest.approx([MOST_COMMON, 0.05], abs=0.01)


def test_what_is_written_is_read_within_half_precision(tmp_path: Path) -> None:
    names, _ = read_classes("frame_words.csv")
    rng = np.random.default_rng(2)
    weights = rng.standard_normal((len(names), 6)).astype(np.float32)
    biases = rng.standard_normal(len(names)).astype(np.float32)
    write_words(weights, biases, tmp_path / "words.safetensors")
    tokens = rng.standard_normal((3, 6)).astype(np.float32)
    got = FrameWords(tmp_path / "words.safetensors", 6).probabilities(torch.from_numpy(tokens))
    want = 1 / (1 + np.exp(-(tokens @ weights.T + biases)))
    np.testing.assert_allclose(got.numpy(), want, atol=5e-3)
    with pytest.raises(ArtifactMismatchError, match="weights"):
        FrameWords(tmp_path / "words.safetensors", 7)


def test_the_shipped_weights_fit_the_table() -> None:
    assert FrameWords(FILE, 1280).names == read_classes("frame_words.csv")[0]
