"""Training of the audio-visual learner on made-up videos whose labels are linear in the rows."""

import torch
from torch import Tensor
from torch.nn import functional

from tagging.config.clicks import AudioVisualConfig
from tagging.recommendation.clicks.audio_visual import AudioVisualLearner, similarity_loss
from tagging.recommendation.clicks.audio_visual_train import fit_learner

CONFIG = AudioVisualConfig(width=8, epochs=30, rate=0.01, patience=30)


def made(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    frames, audio = torch.randn(count, 6, generator=generator), torch.randn(count, 5, generator=generator)
    return frames, audio, torch.cat([frames[:, :2], audio[:, :2]], dim=1).gt(0).float()


def cross_entropy(learner: AudioVisualLearner, frames: Tensor, audio: Tensor, labels: Tensor) -> float:
    logits = learner.classify(learner(frames, audio).joined())
    return functional.binary_cross_entropy_with_logits(logits, labels).item()


def test_a_trained_learner_tells_the_labels_of_new_videos() -> None:
    assert cross_entropy(fit_learner(*made(300, 1), CONFIG), *made(100, 2)) < 0.35  # 0.69 by guessing


def test_training_stops_before_labels_without_a_pattern_are_learnt_by_heart() -> None:
    frames, audio, _ = made(40, 1)
    labels = torch.randint(0, 2, (40, 4), generator=torch.Generator().manual_seed(3)).float()
    stopped = fit_learner(frames, audio, labels, CONFIG.model_copy(update={"epochs": 200, "patience": 3}))
    assert cross_entropy(stopped, frames, audio, labels) > 0.5


def test_the_weights_of_the_losses_reach_the_training() -> None:
    frames, audio, labels = made(200, 1)
    alone, similar = (fit_learner(frames, audio, labels, CONFIG.model_copy(update={"similar": w})) for w in (0.0, 1.0))
    assert similarity_loss(similar(frames, audio)) < 0.1 * similarity_loss(alone(frames, audio))


def test_equal_seeds_give_equal_learners_and_leave_the_global_generator_alone() -> None:
    short = CONFIG.model_copy(update={"epochs": 2})
    before = torch.get_rng_state()
    first, again = (fit_learner(*made(50, 1), short) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    other = fit_learner(*made(50, 1), short.model_copy(update={"seed": 8}))
    assert not torch.equal(first.classify.weight, other.classify.weight)
