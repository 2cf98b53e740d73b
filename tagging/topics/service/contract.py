"""Contract of the topic service: its calls and the roles that may make them.

Every client may list topics and their videos; `recommend` is for what concerns users, their events and candidates.
"""

from videotag.v1 import topics_pb2 as pb

from tagging.service.clients.clients import ROLES
from tagging.service.contract import Contract

TOPICS = Contract(
    pb.DESCRIPTOR.services_by_name["TopicService"].full_name,
    {
        "ListTopics": ROLES,
        "GetTopicVideos": ROLES,
        "ReportEngagement": frozenset({"recommend"}),
        "ListCandidates": frozenset({"recommend"}),
    },
)
