"""The threshold that keeps a promised precision: tags below it are not shown, and some videos get no answer.

What is promised. Draw an uploader whom nothing was learnt from, then one of its videos. If that video gets an answer,
the tags in it are right with a mean share of at least `precision`:

    E[answered · share of wrong tags] <= (1 - precision) · P(answered)                                             (1)

Every uploader counts once, however many videos it has, and a video without an answer neither helps nor hurts. The
promise is broken for at most a share `delta` of the draws of the held-out uploaders that the threshold is taken from.
It says nothing of a single answer, nor of videos pooled (there an uploader with a thousand videos counts a
thousandfold), nor of uploaders unlike those held out, nor of answers cut at another number of tags.

How (Learn then Test, Angelopoulos et al. 2021, with a split fixed sequence). The loss is not monotone in the threshold,
so conformal risk control does not apply; each threshold of a grid is a null hypothesis of its own, "(1) does not hold",
and they are tested from strict to loose until the first that is not rejected. The strictest have too few answers to be
rejected, which would end the sequence at once. So a fifth of the uploaders is drawn to place the sequence, and not
tested: the grid is quantiles of their confidences, and it starts where their risk, with its standard error, is least.
Given them the sequence is fixed, so no share of the doubt is spent on the search, and (1) needs nothing but uploaders
drawn independently from one population.

The units of a test are uploaders, since videos of an uploader are alike. Its loss is the mean over its videos: that
has the expectation of one video drawn from them, and less variance.
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
PILOT = 0.2  # share of the uploaders that place the sequence
THRESHOLDS = 200
STANDARD_ERRORS = 1.0  # of the pilot's risk; more would start looser, where a precision just kept fails

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutPredictions:
    """The best candidates of V held-out videos: what would be answered at a threshold of 0.

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
        """(P,) the video of each candidate."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    @classmethod
    def of(
        cls, videos: Sequence[tuple[NDArray[np.float32], NDArray[np.bool_]]], uploaders: NDArray[np.int64]
    ) -> "HeldOutPredictions":
        """From the confidences (k,) of each video's candidates, best first, and whether they are right (k,)."""
        starts = starts_of([len(confidences) for confidences, _ in videos])
        confidences = np.concatenate([np.zeros(0, np.float32), *(one for one, _ in videos)])
        return cls(starts, confidences, np.concatenate([np.zeros(0, np.bool_), *(one for _, one in videos)]), uploaders)

    def only(self, chosen: NDArray[np.bool_]) -> "HeldOutPredictions":
        """Those of some of the videos; chosen: (V,)"""
        here = chosen[self.videos]
        starts = starts_of(np.diff(self.starts)[chosen])
        return HeldOutPredictions(starts, self.confidences[here], self.right[here], self.uploaders[chosen])

    def truncated(self, most: int) -> "HeldOutPredictions":
        """The same, at most so many candidates a video: a promise holds for answers cut as those it is taken from."""
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
            right=right.values.to_numpy(zero_copy_only=False),  # eight in a byte
            uploaders=table["uploader"].to_numpy(),
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a threshold does to videos whose truth is known."""

    precision: float | None  # of answered videos, every uploader counting once: what is promised; None: no answer
    video_precision: float | None  # of answered videos, each counting once
    answered: float  # share of the videos that get an answer


def controlled_threshold(
    answers: HeldOutPredictions, precision: float, delta: float, generator: np.random.Generator
) -> float | None:
    """The lowest confidence that was found to keep the promise; None: none was, and no video is to be answered.

    doubt: how often, over draws of the held-out uploaders, the promise may be broken.
    From the same state of the generator a higher precision never gives a lower threshold.
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
    """How often a threshold from a random half of the uploaders keeps its promise on the other half, and how often it
    answers there at all: shares of `times`. A half that is not answered keeps it.

    The other half is no population: where a promise is just kept, it looks broken there nearly half of the time.
    """
    uploader = np.unique(answers.uploaders, return_inverse=True)[1]
    kept = answered = 0
    for _ in range(times):
        is_first = generator.permutation(uploader.max() + 1)[uploader] % 2 == 0
        if is_first.all():
            kept += 1
            continue
        least = controlled_threshold(answers.only(is_first), precision, delta, generator)
        found = evaluate_threshold(answers.only(~is_first), least).precision
        kept += found is None or found >= precision
        answered += found is not None
    return kept / times, answered / times


def p_value(wrong: Floats, answered: Floats, risk: float, delta: float) -> float:
    """Of "E[wrong] > risk · E[answered]", valid for any number of independent units, in the order given.

    wrong, answered: (n,) in [0, 1], wrong <= answered
    One over the most that a gambler ever has who begins with 1 and bets on wrong < risk · answered (Waudby-Smith &
    Ramdas 2024, by Ville's inequality), with the predictable plug-in bets of Bates et al. 2021, prop. 5:

        K_i = Π_{j<=i} (1 - λ_j (wrong_j - risk · answered_j)),   λ_j = min(1, sqrt(2 log(1 / doubt) / (n σ²_{j-1})))

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
    """(G, U) and (G, U): means over the videos of each uploader, by rising number, at each of G thresholds.

    The first of the share of wrong tags in the answer, 0 without one; the second of being answered.
    """
    uploader, videos = np.unique(answers.uploaders, return_inverse=True, return_counts=True)[1:]
    wrong, answered = np.empty((2, len(thresholds), len(videos)))
    for row, threshold in enumerate(thresholds):
        share, given = _video_losses(answers, threshold)
        wrong[row] = np.bincount(uploader, share) / videos
        answered[row] = np.bincount(uploader, given) / videos
    return wrong, answered


def evaluate_threshold(answers: HeldOutPredictions, threshold: float | None) -> Outcome:
    """None: no video is answered, as `controlled_threshold` means it."""
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
    """Confidences that occur, strictest first."""
    if not len(confidences):
        return []
    quantiles = np.quantile(confidences, np.linspace(0, 1, THRESHOLDS), method="higher")
    return [float(one) for one in np.unique(quantiles)[::-1]]


def _video_losses(answers: HeldOutPredictions, threshold: float) -> tuple[Floats, NDArray[np.bool_]]:
    """(V,) share of wrong tags, 0 without an answer; (V,) True: answered."""
    shown = answers.confidences >= threshold
    given = np.bincount(answers.videos[shown], minlength=len(answers))
    wrong = np.bincount(answers.videos[shown & ~answers.right], minlength=len(answers))
    return wrong / np.maximum(given, 1), given > 0
