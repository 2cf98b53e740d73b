"""Contract of the recommendation service: its call, which concerns users and so needs the role `recommend`."""

from videotag.v1 import recommendation_pb2 as pb

from tagging.service.contract import Contract

RECOMMENDATION = Contract(
    pb.DESCRIPTOR.services_by_name["RecommendationService"].full_name,
    {"RecommendVideos": frozenset({"recommend"})},
)
