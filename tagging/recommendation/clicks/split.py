"""Division of impressions by time: the first are learnt from, later ones stop the training, the last are measured.

last   all videos are in every part
new    a share of the videos is held out: none of their impressions is learnt from, and only theirs are measured
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagging.config.random_streams import Stream
from tagging.recommendation.clicks.table import VIDEO, ImpressionTable
from tagging.recommendation.split import HeldOut
from tagging.types import Indices

VALIDATION_SHARE = 0.1  # of the impressions
TEST_SHARE = 0.2
NEW_SHARE = 0.2  # of the videos


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Rows of impressions, in the order of their times; every row of a part is later than all of the part before."""

    training: Indices
    validation: Indices
    test: Indices

    def __post_init__(self) -> None:
        if not (len(self.training) and len(self.validation) and len(self.test)):
            raise ValueError(f"parts of {len(self.training)}, {len(self.validation)} and {len(self.test)} impressions")


def divide(table: ImpressionTable, held_out: HeldOut, seed: int) -> Parts:
    """Divide the impressions of a table; the seed draws new videos.

    Raises ValueError if a part would be empty, or if all impressions of the test part were clicked, or none.
    """
    parts = divide_by_time(table.times)
    if held_out == "new":
        parts = _of_new_videos(table, parts, seed)
    clicks = int(table.clicked[parts.test].sum())
    if clicks in (0, len(parts.test)):
        raise ValueError(f"{clicks} of {len(parts.test)} impressions of the test part were clicked")
    return parts


def _of_new_videos(table: ImpressionTable, parts: Parts, seed: int) -> Parts:
    column = table.fields[VIDEO]
    draws = np.random.default_rng([seed, Stream.CLICK_NEW_VIDEOS])
    is_new = draws.permutation(len(column.names)) < NEW_SHARE * len(column.names)
    of_new = is_new[column.rows.values]  # (n,) as every impression has one video
    return Parts(
        parts.training[~of_new[parts.training]],
        parts.validation[of_new[parts.validation]],
        parts.test[of_new[parts.test]],
    )


def divide_by_time(times: NDArray[np.float64]) -> Parts:
    """Divide n impressions; those of one time are in one part. Raises ValueError if a part would be empty."""
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    ends = [int(share * len(times)) for share in (1 - VALIDATION_SHARE - TEST_SHARE, 1 - TEST_SHARE)]
    cuts = [int(np.searchsorted(ordered, ordered[end], side="left")) for end in ends] if len(times) else [0, 0]
    return Parts(*np.split(order, cuts))
