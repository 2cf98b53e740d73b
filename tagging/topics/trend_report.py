"""Report of how topics change: those that were born, continue or ended with a refit, and those that rise or fall.

Uploads: the share of a topic among the videos that a pool has gained, against those that it shares with the pool of the
previous model. Both are assigned by the new model, so that a topic does not rise because it was cut in another way.
With a database, uploads and clicks of the last days are compared with those of as many days before.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from tagging.errors import ArtifactMismatchError
from tagging.store.topic_video import AssignedVideo
from tagging.topics.files import read_topics, read_videos
from tagging.topics.manifest import TOPIC_MODEL, TopicsManifest
from tagging.topics.model import Topic
from tagging.topics.trends import PeriodCounts, Trend, find_trends


@dataclass(frozen=True, slots=True)
class TopicChange:
    """A topic of the new model, and how it changes; None where that is not known."""

    topic: Topic
    fate: Literal["born", "continued"] | None  # None in a first model
    drift: float | None  # of a topic that continues, in [0, 1]
    uploads: Trend | None = None
    clicks: Trend | None = None  # by users, each counted once


@dataclass(frozen=True, slots=True)
class TrendReport:
    """The topics of a model with their changes."""

    version: str
    previous: str | None  # version of the model before it
    changes: tuple[TopicChange, ...]
    ended: tuple[Topic, ...]  # of the previous model, where it was given
    notes: tuple[str, ...]  # what could not be compared, a sentence each


@dataclass(frozen=True, slots=True)
class Activity:
    """Uploads and clicks of two periods of equal length, from a database."""

    uploads: tuple[PeriodCounts, PeriodCounts]
    clicks: tuple[PeriodCounts, PeriodCounts]  # users


def report_trends(model: Path, previous: Path | None, activity: Activity | None) -> TrendReport:
    """Return how the topics of a model change.

    previous: the model that it was fitted after; activity: takes the place of the pools for uploads
    Raises ArtifactError for a model that is missing or damaged, and ArtifactMismatchError for another previous model.
    """
    manifest = TOPIC_MODEL.read(model)
    topics, _ = read_topics(model)
    report = TrendReport(manifest.version, manifest.lineage.previous, _fates(topics, manifest), (), ())
    if previous is not None:
        _require_previous(manifest, model, TOPIC_MODEL.read(previous))
        died = set(manifest.lineage.died)
        report = replace(report, ended=tuple(topic for topic in read_topics(previous)[0] if topic.id in died))
    ids = [topic.id for topic in topics]
    if activity is not None:
        uploads, clicks = find_trends(ids, *activity.uploads), find_trends(ids, *activity.clicks)
        missing = {"videos were assigned": uploads, "clicks of known users were reported": clicks}
        notes = tuple(f"no {event} in one of the two periods" for event, trends in missing.items() if not trends)
        return _with_trends(report, uploads, clicks, notes)
    if previous is not None:
        uploads = find_trends(ids, *pool_counts(read_videos(model), read_videos(previous)))
        notes = () if uploads else ("the pools have no video in common, or the same videos: uploads are not compared",)
        return _with_trends(report, uploads, {}, notes)
    return replace(report, notes=("without a previous model and a database nothing rises or falls",))


def pool_counts(pool: Iterable[AssignedVideo], earlier: Iterable[AssignedVideo]) -> tuple[PeriodCounts, PeriodCounts]:
    """Return the counts of the videos of a pool that an earlier pool had, and of the others."""
    known = {video.video_id for video in earlier}
    counts, totals = (Counter[int](), Counter[int]()), [0, 0]
    for video in pool:
        period = int(video.video_id not in known)
        totals[period] += 1
        counts[period].update(topic for topic, _ in video.topics)
    return PeriodCounts(counts[0], totals[0]), PeriodCounts(counts[1], totals[1])


def periods(now: datetime, days: float) -> tuple[datetime, datetime, datetime]:
    """Return the start of the earlier period, the start of the later one, and its end."""
    length = timedelta(days=days)
    return now - 2 * length, now - length, now


def _fates(topics: Iterable[Topic], manifest: TopicsManifest) -> tuple[TopicChange, ...]:
    lineage = manifest.lineage
    if lineage.previous is None:
        return tuple(TopicChange(topic, None, None) for topic in topics)
    return tuple(
        TopicChange(topic, "continued" if topic.id in lineage.drift else "born", lineage.drift.get(topic.id))
        for topic in topics
    )


def _require_previous(manifest: TopicsManifest, model: Path, previous: TopicsManifest) -> None:
    if manifest.lineage.previous != previous.version:
        found = f"after {manifest.lineage.previous}" if manifest.lineage.previous else "without a previous model"
        raise ArtifactMismatchError(
            f"{model} was fitted {found}, not after {previous.version}", "give the model that was its --previous"
        )


def _with_trends(
    report: TrendReport, uploads: Mapping[int, Trend], clicks: Mapping[int, Trend], notes: tuple[str, ...]
) -> TrendReport:
    changes = tuple(
        replace(change, uploads=uploads.get(change.topic.id), clicks=clicks.get(change.topic.id))
        for change in report.changes
    )
    return replace(report, changes=changes, notes=notes)
