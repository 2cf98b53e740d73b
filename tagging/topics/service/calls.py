"""Calls of the topic service: topics and their queues page by page, engagement, and candidates for a user."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

import numpy as np

from tagging.config.random_streams import Stream
from tagging.config.topic_queues import QueuesConfig
from tagging.errors import InvalidRequestError, UnknownIdError
from tagging.service.calls.page_tokens import read_offset, write_token
from tagging.store.database.engagements import EngagementEvent, Engagements
from tagging.store.database.topic_queues import QueueParts, TopicQueues
from tagging.store.database.topic_videos import TopicVideos
from tagging.text.normalise import normalise
from tagging.topics.model import Topic
from tagging.topics.queues.candidates import Candidate, PreferredTopic, choose_candidates, preferred_topics
from tagging.topics.queues.queue import QueueEntry, entries_of, fresh_count, query_of, rules_at

T = TypeVar("T")

PAGE = 100
DRAWN_EVERY_S = 3600  # fresh videos, so that pages of one listing and answers of several services agree
LEFT_OUT = 1000  # last clicks of a user, whose videos are no candidates
AHEAD = timedelta(minutes=5)  # of this machine's clock, that a caller's may be


@dataclass(frozen=True, slots=True)
class TopicPage:
    """One page of topics."""

    topics: tuple[Topic, ...]
    next_token: str  # empty on the last page


@dataclass(frozen=True, slots=True)
class VideoPage:
    """One page of the queue of a topic."""

    entries: tuple[QueueEntry, ...]
    total: int  # entries of the whole queue
    next_token: str  # empty on the last page


@dataclass(frozen=True, slots=True)
class CandidateList:
    """Candidates for a user, and the topics that they are from."""

    candidates: tuple[Candidate, ...]
    preferred: tuple[PreferredTopic, ...]


class TopicCalls:
    """Answers the calls.

    topics: of the served model
    clock:  returns the time with a time zone
    Each method also raises the errors of the database.
    """

    def __init__(
        self,
        topics: Sequence[Topic],
        videos: TopicVideos,
        queues: TopicQueues,
        engagements: Engagements,
        config: QueuesConfig,
        clock: Callable[[], datetime],
    ) -> None:
        ordered = sorted(topics, key=lambda topic: (-topic.videos, topic.id))
        self._topics = [(topic, [normalise(name) for name in (topic.name, *topic.tags)]) for topic in ordered]
        self._ids = {topic.id for topic in topics}
        self._videos = videos
        self._queues = queues
        self._engagements = engagements
        self._config = config
        self._clock = clock

    def page_of_topics(self, size: int, token: str, text: str) -> TopicPage:
        """A page of topics. size: 0 for the default; text: part of a name or tag.

        Raises InvalidRequestError for a token of another listing.
        """
        query = {"text": text}
        start = read_offset(token, query)
        form = normalise(text)
        found = [topic for topic, names in self._topics if any(form in name for name in names)]
        end = start + (size or PAGE)
        return TopicPage(tuple(found[start:end]), write_token((end,), query) if end < len(found) else "")

    async def page_of_videos(self, topic: int, size: int, token: str) -> VideoPage:
        """A page of the queue of a topic. size: 0 for the default.

        Raises UnknownIdError, and InvalidRequestError for a token of another listing.
        """
        if topic not in self._ids:
            raise UnknownIdError(f"there is no topic {topic}", "list the topics: a refit may have ended it")
        query = {"topic": topic}
        start = read_offset(token, query)
        at = self._clock()
        proven, fresh = await self._queues.sizes(topic, rules_at(at, self._config))
        total = proven + min(fresh, fresh_count(proven, self._config))
        end = min(start + (size or PAGE), total)
        entries: tuple[QueueEntry, ...] = ()
        if start < end:
            entries = await self._first((topic,), end, at, lambda queues: tuple(islice(queues[topic], start, None)))
        return VideoPage(entries, total, write_token((end,), query) if end < total else "")

    async def report(self, events: Sequence[EngagementEvent]) -> int:
        """Count events and return the number of those that were new.

        Raises InvalidRequestError if one of them is too old to be recognised when it is repeated, or in the future.
        """
        now = self._clock()
        oldest = now - timedelta(days=self._config.remembered_days)
        violations = {
            f"events[{index}].occurred_at": f"{event.at:%Y-%m-%dT%H:%M:%SZ}, expected a time from "
            f"{oldest:%Y-%m-%dT%H:%M:%SZ} to now"
            for index, event in enumerate(events)
            if not oldest <= event.at <= now + AHEAD
        }
        if violations:
            [field, reason], *_ = violations.items()
            raise InvalidRequestError(f"{field}: {reason}", "report events soon, by a clock that is right", violations)
        return await self._engagements.report(events)

    async def candidates_of_user(self, user_id: str, most: int) -> CandidateList:
        """Candidates by the clicks that were reported of a user. most: 0 for the default."""
        clicks = max(self._config.recent_clicks, LEFT_OUT)
        return await self._candidates(await self._engagements.clicked(user_id, clicks), most)

    async def candidates_of_clicks(self, clicked: Sequence[str], most: int) -> CandidateList:
        """Candidates by clicked videos, the last first. most: 0 for the default."""
        return await self._candidates(clicked, most)

    async def _candidates(self, clicked: Sequence[str], most: int) -> CandidateList:
        recent, at = clicked[: self._config.recent_clicks], self._clock()
        topics_of = await self._videos.topics_of(recent)
        topics = [[topic for topic in topics_of.get(video_id, ()) if topic in self._ids] for video_id in recent]
        preferred = preferred_topics(topics, self._config.preferred_topics)
        wanted, left_out = most or self._config.candidates, frozenset(clicked)
        # Enough however they are divided: an entry that is passed over was clicked, or is taken from another queue.
        chosen = await self._first(
            [topic.topic for topic in preferred],
            wanted + len(left_out),
            at,
            lambda queues: choose_candidates(preferred, queues, wanted, left_out),
        )
        return CandidateList(chosen, preferred)

    async def _first(
        self, topics: Sequence[int], most: int, at: datetime, use: Callable[[Mapping[int, Iterator[QueueEntry]]], T]
    ) -> T:
        """Return what `use` makes of the first `most` entries of the queues of topics, best first."""
        period = int(at.timestamp()) // DRAWN_EVERY_S
        seeds = [[self._config.seed, Stream.TOPIC_QUEUES, topic, period] for topic in topics]
        generators = map(np.random.default_rng, seeds)
        queries = [query_of(*pair, most, self._config) for pair in zip(topics, generators, strict=True)]

        def use_entries(parts: Sequence[QueueParts]) -> T:
            queues = (islice(entries_of(found, at, self._config), most) for found in parts)
            return use(dict(zip(topics, queues, strict=True)))

        return await self._queues.first(queries, rules_at(at, self._config), use_entries)
