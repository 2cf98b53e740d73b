import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer

from tagging.cli.results import moment
from tagging.errors import DatabaseMismatchError
from tagging.progress import Silent
from tagging.service.admin.export_feedback import export_feedback
from tagging.service.admin.prune_answers import prune_results
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.feedback import FeedbackLog
from tagging.store.database.labelled_videos import LabelledLog
from tagging.store.database.migrate import migrate
from tagging.store.database.size import Size
from tagging.store.database.tag_edits import TagEdits
from tagging.store.database.taggings import Taggings
from tests.support.cli import error_lines, run
from tests.support.database_records import NOON, edit, feedback, labelled, tagging, url_of

pytestmark = pytest.mark.anyio

AT_ONCE, COUNT = 50, 120


@pytest.fixture
async def database(empty: DatabaseConfig) -> AsyncIterator[Database]:
    """COUNT answers, one minute apart; feedback on the first of them."""
    await migrate(empty)
    database = Database(empty)
    for n in range(COUNT):
        await Taggings(database).put(tagging(f"v{n}", minutes=n))
    await FeedbackLog(database).append(feedback("r1", video_id="v0"))
    await TagEdits(database).append(edit("r1"))
    await LabelledLog(database).append(labelled("r1"))
    yield database
    await database.close()


async def at_once(_: float) -> None:
    pass


async def test_only_answers_older_than_the_limit_are_deleted(
    empty: DatabaseConfig, database: Database, tmp_path: Path
) -> None:
    cut = COUNT - 30
    report = await prune_results(empty, NOON + timedelta(minutes=cut), Silent(), AT_ONCE, at_once)
    assert (report.removed, report.kept_for_feedback) == (cut - 1, 1)
    assert report.database_bytes == await Size(database).now() > 0
    left = [n for n in range(COUNT) if await Taggings(database).latest(f"v{n}") is not None]
    assert left == [0, *range(cut, COUNT)]
    assert [await log(database).last() for log in (FeedbackLog, TagEdits, LabelledLog)] == [1, 1, 1]
    await export_feedback(empty, tmp_path / "feedback.jsonl")
    assert json.loads((tmp_path / "feedback.jsonl").read_text())["title"] == "title"
    again = await prune_results(empty, NOON + timedelta(minutes=cut), Silent(), AT_ONCE, at_once)
    assert (again.removed, again.kept_for_feedback) == (0, 1)


async def test_writers_make_progress_between_its_batches(empty: DatabaseConfig, database: Database) -> None:
    batches = 0

    async def write(_: float) -> None:
        nonlocal batches
        batches += 1
        late = replace(tagging(f"new{batches}"), at=NOON + timedelta(days=400))
        assert await Taggings(database).put(late) == late

    report = await prune_results(empty, NOON + timedelta(days=300), Silent(), AT_ONCE, write)
    assert report.removed == COUNT - 1
    assert batches >= COUNT // AT_ONCE
    assert all([await Taggings(database).latest(f"new{n + 1}") for n in range(batches)])


async def test_old_answers_after_those_of_a_clock_that_was_ahead_are_deleted(empty: DatabaseConfig) -> None:
    await migrate(empty)
    database = Database(empty)
    for n in range(AT_ONCE):
        await Taggings(database).put(replace(tagging(f"ahead{n}"), at=NOON + timedelta(days=365)))
    for n in range(10):
        await Taggings(database).put(tagging(f"v{n}", minutes=n))
    report = await prune_results(empty, NOON + timedelta(minutes=5), Silent(), AT_ONCE, at_once)
    assert report.removed == 5
    await database.close()


async def test_a_database_without_tables_is_refused(empty: DatabaseConfig) -> None:
    with pytest.raises(DatabaseMismatchError):
        await prune_results(empty, NOON, Silent())


def test_the_limit_is_an_age_or_a_date() -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert moment("90d", now) == datetime(2025, 12, 1, 12, tzinfo=UTC)
    assert moment("12h", now) == datetime(2026, 3, 1, tzinfo=UTC)
    assert moment("2026-01-31", now) == datetime(2026, 1, 31, tzinfo=UTC)
    assert moment("2026-01-31T02:00+02:00", now) == datetime(2026, 1, 31, tzinfo=UTC)
    for wrong in ("", "90", "d", "-1d", "90 d", "1e3d", "yesterday", "2026-13-01", "2026-03-02", "999999d"):
        with pytest.raises(typer.BadParameter):
            moment(wrong, now)


@pytest.mark.parametrize("empty", ["sqlite"], indirect=True)
async def test_the_command_prints_what_it_deleted(empty: DatabaseConfig, database: Database, tmp_path: Path) -> None:
    (tmp_path / "service.toml").write_text(f'[database]\nurl = "{url_of(empty)}"\n')
    prune = ("results", "prune", "--config", tmp_path / "service.toml", "--format", "json")
    done = await asyncio.to_thread(run, *prune, "--before", "2026-03-01T13:00Z")
    report = json.loads(done.stdout)
    assert (report["before"], report["removed"], report["kept_for_feedback"]) == ("2026-03-01T13:00:00+00:00", 59, 1)
    assert "answers scanned" in done.stderr
    wrong = await asyncio.to_thread(run, *prune, "--before", "soon")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    (tmp_path / "service.toml").write_text(f'[database]\nurl = "sqlite:///{tmp_path}/no.db"\n')
    assert "there is no database" in error_lines(await asyncio.to_thread(run, *prune, "--before", "90d"))[0]
