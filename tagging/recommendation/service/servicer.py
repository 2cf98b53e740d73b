"""RecommendationService servicer: converts the message to values, makes the call and converts the result."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
from videotag.v1 import recommendation_pb2 as pb
from videotag.v1 import recommendation_pb2_grpc as rpc

from tagging.errors import BackendUnavailableError
from tagging.recommendation.service.calls import RecommendationCalls
from tagging.recommendation.service.messages import recommendations_message
from tagging.recommendation.service.metrics import RecommendationMetrics
from tagging.recommendation.service.validation import check
from tagging.service.inference.turns import Turns

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class ServedModel:
    """A recommendation model and the calls about it, from which the handlers answer."""

    version: str
    calls: RecommendationCalls
    turns: Turns
    metrics: RecommendationMetrics


class RecommendationServicer(rpc.RecommendationServiceServicer):
    """Handlers of the service; ErrorInterceptor turns what they raise into a status.

    Until `open` every call raises BackendUnavailableError, so that clients retry.
    """

    def __init__(self) -> None:
        self._opened: ServedModel | None = None

    def open(self, served: ServedModel) -> None:
        """Start to answer calls."""
        self._opened = served

    async def RecommendVideos(self, request: pb.RecommendVideosRequest, context: Context) -> pb.RecommendVideosResponse:
        check(request)
        if self._opened is None:
            raise BackendUnavailableError("the service is not warm yet", "wait until its health is SERVING")
        served = self._opened
        recommend = partial(served.calls.recommend, request.watched_video_ids, request.max_videos)
        found = await served.turns.run(request, recommend)
        watched = len(set(request.watched_video_ids))
        served.metrics.answered(watched, len(found.unknown_ids), len(found.videos))
        return recommendations_message(found, served.version)
