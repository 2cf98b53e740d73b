"""The audio-visual learner on made-up videos whose common and private factors are known."""

import math

import pytest
import torch
from torch import Tensor

from tagging.recommendation.clicks.audio_visual import (
    AudioVisualLearner,
    Features,
    difference_loss,
    jensen_shannon,
    learner_loss,
    similarity_loss,
)

FRAMES, AUDIO = 12, 9


def made(count: int, seed: int) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Frames mix a common factor and one of their own, and so does sound."""
    generator, mix = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(99)
    factors = {name: torch.randn(count, 2, generator=generator) for name in ("common", "frames", "audio")}
    rows = [
        torch.cat([factors["common"], factors[own]], dim=1) @ torch.randn(4, dim, generator=mix) / 2
        for own, dim in (("frames", FRAMES), ("audio", AUDIO))
    ]
    return rows[0], rows[1], factors


def trained(similar: float, differ: float) -> AudioVisualLearner:
    torch.manual_seed(0)
    learner = AudioVisualLearner(FRAMES, AUDIO, width=8, labels=6)
    optimizer = torch.optim.Adam(learner.parameters(), lr=0.01)
    frames, audio, factors = made(600, 1)
    labels = (torch.cat(list(factors.values()), dim=1) > 0).float()
    for _ in range(150):
        optimizer.zero_grad()
        learner_loss(learner, learner(frames, audio), labels, similar, differ).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return learner.requires_grad_(False)


def explained(features: Tensor, factor: Tensor) -> float:
    """The share of a factor's variance that a linear function of the features explains."""
    x = torch.cat([features, torch.ones(len(features), 1)], dim=1)
    rest = x @ torch.linalg.lstsq(x, factor).solution - factor
    return 1 - float(rest.square().sum() / (factor - factor.mean(dim=0)).square().sum())


def test_the_similarity_loss_leaves_nothing_private_in_the_common_features() -> None:
    frames, audio, factors = made(600, 2)
    alone, similar = trained(0, 0)(frames, audio), trained(1, 0)(frames, audio)
    assert explained(alone.frames_common, factors["frames"]) > 0.3
    assert explained(alone.audio_common, factors["audio"]) > 0.3
    for common, own in ((similar.frames_common, "frames"), (similar.audio_common, "audio")):
        assert explained(common, factors[own]) < 0.15
        assert explained(common, factors["common"]) > 0.3
    assert explained(similar.frames_private, factors["frames"]) > 0.8
    assert similarity_loss(similar) < 0.01 * similarity_loss(alone)


def test_the_difference_loss_parts_private_and_common_features() -> None:
    frames, audio, _ = made(600, 2)
    alone, parted = trained(1, 0)(frames, audio), trained(1, 1)(frames, audio)
    assert difference_loss(parted) < 0.2 * difference_loss(alone)


def test_the_losses_are_those_of_equations_10_and_11() -> None:
    torch.manual_seed(1)
    features = Features(*torch.randn(4, 5, 3))
    distances = [float((features.audio_common[n] - features.frames_common[n]).norm()) ** 2 for n in range(5)]
    assert similarity_loss(features).item() == pytest.approx(sum(distances) / (2 * 5), rel=1e-5)
    total = 0.0
    pairs = ((features.frames_private, features.frames_common), (features.audio_private, features.audio_common))
    for private, common in pairs:
        for n in range(5):
            p, q = private[n].softmax(0).tolist(), common[n].softmax(0).tolist()
            kl = [sum(a * math.log2(a / ((a + b) / 2)) for a, b in zip(x, y, strict=True)) for x, y in ((p, q), (q, p))]
            total += 1 - sum(kl) / 2
    assert difference_loss(features).item() == pytest.approx(total / 5, rel=1e-4)


def test_the_divergence_is_bounded() -> None:
    same, apart = torch.tensor([[5.0, -5.0]]), torch.tensor([[1000.0, -1000.0]])
    assert jensen_shannon(same, same).item() == pytest.approx(0, abs=1e-6)
    assert jensen_shannon(apart, -apart).item() == pytest.approx(1)
