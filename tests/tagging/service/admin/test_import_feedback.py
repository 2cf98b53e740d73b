"""Import of the feedback of a review: each line once, in every kind of database."""

import asyncio
from pathlib import Path

import pytest

from tagging.errors import ArtifactCorruptError, ArtifactNotFoundError, DatabaseMismatchError
from tagging.inspection.review.decisions import Decision, Draft, JudgedTag, ReviewedVideo, Verdict
from tagging.inspection.review.feedback_file import FeedbackFile
from tagging.service.admin.import_feedback import import_feedback
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.feedback import FeedbackLog, NamedTag
from tagging.store.database.migrate import migrate
from tagging.types import VideoRef
from tests.support.cli import run
from tests.support.database_records import database_at, url_of

pytestmark = pytest.mark.anyio


def reviewed(number: int, *tags: tuple[str | None, str, Verdict]) -> ReviewedVideo:
    made = tuple(Decision(name, JudgedTag(tag_id, name), verdict) for tag_id, name, verdict in tags)
    video_id = f"v{number}"
    return ReviewedVideo(VideoRef(video_id), "b1", f"f{number}", "2026-01-02T03:04:05+00:00", Draft(video_id, made))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with FeedbackFile.open(tmp_path / "f.jsonl") as file:
        file.confirm(reviewed(1, ("1", "dog", "accepted"), ("2", "cat", "rejected"), (None, "new 🔥", "added")))
        file.confirm(reviewed(2))
        file.confirm(reviewed(3, ("2", "cat", "rejected")))
    return tmp_path / "f.jsonl"


async def test_each_line_is_stored_once(empty: DatabaseConfig, file: Path) -> None:
    await migrate(empty)
    report = await import_feedback(empty, file)
    assert (report.feedback, report.stored_before, report.without_decisions) == (2, 0, 1)
    with FeedbackFile.open(file) as grown:
        grown.confirm(reviewed(4, ("1", "dog", "accepted")))
    report = await import_feedback(empty, file)
    assert (report.feedback, report.stored_before, report.without_decisions) == (1, 2, 1)
    database = Database(empty)
    stored = [entry.record async for entry in FeedbackLog(database).all_after()]
    await database.close()
    assert [record.video_id for record in stored] == ["v1", "v3", "v4"]
    assert stored[0].accepted == (NamedTag("1", "dog"),)
    assert stored[0].rejected == (NamedTag("2", "cat"),)
    assert stored[0].added == (NamedTag(None, "new 🔥"),)
    assert (stored[0].bundle_version, stored[0].origin.request_id) == ("b1", "f1")


async def test_other_files_are_refused_before_anything_is_stored(empty: DatabaseConfig, file: Path) -> None:
    await migrate(empty)
    file.write_bytes(file.read_bytes() + b'{"video_id": "a manifest"}\n')
    with pytest.raises(ArtifactCorruptError, match="line 4"):
        await import_feedback(empty, file)
    with pytest.raises(ArtifactNotFoundError):
        await import_feedback(empty, file.with_name("missing"))
    database = Database(empty)
    assert [entry async for entry in FeedbackLog(database).all_after()] == []
    await database.close()


async def test_a_database_without_tables_is_refused(empty: DatabaseConfig, file: Path) -> None:
    with pytest.raises(DatabaseMismatchError):
        await import_feedback(empty, file)


def test_the_command_prints_the_counts(tmp_path: Path, file: Path) -> None:
    config = database_at(f"sqlite:///{tmp_path}/videotag.db")
    asyncio.run(migrate(config))
    toml = tmp_path / "service.toml"
    toml.write_text(f'[database]\nurl = "{url_of(config)}"\n')
    result = run("feedback", "import", file, "--config", toml, "--format", "json")
    assert result.returncode == 0, result.stderr
    assert '"feedback": 2' in result.stdout
