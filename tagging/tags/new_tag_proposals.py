"""New-tag proposals: tags that extraction found in the texts of a batch, with evidence, for the catalog.

`PromotionRule` accepts some automatically, an editor decides on the others (`tagging.maintenance.new_tag_table`), and
`tagging.maintenance.add_tags` adds the accepted ones to a bundle.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tagging.tags.catalog import TagCatalog
from tagging.tags.spelling import DIFFERENCES, reduced_spelling
from tagging.text.normalise import normalise
from tagging.types import VideoRef

logger = logging.getLogger(__name__)

EXAMPLES = 3
Tagged = Sequence[tuple[str, float]]  # (name, confidence) of the new tags of one video


@dataclass(frozen=True, slots=True)
class NewTag:
    """A name that the catalog lacks, and the videos tagged with it."""

    tag: str  # its most frequent spelling
    videos: int
    uploaders: int
    confidence: float  # mean over the videos
    spelling_of: str  # catalog tag, or more used new tag, of which it may be an alias; "" if none
    video_ids: tuple[str, ...]  # at most EXAMPLES, each the most confident video of a different uploader
    titles: tuple[str, ...]  # of these videos; empty without a manifest


@dataclass(frozen=True, slots=True)
class PromotionRule:
    """Accepts new tags without an editor, except possible spellings of another tag."""

    videos: int = 3  # fewest videos with the tag
    uploaders: int = 2  # fewest uploaders of these: one channel may repeat its own name for a series
    confidence: float = 0.5  # lowest mean confidence

    def accepts(self, tag: NewTag) -> bool:
        enough = tag.videos >= self.videos and tag.uploaders >= self.uploaders
        return enough and tag.confidence >= self.confidence and not tag.spelling_of


def propose(tagged: Mapping[str, Tagged], videos: Mapping[str, VideoRef], catalog: TagCatalog) -> list[NewTag]:
    """Propose new tags, the most used first. tagged: by video_id; videos: manifest rows of some of them."""
    known = catalog.rows_by_spelling
    found: dict[str, _Found] = {}
    for video_id, tags in tagged.items():
        for name, confidence in _once(tags):
            if (form := normalise(name)) not in known:
                found.setdefault(form, _Found()).add(name, confidence, videos.get(video_id) or VideoRef(video_id))
    forms = sorted(found, key=lambda form: (-found[form].uploaders, -found[form].videos, form))
    spelled = {reduced_spelling(form, DIFFERENCES): catalog.names[row] for form, row in known.items()} if forms else {}
    proposals: list[NewTag] = []
    for form in forms:
        name = found[form].name
        other = spelled.setdefault(reduced_spelling(form, DIFFERENCES), name)
        proposals.append(found[form].proposal("" if other == name else other))
    return proposals


@dataclass(slots=True)
class _Found:
    """Accumulates the videos of one new tag."""

    spellings: Counter[str] = field(default_factory=Counter)
    confidences: list[float] = field(default_factory=list)
    best: dict[object, tuple[float, VideoRef]] = field(default_factory=dict)  # per uploader

    def add(self, name: str, confidence: float, video: VideoRef) -> None:
        self.spellings[" ".join(name.split())] += 1
        self.confidences.append(confidence)
        uploader = (video.video_id,) if video.uploader_id is None else video.uploader_id
        if uploader not in self.best or self.best[uploader][0] < confidence:
            self.best[uploader] = (confidence, video)

    @property
    def videos(self) -> int:
        return len(self.confidences)

    @property
    def uploaders(self) -> int:
        return len(self.best)

    @property
    def name(self) -> str:
        return min(self.spellings, key=lambda name: (-self.spellings[name], name))

    def proposal(self, spelling_of: str) -> NewTag:
        ordered = sorted(self.best.values(), key=lambda example: (-example[0], example[1].video_id))[:EXAMPLES]
        examples = [video for _, video in ordered]
        return NewTag(
            tag=self.name,
            videos=self.videos,
            uploaders=self.uploaders,
            confidence=sum(self.confidences) / self.videos,
            spelling_of=spelling_of,
            video_ids=tuple(video.video_id for video in examples),
            titles=tuple(video.title for video in examples if video.title),
        )


def _once(tags: Tagged) -> Iterable[tuple[str, float]]:
    """Keep the most confident spelling of each tag of one video."""
    by_form: dict[str, tuple[str, float]] = {}
    for name, confidence in sorted(tags, key=lambda tag: -tag[1]):
        if form := normalise(name):
            by_form.setdefault(form, (name, confidence))
    return by_form.values()
