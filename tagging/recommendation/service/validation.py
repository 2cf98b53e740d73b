"""Request validation of the recommendation service: the limits that the comments of the proto state."""

from collections.abc import Iterable

from videotag.v1 import recommendation_pb2 as pb

from tagging.errors import InvalidManifestError, InvalidRequestError
from tagging.manifests.values import shown
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


def check_upload_ids(video_ids: Iterable[str]) -> None:
    """Raise InvalidManifestError for an id that no request can state once a user has watched the video."""
    for video_id in video_ids:
        fields = Fields()
        fields.line("video_id", video_id, LONGEST_ID)
        try:
            fields.finish()
        except InvalidRequestError as error:
            raise InvalidManifestError(
                f"video {shown(video_id)} could be recommended, but not be stated as watched: {error.message}",
                f"give ids of at most {LONGEST_ID} characters, without control characters",
            ) from error
