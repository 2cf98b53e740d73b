"""Training of the audio-visual learner on tags, with early stopping."""

import copy
import logging
import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tagging.config.clicks import AudioVisualConfig
from tagging.config.random_streams import Stream
from tagging.recommendation.clicks.audio_visual import AudioVisualLearner, learner_loss

logger = logging.getLogger(__name__)


def fit_learner(frames: Tensor, audio: Tensor, labels: Tensor, config: AudioVisualConfig) -> AudioVisualLearner:
    """Return a learner with the weights of the lowest cross-entropy of the validation videos, and without gradients.

    frames: (V, F), audio: (V, A), labels: (V, L) 0 or 1; V is at least 2
    """
    draws = np.random.default_rng([config.seed, Stream.AUDIO_VISUAL_TRAINING])
    generator = torch.Generator().manual_seed(int(draws.integers(2**63)))
    held_out = max(1, round(config.validation * len(frames)))
    order = torch.randperm(len(frames), generator=generator)
    validation, training = order[:held_out], order[held_out:]
    with torch.random.fork_rng():
        torch.manual_seed(int(draws.integers(2**63)))  # of first weights and dropout
        learner = AudioVisualLearner(frames.shape[1], audio.shape[1], config.width, labels.shape[1])
        optimizer = torch.optim.Adam(learner.parameters(), lr=config.rate, weight_decay=config.weight_decay)
        lowest, weights, waited = math.inf, copy.deepcopy(learner.state_dict()), 0
        for epoch in range(config.epochs):
            shuffled = training[torch.randperm(len(training), generator=generator)]
            for rows in shuffled.tensor_split(math.ceil(len(shuffled) / config.batch)):
                entering = (functional.dropout(values[rows], config.dropout) for values in (frames, audio))
                loss = learner_loss(learner, learner(*entering), labels[rows], config.similar, config.differ)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            with torch.inference_mode():
                logits = learner.classify(learner(frames[validation], audio[validation]).joined())
                measured = functional.binary_cross_entropy_with_logits(logits, labels[validation]).item()
            logger.debug("%d epochs: cross-entropy %.5f of the validation videos", epoch + 1, measured)
            if measured < lowest:
                lowest, weights, waited = measured, copy.deepcopy(learner.state_dict()), 0
            else:
                waited += 1
            if waited == config.patience:
                break
    learner.load_state_dict(weights)
    return learner.requires_grad_(False)
