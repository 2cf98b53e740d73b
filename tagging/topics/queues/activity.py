"""Activity of topics in a database: uploads and clicks of the last days, and of as many days before."""

from datetime import datetime

from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.migrate import require_current
from tagging.store.database.topic_videos import TopicVideos
from tagging.topics.trend_report import Activity, periods
from tagging.topics.trends import PeriodCounts

TIMEOUT_S = 600.0  # of each query: ten million rows take half a minute to count


async def read_activity(config: DatabaseConfig, now: datetime, days: float) -> Activity:
    """Return the counts of both periods of `days`.

    Raises DatabaseMismatchError for a database without current tables, and the errors of Database.
    """
    start, middle, end = periods(now, days)
    database = Database(config.patient(TIMEOUT_S))
    try:
        await require_current(database)
        videos = TopicVideos(database)
        return Activity(
            uploads=(
                PeriodCounts(*await videos.added_between(start, middle)),
                PeriodCounts(*await videos.added_between(middle, end)),
            ),
            clicks=(
                PeriodCounts(*await videos.clicked_between(start, middle)),
                PeriodCounts(*await videos.clicked_between(middle, end)),
            ),
        )
    finally:
        await database.close()
