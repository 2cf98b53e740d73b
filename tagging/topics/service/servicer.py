"""TopicService servicer: each handler converts the message to values, makes the call and converts the result."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import grpc
from videotag.v1 import topics_pb2 as pb
from videotag.v1 import topics_pb2_grpc as rpc

from tagging.errors import BackendUnavailableError
from tagging.service.inference.turns import Turns
from tagging.topics.model import TopicGroup
from tagging.topics.service.calls import TopicCalls
from tagging.topics.service.messages import candidates_message, read_events, topic_message, video_message
from tagging.topics.service.metrics import TopicMetrics
from tagging.topics.service.validation import check

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class ServedTopics:
    """A topic model and the calls about it, from which the handlers answer."""

    version: str  # of the topic model
    groups: Sequence[TopicGroup]
    calls: TopicCalls
    turns: Turns  # of calls that use the database
    metrics: TopicMetrics
    clock: Callable[[], datetime]


class TopicServicer(rpc.TopicServiceServicer):
    """Handlers of the service; ErrorInterceptor turns what they raise into a status.

    Until `open` every call raises BackendUnavailableError, so that clients retry.
    """

    def __init__(self) -> None:
        self._opened: ServedTopics | None = None

    def open(self, served: ServedTopics) -> None:
        """Start to answer calls."""
        self._opened = served

    @property
    def _served(self) -> ServedTopics:
        if self._opened is None:
            raise BackendUnavailableError("the service is not warm yet", "wait until its health is SERVING")
        return self._opened

    async def ListTopics(self, request: pb.ListTopicsRequest, context: Context) -> pb.ListTopicsResponse:
        check(request)
        served = self._served
        page = served.calls.page_of_topics(request.page_size, request.page_token, request.text)
        return pb.ListTopicsResponse(
            topics=[topic_message(topic, served.groups) for topic in page.topics],
            next_page_token=page.next_token,
            topics_version=served.version,
        )

    async def GetTopicVideos(self, request: pb.GetTopicVideosRequest, context: Context) -> pb.GetTopicVideosResponse:
        check(request)
        served = self._served
        start = partial(served.calls.page_of_videos, request.topic_id, request.page_size, request.page_token)
        page = await served.turns.run(request, start)
        return pb.GetTopicVideosResponse(
            videos=map(video_message, page.entries),
            next_page_token=page.next_token,
            total_videos=page.total,
            topics_version=served.version,
        )

    async def ReportEngagement(
        self, request: pb.ReportEngagementRequest, context: Context
    ) -> pb.ReportEngagementResponse:
        served = self._served
        events = read_events(request, served.clock())
        counted = await served.turns.run(request, partial(served.calls.report, events))
        served.metrics.reported(counted, len(events) - counted)
        return pb.ReportEngagementResponse(counted=counted, repeated_events=len(events) - counted)

    async def ListCandidates(self, request: pb.ListCandidatesRequest, context: Context) -> pb.ListCandidatesResponse:
        check(request)
        served = self._served
        if request.HasField("user_id"):
            start = partial(served.calls.candidates_of_user, request.user_id, request.max_candidates)
        else:
            start = partial(served.calls.candidates_of_clicks, request.clicked_video_ids, request.max_candidates)
        found = await served.turns.run(request, start)
        served.metrics.candidates.observe(len(found.candidates))
        return candidates_message(found, served.version)
