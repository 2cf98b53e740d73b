"""Messages of the recommendation service: values to responses."""

from videotag.v1 import recommendation_pb2 as pb

from tagging.recommendation.service.calls import RecommendationList


def recommendations_message(found: RecommendationList, model_version: str) -> pb.RecommendVideosResponse:
    return pb.RecommendVideosResponse(
        videos=[pb.RecommendedVideo(video_id=video.video_id, score=video.score) for video in found.videos],
        unknown_video_ids=found.unknown_ids,
        model_version=model_version,
    )
