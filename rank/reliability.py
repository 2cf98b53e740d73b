"""How far a confidence is a probability: reliability diagram, calibration error, Brier score.

    expected calibration error (Naeini et al. 2015)   Σ_b count_b / n · |right_b - confidence_b|
    Brier score (1950)                                mean of (confidence - right)²

The bins hold equal counts, not equal widths: most candidates have a low confidence, and equal widths would leave the
high ones, which are shown, to a handful a bin. Equal confidences share a bin.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import numpy as np
from numpy.typing import NDArray

from tagging.errors import OutputUnwritableError
from tagging.files.atomic import partial_file, require_file

Z95 = 1.959964  # a normal variable is within as many standard deviations 95 times in 100
WIDTHS = 20
# Okabe & Ito 2008: told apart by everybody.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "osD^vP"
LEGEND_LETTERS = 60  # what a line of it has room for

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Of n confidences in b bins, lowest first."""

    confidence: Floats  # (b,) mean
    right: Floats  # (b,) share
    count: NDArray[np.int64]  # (b,)
    least: Floats  # (b,) and
    most: Floats  # (b,) that the share may be (95 in 100, Wilson 1927), were the candidates independent
    spread: NDArray[np.int64]  # (WIDTHS,) how many confidences are in each part of [0, 1], all equally wide
    calibration_error: float
    brier: float


def reliability(confidences: NDArray[np.floating], right: NDArray[np.bool_], bins: int = 15) -> Reliability:
    """confidences: (n,) in [0, 1]; right: (n,) bool. Fewer bins where equal confidences fill several."""
    if confidences.ndim != 1 or confidences.shape != right.shape or not len(confidences):
        raise ValueError(f"confidences {confidences.shape}, right {right.shape}, not both (n,) of at least one")
    if right.dtype != np.bool_ or not ((confidences >= 0) & (confidences <= 1)).all():
        raise ValueError(f"right {right.dtype}, confidences outside [0, 1], or NaN")
    if bins < 1:
        raise ValueError(f"{bins} bins")
    exact = confidences.astype(np.float64)
    edges = np.sort(exact)[np.arange(1, bins) * len(exact) // bins]
    place = np.unique(np.searchsorted(edges, exact, side="right"), return_inverse=True)[1]
    count = np.bincount(place)
    hits = np.bincount(place[right], minlength=len(count)).astype(np.float64)
    mean, share = np.bincount(place, exact) / count, hits / count
    least, most = wilson(hits, count.astype(np.float64), Z95)
    return Reliability(
        confidence=mean,
        right=share,
        count=count,
        least=least,
        most=most,
        spread=np.histogram(exact, WIDTHS, (0.0, 1.0))[0].astype(np.int64),
        calibration_error=float((count * np.abs(share - mean)).sum() / len(exact)),
        brier=float(np.mean((exact - right) ** 2)),
    )


def wilson(successes: Floats, trials: Floats, z: float) -> tuple[Floats, Floats]:
    """The least and the most that each share may be, z standard errors either way (Wilson 1927).

    successes, trials: (n,) trials above 0, not whole where one weighs less than another
    """
    share, extra = successes / trials, z * z / trials
    middle = share + extra / 2
    half = np.sqrt(extra * (share * (1 - share) + extra / 4))
    return (middle - half) / (1 + extra), (middle + half) / (1 + extra)


def require_figure(path: Path) -> None:
    """Called before the work that leads to a figure: OutputUnwritableError where none could be written."""
    if path.suffix.lower() != ".png":
        raise OutputUnwritableError(f"{path} does not end in .png, and a figure is a PNG", "name a file that does")
    require_file(path)


def draw_reliability(given: Mapping[str, Reliability], path: Path) -> None:
    """A PNG: share right over confidence for each name, and below it where the confidences lie."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not 0 < len(given) <= len(COLOURS):
        raise ValueError(f"{len(given)} reliabilities, not 1 to {len(COLOURS)}")
    figure = Figure(figsize=(6.4, 8.0), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)  # no window, and nothing of pyplot's global state
    curves, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    curves.plot((0, 1), (0, 1), color="0.55", linestyle="--", linewidth=1, label="right as often as it says")
    widths = np.linspace(0, 1, WIDTHS + 1)
    for (name, one), colour, marker in zip(given.items(), COLOURS, MARKERS, strict=False):
        label = fill(f"{name}: ECE {one.calibration_error:.3f}, Brier {one.brier:.3f}", LEGEND_LETTERS)
        reach = np.maximum([one.right - one.least, one.most - one.right], 0)  # rounding may leave -1e-17
        curves.errorbar(
            one.confidence,
            one.right,
            reach,
            color=colour,
            marker=marker,
            markersize=5,
            linewidth=1.2,
            capsize=2.5,
            label=label,
        )
        share = one.spread / one.spread.sum()
        below.stairs(share, widths, color=colour, linewidth=1.5)
        below.stairs(share, widths, color=colour, fill=True, alpha=0.15)
    curves.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="Share of tags that are right")
    # Most candidates are unlikely: on a linear scale those that are shown would not be seen.
    below.set(xlabel="Confidence", ylabel="Share of tags", yscale="log", ylim=(1e-4, 1))
    below.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g}%")
    figure.suptitle("How often a tag is right, by its confidence")
    curves.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False)  # above, where no curve can be
    for axes in (curves, below):
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    with partial_file(path) as partial:
        figure.savefig(partial, format="png")
