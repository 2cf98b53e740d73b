"""Inspections of titles, and the tagger's own answers to compare them with."""

from pathlib import Path

from tagging.config.root import SelectConfig
from tagging.inspection.explanation import TagQuestion, TagTrace
from tagging.inspection.inspect import inspect_video
from tagging.media.read_ahead import ReadVideo
from tagging.pipeline.tagger import Tagger
from tagging.tags.edits.edit_batch import TagUpdate
from tagging.types import RankedTag, RankedTags, VideoRef
from tests.support.desk import Desk

TITLES = ("kitten purring whiskers engine", "My dog and a beagle play ice hockey", "गिटार guitar chords", "qqq")
EVERY = SelectConfig(max_tags=50, min_confidence=0.0)


def edited(learnt: Tagger, bundle: Path) -> Tagger:
    """Return the tagger with a tag hidden, one created and two merged."""
    desk = Desk(learnt, bundle)
    desk.do(lambda batch: batch.create("ice hockey"))
    desk.do(lambda batch: batch.update(desk.id("cars"), TagUpdate(hidden=True)))
    desk.do(lambda batch: batch.merge(desk.id("music"), [desk.id("food")]))
    return desk.tagger


def read_title(title: str) -> ReadVideo:
    return ReadVideo(VideoRef("v", None, title), None)


def tag_read(tagger: Tagger, read: ReadVideo, selection: SelectConfig = EVERY) -> RankedTags:
    [answer] = tagger.tag_read([read], [selection])
    assert isinstance(answer, RankedTags)
    return answer


def confidence_in(answer: RankedTags, name: str) -> float | None:
    return next((tag.confidence for tag in answer.tags if tag.name == name), None)


def ask(tagger: Tagger, read: ReadVideo, *queries: str, selection: SelectConfig = EVERY) -> tuple[TagQuestion, ...]:
    return inspect_video(tagger, read, selection, queries).questions


def as_ranked(trace: TagTrace) -> RankedTag:
    """Return a trace as the tag of an answer."""
    assert trace.confidence is not None
    return RankedTag(
        trace.tag_id, trace.name, trace.confidence, trace.channels, trace.evidence, trace.is_new, trace.spans
    )
