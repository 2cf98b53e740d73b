"""Explanations by a running service, with its bundle and its edits of tags: the client of ExplainVideo."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import grpc
from videotag.v1 import tagging_pb2 as pb
from videotag.v1 import tagging_pb2_grpc as rpc

from tagging.errors import InvalidRequestError, MediaNotFoundError, MediaTooBigError
from tagging.inspection.explanation import Inspection
from tagging.manifests.values import is_unicode
from tagging.messages import shown, without_credentials
from tagging.service.api.validation import LONGEST_ID
from tagging.service.remote.connection import Server, connected
from tagging.service.remote.explanation_values import read_inspection
from tagging.service.remote.statuses import TOO_BIG_HINT, error_of
from tagging.store.database.taggings import TaggingOptions
from tagging.text.normalise import is_blank
from tagging.types import VideoRef

MOST_BYTES = 2**31 - 2**20  # protobuf's limit of a message, less the other fields


def explain_remotely(
    server: Server, video: VideoRef, options: TaggingOptions, queries: Sequence[str], why_answered: bool = False
) -> Inspection:
    """Have a service explain a video as `inspect_video` does in this process, or as `inspect_answer` does.

    video: a path of this machine is sent as content, an address with "://" is opened by the service
    why_answered: True: the answered tags are asked about, too
    Raises MediaNotFoundError without such a file, MediaTooBigError for one that the service does not accept, and the
    errors of the service and of the connection.
    """
    _check_text(*queries)
    request = pb.ExplainVideoRequest(video=_message(video, options), why=queries, why_answered=why_answered)
    described = replace(video, uri=None if video.uri is None else without_credentials(video.uri))
    return read_inspection(_call(server, request), described)


def explain_stored_remotely(
    server: Server, video_id: str, queries: Sequence[str], why_answered: bool = False
) -> Inspection:
    """Have a service explain its stored answer to a video.

    Raises UnknownIdError if no answer is stored, ConflictError if its media are not, and the errors of the service and
    of the connection.
    """
    _check_text(video_id, *queries)
    request = pb.ExplainVideoRequest(video_id=video_id, why=queries, why_answered=why_answered)
    return read_inspection(_call(server, request), None)


def _call(server: Server, request: pb.ExplainVideoRequest) -> pb.ExplainVideoResponse:
    with connected(server) as channel:
        stub = rpc.TaggingServiceStub(channel)
        try:
            return stub.ExplainVideo(request, timeout=server.timeout_s, metadata=server.metadata)
        except grpc.RpcError as error:
            raise error_of(error, server, request.ByteSize()) from None


def _message(video: VideoRef, options: TaggingOptions) -> pb.TagVideoRequest:
    _check_text(video.title, video.description, video.uploader_id or "")
    message = pb.TagVideoRequest(
        video_id=_sendable_id(video.video_id),
        title=video.title,
        description=video.description,
        uploader_id=video.uploader_id,
        options=_options(options),
    )
    if video.uri is not None and "://" in video.uri:
        _check_text(video.uri)
        message.uri = video.uri
    elif video.uri is not None:
        message.content = _content(Path(video.uri))
    return message


def _options(options: TaggingOptions) -> pb.TagVideoOptions:
    given: dict[str, Any] = {name: value for name, value in asdict(options).items() if value is not None}
    return pb.TagVideoOptions(**given)


def _sendable_id(video_id: str) -> str:
    """The id under which the service sees a video; the caller keeps its own, which may be a path of any length."""
    sendable_id = shown(video_id)[:LONGEST_ID]
    return "video" if is_blank(sendable_id) else sendable_id


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise MediaTooBigError(
                f"{shown(str(path))} has {size:,} bytes, expected at most {MOST_BYTES:,} in a message", TOO_BIG_HINT
            )
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise MediaNotFoundError(f"cannot read {shown(str(path))}: {error}") from error


def _check_text(*texts: str) -> None:
    """Raise InvalidRequestError for text that protobuf cannot encode."""
    for text in texts:
        if not is_unicode(text):
            raise InvalidRequestError(f"{shown(text)} is not UTF-8 text")
