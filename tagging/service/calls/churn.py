"""How the shadow bundle's answers differ from those that were given."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tagging.store.database.taggings import Pair


@dataclass(frozen=True, slots=True)
class TagChurn:
    tag_id: str
    name: str  # as last answered
    gained: int  # answers that have it with the shadow bundle alone
    lost: int


@dataclass(frozen=True, slots=True)
class Churn:
    compared: int
    same: int  # with the same tags in any order
    mean_overlap: float  # tags of both over tags of either
    mean_tags: float
    mean_shadow_tags: float
    tags: tuple[TagChurn, ...]  # that come and go most, the most first


async def churn_of(pairs: AsyncIterator[Pair], most: int) -> Churn:
    """most: tags of the report"""
    names: dict[str, str] = {}
    gained: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    compared = same = tags = shadow_tags = 0
    overlap = 0.0
    async for pair in pairs:
        active, shadow = ({tag.tag_id: tag.name for tag in one.answer.tags} for one in (pair.active, pair.shadow))
        names |= active | shadow
        gained.update(shadow.keys() - active.keys())
        lost.update(active.keys() - shadow.keys())
        either = active.keys() | shadow.keys()
        compared += 1
        same += active.keys() == shadow.keys()
        overlap += len(active.keys() & shadow.keys()) / len(either) if either else 1.0
        tags += len(active)
        shadow_tags += len(shadow)
    moved = sorted(gained.keys() | lost.keys(), key=lambda one: (-gained[one] - lost[one], one))
    least = max(compared, 1)
    return Churn(
        compared, same, overlap / least, tags / least, shadow_tags / least,
        tuple(TagChurn(one, names[one], gained[one], lost[one]) for one in moved[:most]),
    )  # fmt: skip
