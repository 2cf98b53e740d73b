"""Precision control: a confidence threshold with a precision guarantee (risk control, selective prediction).

Tags below the threshold are not shown, and some videos get no answer. The guarantee: draw an uploader that nothing was
trained on, then one of its videos. If that video gets an answer, a mean share of at least `precision` of its tags is
right:

    E[answered · share of wrong tags] <= (1 - precision) · P(answered)                                             (1)

Every uploader counts once, however many videos it has, and a video without an answer neither helps nor hurts. The
guarantee fails for at most a share `delta` of the draws of the held-out uploaders that determine the threshold. It does
not cover a single answer, nor videos pooled over uploaders (an uploader with a thousand videos counts a thousandfold
there), nor uploaders unlike those held out, nor answers truncated at another number of tags.

The method is Learn then Test (Angelopoulos et al. 2021) with a split fixed sequence. The loss is not monotone in the
threshold, so conformal risk control does not apply; each threshold of a grid is a null hypothesis, "(1) does not hold",
and they are tested from strict to loose until the first that is not rejected. The strictest have too few answers to be
rejected, which would end the sequence at once. So a fifth of the uploaders, the pilot, is drawn to place the sequence
and is not tested: the grid is quantiles of their confidences, and it starts where the upper limit of their risk is
least. Given the pilot the sequence is fixed, so the search spends no share of `delta`, and (1) needs nothing but
uploaders drawn independently from one population.

The units of a test are uploaders, since videos of an uploader are alike. The loss of an uploader is the mean over its
videos: it has the expectation of one video drawn from them, and less variance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rank.reliability import wilson
from tagging.ragged import starts_of

DELTA = 0.1
PILOT = 0.2  # share of the uploaders that place the sequence and are not tested
THRESHOLDS = 200
STANDARD_ERRORS = 1.0  # of the pilot's risk; more would start looser, where a precision that barely holds fails

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutPredictions:
    """The best candidates of V held-out videos: the answers at a threshold of 0.

    Video v has the candidates starts[v]:starts[v + 1], best first, at most as many as an answer may have.
    """

    starts: NDArray[np.int64]  # (V + 1,) rising from 0
    confidences: NDArray[np.float32]  # (P,) in [0, 1], falling within a video
    right: NDArray[np.bool_]  # (P,) True: the video has the tag
    uploaders: NDArray[np.int64]  # (V,) equal for videos of one uploader

    def __post_init__(self) -> None:
        shapes = f"starts {self.starts.shape}, confidences {self.confidences.shape}, right {self.right.shape}"
        if not len(self.uploaders) or self.uploaders.ndim != 1:
            raise ValueError(f"uploaders {self.uploaders.shape}, not (V,) of at least one video")
        if self.starts.shape != (len(self.uploaders) + 1,):
            raise ValueError(f"{shapes}: not the starts of {len(self.uploaders)} videos")
        if self.starts[0] != 0 or self.starts[-1] != len(self.confidences) or (np.diff(self.starts) < 0).any():
            raise ValueError(f"{shapes}: starts that do not span the candidates")
        if self.confidences.ndim != 1 or self.right.shape != self.confidences.shape or self.right.dtype != np.bool_:
            raise ValueError(f"{shapes} {self.right.dtype}, not (P,) confidences and (P,) bool")
        if not ((self.confidences >= 0) & (self.confidences <= 1)).all():  # also refuses NaN
            raise ValueError(f"{shapes}: confidences outside [0, 1]")
        if ((np.diff(self.confidences) > 0) & (np.diff(self.videos) == 0)).any():
            raise ValueError(f"{shapes}: candidates of a video that are not best first")

    def __len__(self) -> int:
        return len(self.uploaders)

    @property
    def videos(self) -> NDArray[np.int64]:
        """Return (P,) the video of each candidate."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    @classmethod
    def of(
        cls, videos: Sequence[tuple[NDArray[np.float32], NDArray[np.bool_]]], uploaders: NDArray[np.int64]
    ) -> "HeldOutPredictions":
        """Build from the (k,) confidences of each video's candidates, best first, and (k,) whether they are right."""
        starts = starts_of([len(confidences) for confidences, _ in videos])
        confidences = np.concatenate([np.zeros(0, np.float32), *(values for values, _ in videos)])
        right = np.concatenate([np.zeros(0, np.bool_), *(values for _, values in videos)])
        return cls(starts, confidences, right, uploaders)

    def only(self, chosen: NDArray[np.bool_]) -> "HeldOutPredictions":
        """Return the predictions of some of the videos; chosen: (V,)"""
        kept = chosen[self.videos]
        starts = starts_of(np.diff(self.starts)[chosen])
        return HeldOutPredictions(starts, self.confidences[kept], self.right[kept], self.uploaders[chosen])

    def truncated(self, most: int) -> "HeldOutPredictions":
        """Return at most `most` candidates per video: a guarantee holds for answers truncated like the tested ones."""
        kept = np.arange(len(self.confidences)) - self.starts[self.videos] < most
        starts = starts_of(np.minimum(np.diff(self.starts), most))
        return HeldOutPredictions(starts, self.confidences[kept], self.right[kept], self.uploaders)

    def save(self, path: Path) -> None:
        starts = pa.array(self.starts, pa.int64())
        table = pa.table(
            {
                "uploader": pa.array(self.uploaders, pa.int64()),
                "confidences": pa.LargeListArray.from_arrays(starts, pa.array(self.confidences, pa.float32())),
                "right": pa.LargeListArray.from_arrays(starts, pa.array(self.right, pa.bool_())),
            }
        )
        pq.write_table(table, path, compression="zstd")

    @classmethod
    def load(cls, path: Path) -> "HeldOutPredictions":
        table = pq.read_table(path)
        confidences, right = (table[name].combine_chunks() for name in ("confidences", "right"))
        return cls(
            starts=confidences.offsets.to_numpy().astype(np.int64),
            confidences=confidences.values.to_numpy(),
            right=right.values.to_numpy(zero_copy_only=False),  # bits, eight per byte
            uploaders=table["uploader"].to_numpy(),
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """Precision and coverage of a threshold on videos whose tags are known."""

    precision: float | None  # of answered videos, each uploader counting once, as guaranteed; None: no answer
    video_precision: float | None  # of answered videos, each counting once
    answered: float  # share of the videos that get an answer


def controlled_threshold(
    answers: HeldOutPredictions, precision: float, delta: float, generator: np.random.Generator
) -> float | None:
    """Return the lowest threshold found that guarantees the precision; None: none found, so no video is answered.

    delta: share of the draws of the held-out uploaders for which the guarantee may fail
    From the same state of the generator a higher precision never gives a lower threshold.
    Raises ValueError if precision or delta is not between 0 and 1.
    """
    for name, share in (("precision", precision), ("doubt", delta)):
        if not 0 < share < 1:
            raise ValueError(f"a {name} of {share}, not between 0 and 1")
    uploader = np.unique(answers.uploaders, return_inverse=True)[1]
    order = generator.permutation(uploader.max() + 1)
    pilot, tested = np.split(order, [ceil(PILOT * len(order))])
    grid = _grid(answers.confidences[np.isin(uploader, pilot)[answers.videos]])
    if not len(grid):
        return None
    wrong, answered = uploader_losses(answers, grid)
    risks = wilson(wrong[:, pilot].sum(1), answered[:, pilot].sum(1), STANDARD_ERRORS)[1]
    kept = None
    for row in range(int(np.argmin(risks)), len(grid)):
        if p_value(wrong[row, tested], answered[row, tested], 1 - precision, delta) > delta:
            break
        kept = grid[row]
    return kept


def resplit_rates(
    answers: HeldOutPredictions, precision: float, delta: float, times: int, generator: np.random.Generator
) -> tuple[float, float]:
    """Return how often a threshold from a random half of the uploaders reaches the target precision on the other half,
    and how often it answers there at all, as shares of `times`. A half without an answer counts as reached.

    The other half is a sample: if the precision barely holds, it is missed there nearly half of the time.
    """
    uploader = np.unique(answers.uploaders, return_inverse=True)[1]
    kept = answered = 0
    for _ in range(times):
        is_first = generator.permutation(uploader.max() + 1)[uploader] % 2 == 0
        if is_first.all():
            kept += 1
            continue
        threshold = controlled_threshold(answers.only(is_first), precision, delta, generator)
        reached = evaluate_threshold(answers.only(~is_first), threshold).precision
        kept += reached is None or reached >= precision
        answered += reached is not None
    return kept / times, answered / times


def p_value(wrong: Floats, answered: Floats, risk: float, delta: float) -> float:
    """Return the p-value of "E[wrong] > risk · E[answered]", valid for any number of independent units.

    wrong, answered: (n,) in [0, 1], wrong <= answered, in an order that does not depend on them
    The p-value is the reciprocal of the highest capital of a gambler who starts with 1 and bets on wrong < risk ·
    answered (Waudby-Smith & Ramdas 2024, by Ville's inequality), with the predictable plug-in bets of Bates et al.
    2021, prop. 5:

        K_i = Π_{j<=i} (1 - λ_j (wrong_j - risk · answered_j)),   λ_j = min(1, sqrt(2 log(1 / delta) / (n σ²_{j-1})))

    The bets do not depend on the risk, so a lower risk never has a lower p-value. A unit without an answer bets
    nothing. It is left out, and n does not count it: given which units answer, these are still independent.
    """
    bets = answered > 0
    loss, n = wrong[bets], int(bets.sum())
    seen = np.arange(2, n + 2)
    means = (0.5 + np.cumsum(loss)) / seen
    variances = (0.25 + np.cumsum((loss - means) ** 2)) / seen
    before = np.concatenate([[0.25], variances])[:n]
    stakes = np.minimum(1.0, np.sqrt(2 * np.log(1 / delta) / (n * before)))
    log_capital = np.cumsum(np.log1p(-stakes * (loss - risk * answered[bets])))
    return float(np.exp(-log_capital.max(initial=0.0)))


def uploader_losses(answers: HeldOutPredictions, thresholds: Sequence[float]) -> tuple[Floats, Floats]:
    """Return two (G, U) arrays: means over the videos of each uploader, by rising number, at each of G thresholds.

    The first is the share of wrong tags in the answer, 0 without one; the second the share of answered videos.
    """
    uploader, videos = np.unique(answers.uploaders, return_inverse=True, return_counts=True)[1:]
    wrong, answered = np.empty((2, len(thresholds), len(videos)))
    for row, threshold in enumerate(thresholds):
        share, given = _video_losses(answers, threshold)
        wrong[row] = np.bincount(uploader, share) / videos
        answered[row] = np.bincount(uploader, given) / videos
    return wrong, answered


def evaluate_threshold(answers: HeldOutPredictions, threshold: float | None) -> Outcome:
    """Return precision and coverage of a threshold; None: no video is answered, as from `controlled_threshold`."""
    if threshold is None:
        return Outcome(None, None, 0.0)
    wrong, answered = _video_losses(answers, threshold)
    if not answered.any():
        return Outcome(None, None, 0.0)
    mean_wrong, mean_answered = uploader_losses(answers, [threshold])
    return Outcome(
        precision=float(1 - mean_wrong.sum() / mean_answered.sum()),
        video_precision=float(1 - wrong.sum() / answered.sum()),
        answered=float(answered.mean()),
    )


def _grid(confidences: NDArray[np.float32]) -> list[float]:
    """Return at most THRESHOLDS of the confidences, strictest first."""
    if not len(confidences):
        return []
    quantiles = np.quantile(confidences, np.linspace(0, 1, THRESHOLDS), method="higher")
    return [float(threshold) for threshold in np.unique(quantiles)[::-1]]


def _video_losses(answers: HeldOutPredictions, threshold: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Return (V,) the share of wrong tags, 0 without an answer, and (V,) True for an answered video."""
    shown = answers.confidences >= threshold
    given = np.bincount(answers.videos[shown], minlength=len(answers))
    wrong = np.bincount(answers.videos[shown & ~answers.right], minlength=len(answers))
    return wrong / np.maximum(given, 1), given > 0
