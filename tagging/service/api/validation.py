"""Request validation: the limits that the comments of the proto state for each request message."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import Any

from google.protobuf.message import Message
from videotag.v1 import tagging_pb2 as pb

from tagging.service.api.field_checks import MISSING, Fields
from tagging.text.normalise import normalise

LONGEST_ID = 256
LONGEST_VERSION = 128
LONGEST_URI = 4096
LONGEST_TITLE = 10_000
LONGEST_DESCRIPTION = 100_000
LONGEST_SPELLING = 200
LONGEST_TAG_DESCRIPTION = 1000
LONGEST_LANGUAGE = 35
LONGEST_FOLDER = 255
LONGEST_TOKEN = 1024
LONGEST_PAGE = 1000
MOST_TAGS = 50
MOST_PARENTS = 20
MOST_QUESTIONS = 20
MOST_LISTED = 100  # aliases, merged tags, tags of a labelled video, tags of one feedback
LEAST_PRECISION, MOST_PRECISION = 0.01, 0.99  # as on the command line

_TAG_ID = re.compile(r"[0-9a-f]{16}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


def check(message: Message) -> None:
    """Raise InvalidRequestError, which names every invalid field, unless the message is valid."""
    fields = Fields()
    CHECKS[type(message)](message, fields)
    fields.finish()


def _tag_video(message: pb.TagVideoRequest, fields: Fields) -> None:
    _video(message, fields)
    options = message.options
    if options.HasField("max_tags"):
        fields.number("options.max_tags", options.max_tags, 1, MOST_TAGS)
    match options.WhichOneof("threshold"):
        case "min_confidence":
            fields.number("options.min_confidence", options.min_confidence, 0, 1)
        case "precision":
            fields.number("options.precision", options.precision, LEAST_PRECISION, MOST_PRECISION)


def _stream_tag_videos(message: pb.StreamTagVideosRequest, fields: Fields) -> None:
    _tag_video(message.request, fields)


def _get_tagging(message: pb.GetTaggingRequest, fields: Fields) -> None:
    fields.line("video_id", message.video_id, LONGEST_ID)
    if message.HasField("content_hash"):
        fields.pattern("content_hash", message.content_hash, _SHA256, "64 hexadecimal digits")
    if message.HasField("bundle_version"):
        fields.line("bundle_version", message.bundle_version, LONGEST_VERSION)


def _explain_video(message: pb.ExplainVideoRequest, fields: Fields) -> None:
    match message.WhichOneof("subject"):
        case "video":
            _tag_video(message.video, fields)
        case "video_id":
            fields.line("video_id", message.video_id, LONGEST_ID)
        case None:
            fields.violation("subject", f"{MISSING}: give a video, or the video_id of a stored answer")
    fields.lines("why", message.why, LONGEST_SPELLING, MOST_QUESTIONS)


def _list_tags(message: pb.ListTagsRequest, fields: Fields) -> None:
    _page(message, fields)
    fields.text("text", message.text, LONGEST_SPELLING)
    _status(message.status, fields)


def _create_tag(message: pb.CreateTagRequest, fields: Fields) -> None:
    fields.line("name", message.name, LONGEST_SPELLING)
    fields.lines("aliases", message.aliases, LONGEST_SPELLING, MOST_LISTED)
    _tag_ids("parent_ids", message.parent_ids, MOST_PARENTS, fields)
    fields.text("language", message.language, LONGEST_LANGUAGE)
    if message.language:
        fields.pattern("language", message.language, _LANGUAGE, "a BCP 47 language tag")
    fields.text("description", message.description, LONGEST_TAG_DESCRIPTION)


def _update_tag(message: pb.UpdateTagRequest, fields: Fields) -> None:
    _tag_id("tag_id", message.tag_id, fields)
    if message.HasField("name"):
        fields.line("name", message.name, LONGEST_SPELLING)
    fields.lines("add_aliases", message.add_aliases, LONGEST_SPELLING, MOST_LISTED)
    fields.lines("remove_aliases", message.remove_aliases, LONGEST_SPELLING, MOST_LISTED)
    _tag_ids("add_parent_ids", message.add_parent_ids, MOST_PARENTS, fields)
    _tag_ids("remove_parent_ids", message.remove_parent_ids, MOST_PARENTS, fields)
    _disjoint("remove_aliases", message.remove_aliases, message.add_aliases, "add_aliases", fields)
    _disjoint("remove_parent_ids", message.remove_parent_ids, message.add_parent_ids, "add_parent_ids", fields)
    if message.tag_id in message.add_parent_ids:
        fields.violation("add_parent_ids", "contains the tag itself")
    fields.text("description", message.description, LONGEST_TAG_DESCRIPTION)
    _status(message.status, fields)


def _merge_tags(message: pb.MergeTagsRequest, fields: Fields) -> None:
    _tag_id("target_id", message.target_id, fields)
    _tag_ids("source_ids", message.source_ids, MOST_LISTED, fields)
    if not message.source_ids:
        fields.violation("source_ids", MISSING)
    if message.target_id in message.source_ids:
        fields.violation("source_ids", "contains the target")


def _undo_tag_edit(message: pb.UndoTagEditRequest, fields: Fields) -> None:
    if message.number < 1:
        fields.violation("number", f"{message.number}, expected 1 or more")


def _list_tag_edits(message: pb.ListTagEditsRequest, fields: Fields) -> None:
    _page(message, fields)
    if message.tag_id:
        _tag_id("tag_id", message.tag_id, fields)


def _add_labelled_video(message: pb.AddLabelledVideoRequest, fields: Fields) -> None:
    _video(message, fields)
    fields.lines("tags", message.tags, LONGEST_SPELLING, MOST_LISTED)
    if not message.tags:
        fields.violation("tags", MISSING)


def _remove_labelled_video(message: pb.RemoveLabelledVideoRequest, fields: Fields) -> None:
    fields.line("video_id", message.video_id, LONGEST_ID)


def _submit_feedback(message: pb.SubmitFeedbackRequest, fields: Fields) -> None:
    fields.line("video_id", message.video_id, LONGEST_ID)
    _tag_ids("accepted_tag_ids", message.accepted_tag_ids, MOST_LISTED, fields)
    _tag_ids("rejected_tag_ids", message.rejected_tag_ids, MOST_LISTED, fields)
    fields.lines("added_tags", message.added_tags, LONGEST_SPELLING, MOST_LISTED)
    _disjoint("rejected_tag_ids", message.rejected_tag_ids, message.accepted_tag_ids, "accepted_tag_ids", fields)
    if not (message.accepted_tag_ids or message.rejected_tag_ids or message.added_tags):
        fields.violation("accepted_tag_ids", "no tag is accepted, rejected or added")
    if message.HasField("bundle_version"):
        fields.line("bundle_version", message.bundle_version, LONGEST_VERSION)
    if message.HasField("feedback_id"):
        fields.line("feedback_id", message.feedback_id, LONGEST_VERSION)


def _get_bundle(_: pb.GetBundleRequest, __: Fields) -> None:
    """The message has no fields."""


def _activate_bundle(message: pb.ActivateBundleRequest, fields: Fields) -> None:
    if message.WhichOneof("bundle") is None:
        fields.violation("bundle", f"{MISSING}: give a folder or a version")
    _bundle(message, fields)


def _bundle(message: pb.ActivateBundleRequest | pb.ShadowBundleRequest, fields: Fields) -> None:
    match message.WhichOneof("bundle"):
        case "folder":
            fields.line("folder", message.folder, LONGEST_FOLDER)
            if "/" in message.folder or message.folder in (".", ".."):
                fields.violation("folder", "a path, expected a folder name")
        case "version":
            fields.line("version", message.version, LONGEST_VERSION)


def _get_churn(message: pb.GetChurnRequest, fields: Fields) -> None:
    try:
        message.since.ToDatetime(UTC)
    except (ValueError, OverflowError):
        fields.violation(
            "since", f"{message.since.seconds} s and {message.since.nanos} ns, expected a time in the years 1 to 9999"
        )
    if message.HasField("max_tags"):
        fields.number("max_tags", message.max_tags, 1, LONGEST_PAGE)


def _video(message: pb.TagVideoRequest | pb.AddLabelledVideoRequest, fields: Fields) -> None:
    media = message.WhichOneof("media")
    fields.line("video_id", message.video_id, LONGEST_ID)
    if media == "uri":
        fields.line("uri", message.uri, LONGEST_URI)
    if media == "content" and not message.content:
        fields.violation("content", "0 bytes, expected a file")
    fields.text("title", message.title, LONGEST_TITLE)
    fields.text("description", message.description, LONGEST_DESCRIPTION)
    if message.HasField("uploader_id"):
        fields.line("uploader_id", message.uploader_id, LONGEST_ID)
    if media is None and not (message.title.strip() or message.description.strip()):
        fields.violation("title", "empty, as are the description, uri and content: at least one is required")


def _page(message: pb.ListTagsRequest | pb.ListTagEditsRequest, fields: Fields) -> None:
    fields.number("page_size", message.page_size, 0, LONGEST_PAGE)
    fields.text("page_token", message.page_token, LONGEST_TOKEN)


def _status(status: int, fields: Fields) -> None:
    if status not in pb.TagStatus.values():  # enums are open: any number arrives
        fields.violation("status", f"{status}, which is not a status of a tag")


def _tag_id(field: str, value: str, fields: Fields) -> None:
    fields.pattern(field, value, _TAG_ID, "a tag id, 16 hexadecimal digits")


def _tag_ids(field: str, values: Sequence[str], most: int, fields: Fields) -> None:
    fields.lines(field, values, LONGEST_ID, most)
    for index, value in enumerate(values[:most]):
        _tag_id(f"{field}[{index}]", value, fields)


def _disjoint(field: str, values: Sequence[str], others: Sequence[str], other_field: str, fields: Fields) -> None:
    both = _normalised(values) & _normalised(others)
    if both:
        fields.violation(field, f"{min(both)!r} is in {other_field}, too")


def _normalised(spellings: Sequence[str]) -> set[str]:
    """The spellings as tags are compared, without invalid ones: `normalise` caches its arguments in memory."""
    return {normalise(spelling) for spelling in spellings[:MOST_LISTED] if len(spelling) <= LONGEST_SPELLING}


CHECKS: Mapping[type[Message], Callable[[Any, Fields], None]] = {
    pb.TagVideoRequest: _tag_video,
    pb.StreamTagVideosRequest: _stream_tag_videos,
    pb.GetTaggingRequest: _get_tagging,
    pb.ExplainVideoRequest: _explain_video,
    pb.ListTagsRequest: _list_tags,
    pb.CreateTagRequest: _create_tag,
    pb.UpdateTagRequest: _update_tag,
    pb.MergeTagsRequest: _merge_tags,
    pb.UndoTagEditRequest: _undo_tag_edit,
    pb.ListTagEditsRequest: _list_tag_edits,
    pb.AddLabelledVideoRequest: _add_labelled_video,
    pb.RemoveLabelledVideoRequest: _remove_labelled_video,
    pb.SubmitFeedbackRequest: _submit_feedback,
    pb.GetBundleRequest: _get_bundle,
    pb.ActivateBundleRequest: _activate_bundle,
    pb.ShadowBundleRequest: _bundle,
    pb.GetChurnRequest: _get_churn,
}
