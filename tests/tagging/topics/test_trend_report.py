import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from tagging.errors import ArtifactMismatchError
from tagging.store.topic_video import AssignedVideo
from tagging.topics.manifest import TOPIC_MODEL
from tagging.topics.trend_report import Activity, periods, pool_counts, report_trends
from tagging.topics.trends import PeriodCounts
from tests.support.clocks import NOW
from tests.tagging.topics.test_files import edit_and_seal


def test_topics_that_gain_videos_rise_and_others_fall(fitted: Path, refitted: Path) -> None:
    report = report_trends(refitted, fitted, None)
    assert (report.previous, report.notes) == (TOPIC_MODEL.read(fitted).version, ())
    found = {change.topic.tags[0]: change for change in report.changes}
    directions = {tag: change.uploads.direction for tag, change in found.items() if change.uploads is not None}
    assert directions == {"cats": "rising", "cars": "falling", "food": "steady", "music": "steady"}
    assert all(change.fate == "continued" and change.drift is not None for change in report.changes)
    assert report.ended == ()


def test_a_first_model_has_no_fates_and_nothing_to_compare(fitted: Path) -> None:
    report = report_trends(fitted, None, None)
    assert [(change.fate, change.drift, change.uploads) for change in report.changes] == [(None, None, None)] * 4
    assert "nothing rises or falls" in report.notes[0]


def test_a_model_that_is_not_the_previous_one_is_refused(fitted: Path, refitted: Path) -> None:
    with pytest.raises(ArtifactMismatchError, match="without a previous model, not after"):
        report_trends(fitted, refitted, None)
    with pytest.raises(ArtifactMismatchError, match="was fitted after"):
        report_trends(refitted, refitted, None)


def test_born_and_ended_topics_are_listed(fitted: Path, refitted: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(refitted, tmp_path / "topics"))
    lineage = TOPIC_MODEL.read(copy).lineage.model_dump()
    edit_and_seal(copy, lineage={**lineage, "drift": {"1": 0.25}, "born": [2, 3, 4], "died": [3]})
    report = report_trends(copy, fitted, None)
    fates = {change.topic.id: (change.fate, change.drift) for change in report.changes}
    assert fates == {1: ("continued", 0.25)} | dict.fromkeys((2, 3, 4), ("born", None))
    assert [topic.id for topic in report.ended] == [3]
    assert report_trends(copy, None, None).ended == ()


def test_activity_gives_the_trends_of_uploads_and_clicks(refitted: Path) -> None:
    rising = (PeriodCounts({1: 10}, 1000), PeriodCounts({1: 100}, 1000))
    report = report_trends(refitted, None, Activity(rising, (PeriodCounts({}, 0), PeriodCounts({1: 1}, 1))))
    [change] = [change for change in report.changes if change.topic.id == 1]
    assert change.uploads is not None
    assert change.uploads.direction == "rising"
    assert change.clicks is None
    assert report.notes == ("no clicks of known users were reported in one of the two periods",)


def test_pools_are_divided_into_known_and_new_videos() -> None:
    pool = [AssignedVideo("a", ((1, 0.9), (2, 0.8))), AssignedVideo("b", ((2, 0.9),)), AssignedVideo("c", ())]
    before, after = pool_counts(pool, [AssignedVideo("b", ((7, 0.9),)), AssignedVideo("x", ())])
    assert before == PeriodCounts({2: 1}, 1)
    assert after == PeriodCounts({1: 1, 2: 1}, 2)


def test_the_periods_have_the_same_length_and_end_now() -> None:
    assert periods(NOW, 7) == (NOW - timedelta(days=14), NOW - timedelta(days=7), NOW)
