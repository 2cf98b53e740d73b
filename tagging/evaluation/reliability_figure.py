"""Reliability diagram: the share of correct tags over their confidence, as a PNG."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import fill

import numpy as np

from rank.reliability import HISTOGRAM_BINS, Reliability
from tagging.errors import OutputUnwritableError
from tagging.files.atomic import atomic_file, require_file

# Okabe & Ito 2008: distinguishable with every kind of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "osD^vP"
LEGEND_LETTERS = 60  # that fit on one line of the legend


def require_figure(path: Path) -> None:
    """Check, before the work that leads to a figure, that it can be written.

    Raises OutputUnwritableError if not.
    """
    if path.suffix.lower() != ".png":
        raise OutputUnwritableError(
            f"{path} does not end in .png, and a figure is a PNG", "choose a name ending in .png"
        )
    require_file(path)


def draw_reliability(curves: Mapping[str, Reliability], path: Path) -> None:
    """Write a PNG with a curve for each name, and below it the distribution of the confidences.

    curves: 1 to 6 reliabilities by the name that the legend shows; ValueError for another number
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not 0 < len(curves) <= len(COLOURS):
        raise ValueError(f"{len(curves)} reliabilities, not 1 to {len(COLOURS)}")
    figure = Figure(figsize=(6.4, 8.0), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)  # neither a window nor pyplot's global state
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot((0, 1), (0, 1), color="0.55", linestyle="--", linewidth=1, label="perfectly calibrated")
    bin_edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    for (name, curve), colour, marker in zip(curves.items(), COLOURS, MARKERS, strict=False):
        label = fill(f"{name}: ECE {curve.calibration_error:.3f}, Brier {curve.brier:.3f}", LEGEND_LETTERS)
        reach = np.maximum([curve.right - curve.lower, curve.upper - curve.right], 0)  # rounding may leave -1e-17
        style = {"color": colour, "marker": marker, "markersize": 5, "linewidth": 1.2, "capsize": 2.5}
        upper.errorbar(curve.confidence, curve.right, reach, label=label, **style)
        share = curve.histogram / curve.histogram.sum()
        lower.stairs(share, bin_edges, color=colour, linewidth=1.5)
        lower.stairs(share, bin_edges, color=colour, fill=True, alpha=0.15)
    upper.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="Share of tags that are correct")
    # Most candidates have a low confidence: on a linear scale the tags that are answered would be invisible.
    lower.set(xlabel="ConfidenceModel", ylabel="Share of tags", yscale="log", ylim=(1e-4, 1))
    lower.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g}%")
    figure.suptitle("Share of correct tags by confidence")
    upper.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False)  # above the plot, clear of the curves
    for axes in (upper, lower):
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_file(path) as partial:
        figure.savefig(partial, format="png")
