"""Benchmark of the audio-visual learner (Hasama & Li, section 3.1): what its features tell of pictures and sounds.

Each system's features of the training clips are the input of a linear probe, ridge regression on all words, which ranks
the words of the test clips. The measure is nDCG@10 with binary gains of the words that the picture alone, the sound
alone, or both carry; the clip's other words are left out of the ranking, where they would be neither right nor wrong.
A clip without words of a carrier does not count for it.

The learner also ranks by its own classifier. "Across" fits the probe on the sound's common features and ranks by those
of the picture, which are near each other if the common features are what both modalities tell.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from tagging.config.clicks import AudioVisualConfig
from tagging.config.random_streams import Stream
from tagging.errors import NothingToLearnError
from tagging.progress import Progress
from tagging.recommendation.clicks.audio_visual import Features
from tagging.recommendation.clicks.audio_visual_train import fit_learner
from tagging.tools.benchmarks.audio_visual_clips import (
    CARRIERS,
    Carrier,
    Clips,
    Pairing,
    Sources,
    as_made,
    known_words,
    overlapping,
    paired,
)
from tagging.tools.benchmarks.review import mean_and_spread
from tagging.types import FloatRows

logger = logging.getLogger(__name__)

AT = 10
PENALTIES = tuple(10.0**power for power in range(-1, 6))
PAIRINGS: Mapping[str, Pairing] = {"as made": as_made, "overlapping": overlapping}
REFERENCE = "concatenation"
LOSSES: Mapping[str, Mapping[str, float]] = {
    "learner": {},
    "weak similarity loss": {"similar": 0.001},
    "without similarity loss": {"similar": 0.0},
    "without difference loss": {"differ": 0.0},
    "without both": {"similar": 0.0, "differ": 0.0},
}


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """The clips of one pairing and one draw of it."""

    training: Clips
    test: Clips


def audio_visual_benchmark(
    training: Sources, test: Sources, seeds: Sequence[int], config: AudioVisualConfig, progress: Progress
) -> dict[str, list[dict[str, Any]]]:
    """Return a table of counts, and one of the systems for each pairing: nDCG@10 by carrier, mean and spread.

    Raises NothingToLearnError if no word can be learnt.
    """
    words = known_words(training)
    if not words:
        raise NothingToLearnError("no word is carried by two of the training clips' pictures and sounds")
    counts, tables = [], {}
    for pairing, pair in PAIRINGS.items():
        measured: dict[str, list[dict[Carrier, float]]] = {}
        with progress.track(f"{pairing}: train", len(seeds) * len(LOSSES)) as advance:
            for seed in seeds:
                fold = _fold(training, test, words, pair, seed)
                if seed == seeds[0]:
                    counts += [
                        _counts(f"{pairing}, {part}", clips)
                        for part, clips in (("training", fold.training), ("test", fold.test))
                    ]
                rankings = rank_by_rows(fold)
                for name, changes in LOSSES.items():
                    rankings |= rank_by_learner(fold, name, config.model_copy(update={"seed": seed, **changes}))
                    advance(1)
                for system, scores in rankings.items():
                    measured.setdefault(system, []).append(measures(scores, fold.test))
        tables[f"{pairing}, nDCG@{AT}"] = [
            _row(system, found, measured[REFERENCE]) for system, found in measured.items()
        ]
    return {"clips": counts, **tables}


def rank_by_rows(fold: Fold) -> dict[str, FloatRows]:
    """Return the scores (B, L) of the words for the test clips from the encoders' rows."""
    return {
        "frames": probe(fold.training.frames, fold.training.labels, fold.test.frames),
        "sound": probe(fold.training.audio, fold.training.labels, fold.test.audio),
        REFERENCE: probe(_joined(fold.training), fold.training.labels, _joined(fold.test)),
    }


def rank_by_learner(fold: Fold, name: str, config: AudioVisualConfig) -> dict[str, FloatRows]:
    """Return the scores (B, L) of the words for the test clips from each of the learner's features."""
    frames, audio = _scaled(fold.training.frames, fold.test.frames), _scaled(fold.training.audio, fold.test.audio)
    learner = fit_learner(frames[0], audio[0], torch.from_numpy(fold.training.labels.astype(np.float32)), config)
    known, new = (learner(of_frames, of_audio) for of_frames, of_audio in zip(frames, audio, strict=True))
    found = {"own classifier": np.asarray(learner.classify(new.joined()).numpy(), np.float32)}
    views = {"global": Features.joined, "private": _private, "common": _common}
    for view, of in views.items():
        found[view] = probe(of(known).numpy(), fold.training.labels, of(new).numpy())
    found["across"] = probe(known.audio_common.numpy(), fold.training.labels, new.frames_common.numpy())
    return {f"{name}: {view}": scores for view, scores in found.items()}


def probe(known: FloatRows, labels: NDArray[np.bool_], new: FloatRows) -> FloatRows:
    """Return the scores (B, L) by a ridge regression whose penalty is chosen by leave-one-out on the training clips."""
    scaler = StandardScaler().fit(known)
    ridge = RidgeCV(PENALTIES).fit(scaler.transform(known), labels.astype(np.float32))
    return np.asarray(ridge.predict(scaler.transform(new)), np.float32)


def measures(scores: FloatRows, clips: Clips) -> dict[Carrier, float]:
    """Return the mean nDCG@10 of the words of each carrier; NaN if no clip has any."""
    return {carrier: ndcg(scores, truth, clips.labels & ~truth) for carrier, truth in clips.carried.items()}


def ndcg(scores: FloatRows, truth: NDArray[np.bool_], left_out: NDArray[np.bool_]) -> float:
    """Return the mean nDCG@10 of the rows with a true word.

    scores: (B, L); truth: (B, L); left_out: (B, L) words that are not ranked
    """
    rows = np.flatnonzero(truth.any(axis=1))
    if not len(rows):
        return float("nan")
    ranked = np.where(left_out, -np.inf, scores)[rows]
    order = np.argsort(-ranked, axis=1, kind="stable")[:, :AT]
    discounts = 1 / np.log2(np.arange(2, AT + 2))
    gained = np.take_along_axis(truth[rows], order, axis=1) @ discounts[: order.shape[1]]
    ideal = np.cumsum(discounts)[np.minimum(truth[rows].sum(axis=1), AT) - 1]
    return float((gained / ideal).mean())


def _fold(training: Sources, test: Sources, words: Sequence[str], pair: Pairing, seed: int) -> Fold:
    generator = np.random.default_rng([seed, Stream.AUDIO_VISUAL_PAIRS])
    return Fold(*(paired(sources, pair(sources, generator), words) for sources in (training, test)))


def _joined(clips: Clips) -> FloatRows:
    return np.concatenate([clips.frames, clips.audio], axis=1)


def _scaled(known: FloatRows, new: FloatRows) -> tuple[torch.Tensor, torch.Tensor]:
    """Return both with the mean 0 and the variance 1 of the training clips, as the probe reads them."""
    scaler = StandardScaler().fit(known)
    return torch.from_numpy(scaler.transform(known)), torch.from_numpy(scaler.transform(new))


def _private(features: Features) -> torch.Tensor:
    return torch.cat([features.frames_private, features.audio_private], dim=1)


def _common(features: Features) -> torch.Tensor:
    return torch.cat([features.frames_common, features.audio_common], dim=1)


def _counts(part: str, clips: Clips) -> dict[str, Any]:
    words = {f"words of {carrier}": int(carried.sum()) for carrier, carried in clips.carried.items()}
    return {"clips": part, "pairs": len(clips.frames), **words}


def _row(
    system: str, found: Sequence[Mapping[Carrier, float]], reference: Sequence[Mapping[Carrier, float]]
) -> dict[str, Any]:
    row: dict[str, Any] = {"system": system}
    for carrier in CARRIERS:
        values = [measured[carrier] for measured in found]
        row[carrier] = None if np.isnan(values).any() else mean_and_spread(values)
    for carrier in CARRIERS:
        gains = [measured[carrier] - base[carrier] for measured, base in zip(found, reference, strict=True)]
        row[f"{carrier}, gain"] = None if np.isnan(gains).any() else mean_and_spread(gains, "+.4f")
    return row
