"""Merging of channels: the union of their tags as candidates, with the score of every channel."""

from collections.abc import Mapping

import numpy as np

from tagging.types import Candidates, ChannelTags, Evidence


def merge(proposed: Mapping[str, ChannelTags | None]) -> Candidates:
    """Return candidates by rising catalog row; NaN where a channel did not propose the tag or lacked its input."""
    present = [channel for channel in proposed.values() if channel is not None]
    tag_rows = (
        np.unique(np.concatenate([channel.tag_rows for channel in present])) if present else np.zeros(0, np.int64)
    )
    scores = np.full((len(tag_rows), len(proposed)), np.nan, np.float32)
    for column, channel in enumerate(proposed.values()):
        if channel is not None:
            scores[np.searchsorted(tag_rows, channel.tag_rows), column] = channel.scores
    neighbours = {name: channel.neighbours for name, channel in proposed.items() if channel is not None}
    evidence: dict[int, tuple[Evidence, ...]] = {}
    for channel in present:
        for row, reason in zip(channel.tag_rows.tolist(), channel.evidence, strict=False):  # voting channels have none
            evidence[row] = (*evidence.get(row, ()), reason)
    new = {row: name for channel in present for row, name in channel.new.items()}
    return Candidates(tag_rows, tuple(proposed), scores, neighbours, evidence, new)
