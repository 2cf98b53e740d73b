"""Upkeep of the topic tables: filling them with the pool of a model, and removing what no queue and no count needs."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice

from tagging.config.topic_queues import QueuesConfig
from tagging.store.database.engagements import Engagements
from tagging.store.database.topic_queues import TopicQueues
from tagging.store.database.topic_videos import TopicVideos
from tagging.store.topic_video import AssignedVideo
from tagging.topics.queues.queue import rules_at

logger = logging.getLogger(__name__)

BATCH = 1000
# After its reports are refused, an event is remembered for a while: another service's clock may be behind, and a report
# that was accepted may still wait for the database.
REMEMBERED_LONGER = timedelta(hours=1)
FORGOTTEN_HALF_LIVES = 20  # a million exposures count as one then


async def load_pool(videos: TopicVideos, version: str, pool: Iterable[AssignedVideo], at: datetime) -> None:
    """Put the videos that a topic model was fitted on, unless they were the last pool; an interrupted load is repeated.

    at: the time of the load
    """
    if await videos.is_loaded(version):
        return
    added_at = await videos.begin_load(version, at)
    remaining, count = iter(pool), 0
    while batch := list(islice(remaining, BATCH)):
        await videos.put(batch, added_at)
        count += len(batch)
    await videos.end_load(version, at)
    logger.info("pool loaded", extra={"version": version, "videos": count})


async def prune(queues: TopicQueues, engagements: Engagements, config: QueuesConfig, now: datetime) -> None:
    """Remove old events, counts that have decayed, and videos that the queues have deleted for long."""
    events_before = now - timedelta(days=config.remembered_days) - REMEMBERED_LONGER
    counts_before = now - FORGOTTEN_HALF_LIVES * timedelta(days=config.half_life_days)
    removed = {"events_and_counts": 0, "videos": 0}
    while count := await engagements.prune(events_before, counts_before, BATCH):
        removed["events_and_counts"] += count
    rules, added_before, after = rules_at(now, config), now - timedelta(days=config.kept_days), ""
    while step := await queues.prune(rules, added_before, after, BATCH):
        after = step.last
        removed["videos"] += step.removed
    if any(removed.values()):
        logger.info("topic tables pruned", extra=removed)
