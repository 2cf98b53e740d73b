"""Audio-visual feature learner: what frames and sound of a video share, and what each has of its own (Hasama & Li,
section 3.1, eq. 10-11).

A private network for each modality and one common network for both are trained on tags, and by two losses:

    L_S = 1/2N Σ ‖H_a^s - H_v^s‖²                              common features of both modalities are near      eq. 10
    L_D = Σ_m 1 - JS(softmax H_m^p, softmax H_m^s)  in bits     private and common features of one differ        eq. 11

Eq. 11 as printed is KL(private ‖ common), which is minimised where both are equal, against its purpose ("the
difference within the same modality"), and which has no upper bound where it is maximised: one dimension whose
probability falls to zero would outweigh all other losses. The Jensen-Shannon divergence in bits has the same minimum
and is at most 1, so L_D is between 0 and 2.

The paper's networks are I3D on pixels and spectrograms; here they are perceptrons on the rows of a bundle's encoders.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The features of B videos from frames and sound."""

    frames_private: Tensor  # (B, D)
    frames_common: Tensor  # (B, D)
    audio_common: Tensor  # (B, D)
    audio_private: Tensor  # (B, D)

    def joined(self) -> Tensor:
        """Return the global features (B, 4 D)."""
        return torch.cat([self.frames_private, self.frames_common, self.audio_common, self.audio_private], dim=1)


class AudioVisualLearner(nn.Module):
    """Private and common features, and the tags that they tell."""

    def __init__(self, frames: int, audio: int, width: int, labels: int) -> None:
        """frames, audio: widths of the rows of both encoders; width: D; labels: number of tags"""
        super().__init__()
        self.frames_enter = nn.Linear(frames, width)
        self.audio_enter = nn.Linear(audio, width)
        self.frames_private = _network(frames, width)
        self.audio_private = _network(audio, width)
        self.common = _network(width, width)
        self.classify = nn.Linear(4 * width, labels)

    def forward(self, frames: Tensor, audio: Tensor) -> Features:
        """Return the features of videos with both modalities; frames: (B, F), audio: (B, A)."""
        return Features(
            self.frames_private(frames),
            self.common(self.frames_enter(frames)),
            self.common(self.audio_enter(audio)),
            self.audio_private(audio),
        )


def learner_loss(
    learner: AudioVisualLearner, features: Features, labels: Tensor, similar: float, differ: float
) -> Tensor:
    """Return the binary cross-entropy of the tags + similar · L_S + differ · L_D; labels: (B, labels) 0 or 1."""
    classification = functional.binary_cross_entropy_with_logits(learner.classify(features.joined()), labels)
    return classification + similar * similarity_loss(features) + differ * difference_loss(features)


def similarity_loss(features: Features) -> Tensor:
    """Return L_S, eq. 10."""
    return (features.audio_common - features.frames_common).square().sum(dim=1).mean() / 2


def difference_loss(features: Features) -> Tensor:
    """Return L_D, between 0, where no dimension is shared, and 2, where private and common features are the same."""
    frames = jensen_shannon(features.frames_private, features.frames_common)
    audio = jensen_shannon(features.audio_private, features.audio_common)
    return (2 - frames - audio).mean()


def jensen_shannon(first: Tensor, second: Tensor) -> Tensor:
    """Return the Jensen-Shannon divergence (B,) in bits, in [0, 1], of the softmax of two rows of logits (B, D)."""
    log_p, log_q = first.log_softmax(dim=1), second.log_softmax(dim=1)
    log_mean = torch.logaddexp(log_p, log_q) - math.log(2)
    nats = (log_p.exp() * (log_p - log_mean) + log_q.exp() * (log_q - log_mean)).sum(dim=1) / 2
    return nats / math.log(2)


def _network(entering: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(entering, width), nn.ReLU(), nn.Linear(width, width))
