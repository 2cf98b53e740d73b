"""Reading of a channel's tags in assertions."""

from tagging.types import ChannelTags


def as_dict(tags: ChannelTags | None) -> dict[int, float] | None:
    if tags is None:
        return None
    return {row: round(float(score), 5) for row, score in zip(tags.tag_rows.tolist(), tags.scores, strict=True)}
