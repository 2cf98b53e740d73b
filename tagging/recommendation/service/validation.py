"""Request validation of the recommendation service: the limits that the comments of the proto state."""

from videotag.v1 import recommendation_pb2 as pb

from tagging.service.api.field_checks import MISSING, Fields
from tagging.service.api.validation import LONGEST_ID

MOST_WATCHED = 1000
MOST_VIDEOS = 1000


def check(message: pb.RecommendVideosRequest) -> None:
    """Raise InvalidRequestError, which names every invalid field, unless the message is valid."""
    fields = Fields()
    if not message.watched_video_ids:
        fields.violation("watched_video_ids", MISSING)
    fields.lines("watched_video_ids", message.watched_video_ids, LONGEST_ID, MOST_WATCHED)
    fields.number("max_videos", message.max_videos, 0, MOST_VIDEOS)
    fields.finish()
