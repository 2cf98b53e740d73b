"""Videos of a plan: those of a manifest, or drawn ones."""

from pathlib import Path

import pytest

from tagging.errors import InvalidManifestError, MediaNotFoundError
from tests.support.corpora import write_rows
from tests.tagging.bench.conftest import MakePlan

NO_BUNDLE = Path("no-bundle")


def test_without_a_manifest_clips_are_drawn_once(make_plan: MakePlan) -> None:
    plan = make_plan(NO_BUNDLE)
    clips = plan.clips()
    times = [Path(str(clip.uri)).stat().st_mtime_ns for clip in clips]
    assert len(clips) == 2
    assert plan.clips() == clips
    assert [Path(str(clip.uri)).stat().st_mtime_ns for clip in clips] == times
    assert all(title.uri is None and title.text for title in plan.titles())
    assert len(plan.titles()) == 3


def test_the_first_clips_and_titles_of_a_manifest_are_used(make_plan: MakePlan, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.mp4").touch()
    rows = [{"video_id": "t", "title": "no clip"}, {"video_id": "m", "uri": "a.mp4"}]
    rows += [{"video_id": name, "uri": f"{name}.mp4", "title": name} for name in ("b", "c")]
    plan = make_plan(NO_BUNDLE, write_rows(tmp_path / "m.jsonl", rows))
    assert [clip.video_id for clip in plan.clips()] == ["m", "b"]
    assert [(title.video_id, title.uri) for title in plan.titles()] == [("t", None), ("b", None), ("c", None)]


def test_a_missing_clip_is_named(make_plan: MakePlan, tmp_path: Path) -> None:
    manifest = write_rows(tmp_path / "m.jsonl", [{"video_id": "a", "uri": "gone.mp4"}])
    with pytest.raises(MediaNotFoundError, match=r"no clip at .*gone\.mp4"):
        make_plan(NO_BUNDLE, manifest).clips()


def test_a_manifest_without_clips_or_titles_is_rejected(make_plan: MakePlan, tmp_path: Path) -> None:
    titles = write_rows(tmp_path / "titles.jsonl", [{"video_id": "a", "title": "text"}])
    with pytest.raises(InvalidManifestError, match="no video with a uri"):
        make_plan(NO_BUNDLE, titles).clips()
    clips = write_rows(tmp_path / "clips.jsonl", [{"video_id": "a", "uri": "a.mp4"}])
    with pytest.raises(InvalidManifestError, match="no video with a title"):
        make_plan(NO_BUNDLE, clips).titles()


def test_an_unreadable_row_is_an_error(make_plan: MakePlan, tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text("{\n")
    with pytest.raises(InvalidManifestError):
        make_plan(NO_BUNDLE, tmp_path / "m.jsonl").titles()
