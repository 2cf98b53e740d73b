from datetime import timedelta
from pathlib import Path

import pytest

from tagging.errors import DatabaseMismatchError
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.engagements import EngagementEvent, Engagements
from tagging.store.database.migrate import migrate
from tagging.store.database.topic_videos import TopicVideos
from tagging.store.topic_video import AssignedVideo
from tagging.topics.queues.activity import read_activity
from tagging.topics.trends import PeriodCounts
from tests.support.clocks import NOW
from tests.support.database_records import database_at

pytestmark = pytest.mark.anyio
BEFORE, AFTER = NOW - timedelta(days=8), NOW - timedelta(days=1)


async def test_both_periods_are_counted_also_by_a_database_that_is_slow_for_a_service(empty: DatabaseConfig) -> None:
    await migrate(empty)
    database = Database(empty)
    videos = TopicVideos(database)
    await videos.put([AssignedVideo("a", ((1, 0.9),))], BEFORE)
    await videos.put([AssignedVideo("b", ((1, 0.9), (2, 0.8))), AssignedVideo("c", ())], AFTER)
    clicks = [EngagementEvent(f"{user} {at}", "b", user, "click", at) for at in (BEFORE, AFTER) for user in ("u", "v")]
    await Engagements(database, 1.0).report(clicks[:3])
    await database.close()
    hurried = empty.model_copy(update={"answer_timeout_s": 1e-6})
    found = await read_activity(hurried, NOW, 7.0)
    assert found.uploads == (PeriodCounts({1: 1}, 1), PeriodCounts({1: 1, 2: 1}, 1))
    assert found.clicks == (PeriodCounts({1: 2, 2: 2}, 2), PeriodCounts({1: 1, 2: 1}, 1))


async def test_a_database_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseMismatchError, match="there is no database"):
        await read_activity(database_at(f"sqlite:///{tmp_path}/none.db"), NOW, 7.0)
