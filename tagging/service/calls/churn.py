"""Churn: how the shadow bundle's answers differ from those of the active bundle for the same requests."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tagging.store.database.taggings import TaggingPair


@dataclass(frozen=True, slots=True)
class TagChurn:
    """The answers that differ in one tag."""

    tag_id: str
    name: str  # in the last answer that has the tag
    gained: int  # answers that only the shadow bundle gives the tag
    lost: int  # answers that only the active bundle gives the tag


@dataclass(frozen=True, slots=True)
class Churn:
    """A comparison of answers in pairs."""

    compared: int  # pairs
    same: int  # pairs with the same tags in any order
    mean_overlap: float  # number of common tags divided by the number of all tags of a pair
    mean_tags: float  # of the active bundle's answers
    mean_shadow_tags: float
    tags: tuple[TagChurn, ...]  # those that differ most often, most frequent first


async def churn_of(pairs: AsyncIterator[TaggingPair], max_tags: int) -> Churn:
    """Compare the answers of each pair; max_tags: the most tags to report."""
    names: dict[str, str] = {}
    gained: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    compared = same = tags = shadow_tags = 0
    overlap = 0.0
    async for pair in pairs:
        active, shadow = (
            {tag.tag_id: tag.name for tag in tagging.answer.tags} for tagging in (pair.active, pair.shadow)
        )
        names |= active | shadow
        gained.update(shadow.keys() - active.keys())
        lost.update(active.keys() - shadow.keys())
        either = active.keys() | shadow.keys()
        compared += 1
        same += active.keys() == shadow.keys()
        overlap += len(active.keys() & shadow.keys()) / len(either) if either else 1.0
        tags += len(active)
        shadow_tags += len(shadow)
    changed = sorted(gained.keys() | lost.keys(), key=lambda tag_id: (-gained[tag_id] - lost[tag_id], tag_id))
    divisor = max(compared, 1)
    return Churn(
        compared,
        same,
        overlap / divisor,
        tags / divisor,
        shadow_tags / divisor,
        tuple(TagChurn(tag_id, names[tag_id], gained[tag_id], lost[tag_id]) for tag_id in changed[:max_tags]),
    )
