"""Calls about feedback: which tags of an answer people accepted, rejected and added."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from tagging.errors import AlreadyExistsError, InvalidRecordError, InvalidRequestError, UnknownIdError
from tagging.service.bundles.registry import BundleRegistry
from tagging.service.calls.current_tags import with_current_tags
from tagging.store.database.feedback import Feedback, FeedbackLog, NamedTag
from tagging.store.database.taggings import Tagging, Taggings
from tagging.tags.edits.edited_catalog import EditedCatalog
from tagging.types import Origin


@dataclass(frozen=True, slots=True)
class VideoFeedback:
    """Feedback as a client sent it."""

    video_id: str
    accepted: Sequence[str]  # ids of tags of the answer
    rejected: Sequence[str]  # ids of tags of the answer
    added: Sequence[str]  # spellings
    bundle_version: str | None  # None: of the last answer
    feedback_id: str | None  # None: each call is new feedback


class FeedbackCalls:
    """Answers the calls about feedback."""

    def __init__(
        self, bundles: BundleRegistry, taggings: Taggings, feedback: FeedbackLog, clock: Callable[[], datetime]
    ) -> None:
        self._bundles = bundles
        self._taggings = taggings
        self._feedback = feedback
        self._clock = clock

    async def submit(self, sent: VideoFeedback, client: str) -> Feedback:
        """Store feedback and return it as stored.

        Raises UnknownIdError if no answer is stored for the video, InvalidRequestError for a tag id that the answer
        does not have, AlreadyExistsError if the feedback_id was used for different feedback.
        """
        stored = await self._feedback.of_request(sent.feedback_id) if sent.feedback_id else None
        if stored is not None:  # checked first: tags and the last answer may have changed since
            if not _is_same(sent, client, stored.record):
                raise _used_before(stored.record.origin.request_id)
            return stored.record
        tagging = await self._taggings.latest(sent.video_id, bundle_version=sent.bundle_version)
        if tagging is None:
            raise UnknownIdError(f"no answer is stored for the video {sent.video_id!r}", "tag it first")
        tags = self._bundles.active.snapshot.tags
        names = _names_in(tagging, tags)
        _require_known(sent, names)
        rows = {spelling: tags.find_spelling(spelling) for spelling in sent.added}
        feedback = Feedback(
            sent.video_id,
            tagging.key.bundle_version,
            tuple(NamedTag(tag_id, names[tag_id]) for tag_id in dict.fromkeys(sent.accepted)),
            tuple(NamedTag(tag_id, names[tag_id]) for tag_id in dict.fromkeys(sent.rejected)),
            tuple(NamedTag(None if row is None else tags.id_of(row), spelling) for spelling, row in rows.items()),
            Origin(sent.feedback_id or str(uuid4()), client, self._clock()),
        )
        try:
            return (await self._feedback.append(feedback)).record
        except InvalidRecordError as error:
            raise _used_before(feedback.origin.request_id) from error


def _names_in(tagging: Tagging, tags: EditedCatalog) -> Mapping[str, str]:
    """Names by tag id: of the answer as it was given first, and as callers got it under the current tags."""
    current = with_current_tags(tagging, tags)
    return {tag.tag_id: tag.name for tag in (*current.answer.tags, *tagging.answer.tags)}


def _require_known(sent: VideoFeedback, names: Mapping[str, str]) -> None:
    fields = {"accepted_tag_ids": sent.accepted, "rejected_tag_ids": sent.rejected}
    violations = {
        field: f"{unknown[0]!r} is no tag of the answer"
        for field, tag_ids in fields.items()
        if (unknown := [tag_id for tag_id in tag_ids if tag_id not in names])
    }
    if violations:
        message = "; ".join(f"{field}: {violation}" for field, violation in violations.items())
        raise InvalidRequestError(message, "send tag ids of the answer", violations)


def _is_same(sent: VideoFeedback, client: str, stored: Feedback) -> bool:
    """Return True if the same feedback was sent before, regardless of the versions and names looked up for it then."""
    return (
        (sent.video_id, client) == (stored.video_id, stored.origin.client)
        and sent.bundle_version in (None, stored.bundle_version)
        and list(dict.fromkeys(sent.accepted)) == [tag.tag_id for tag in stored.accepted]
        and list(dict.fromkeys(sent.rejected)) == [tag.tag_id for tag in stored.rejected]
        and list(dict.fromkeys(sent.added)) == [tag.name for tag in stored.added]
    )


def _used_before(feedback_id: str) -> AlreadyExistsError:
    message = f"feedback id {feedback_id!r} was used for different feedback"
    return AlreadyExistsError(message, "give each feedback an id of its own", feedback_id)
