"""Calls about what people made of answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from tagging.errors import AlreadyExistsError, InvalidRecordError, InvalidRequestError, UnknownIdError
from tagging.service.bundles.registry import BundleRegistry
from tagging.service.calls.stored_answers import with_current_tags
from tagging.store.database.feedback import Feedback, FeedbackLog, NamedTag
from tagging.store.database.taggings import Taggings


@dataclass(frozen=True, slots=True)
class VideoFeedback:
    """Feedback as a caller gave it."""

    video_id: str
    accepted: Sequence[str]  # ids, as the answer gave them
    rejected: Sequence[str]
    added: Sequence[str]  # spellings
    bundle_version: str | None
    feedback_id: str | None


class FeedbackCalls:
    def __init__(
        self, bundles: BundleRegistry, taggings: Taggings, feedback: FeedbackLog, clock: Callable[[], datetime]
    ) -> None:
        self._bundles = bundles
        self._taggings = taggings
        self._feedback = feedback
        self._clock = clock

    async def submit(self, judged: VideoFeedback, who: str) -> Feedback:
        """The feedback as it is stored. Raises UnknownIdError where no answer is stored, InvalidRequestError for an id
        that it does not have, AlreadyExistsError where the same feedback_id said something else.
        """
        sent = judged.feedback_id and await self._feedback.of_request(judged.feedback_id)
        if sent:  # looked at first: tags, and the latest answer, may be others since
            if not _is_the_same(judged, who, sent.record):
                raise _otherwise(sent.record.request_id)
            return sent.record
        tagging = await self._taggings.latest(judged.video_id, bundle_version=judged.bundle_version)
        if tagging is None:
            raise UnknownIdError(f"no answer is stored for the video {judged.video_id!r}", "tag it first")
        tags = self._bundles.active.now.tags
        given = (*with_current_tags(tagging, tags).answer.tags, *tagging.answer.tags)  # to who asked lately, and before
        names = {tag.tag_id: tag.name for tag in given}
        fields = {"accepted_tag_ids": judged.accepted, "rejected_tag_ids": judged.rejected}
        wrong = {
            field: f"{unknown[0]!r} is no tag of the answer"
            for field, ids in fields.items()
            if (unknown := [one for one in ids if one not in names])
        }
        if wrong:
            raise InvalidRequestError(
                "; ".join(f"{field}: {told}" for field, told in wrong.items()), "give ids of the answer", wrong
            )
        rows = {spelling: tags.find_spelling(spelling) for spelling in judged.added}
        feedback = Feedback(
            judged.feedback_id or str(uuid4()),
            judged.video_id,
            tagging.key.bundle_version,
            tuple(NamedTag(one, names[one]) for one in dict.fromkeys(judged.accepted)),
            tuple(NamedTag(one, names[one]) for one in dict.fromkeys(judged.rejected)),
            tuple(NamedTag(None if row is None else tags.id_of(row), spelling) for spelling, row in rows.items()),
            who,
            self._clock(),
        )
        try:
            return (await self._feedback.append(feedback)).record
        except InvalidRecordError as error:
            raise _otherwise(feedback.request_id) from error


def _is_the_same(judged: VideoFeedback, who: str, stored: Feedback) -> bool:
    """Whether it is what was sent before, whatever was looked up for it then."""
    return (
        (judged.video_id, who) == (stored.video_id, stored.who)
        and judged.bundle_version in (None, stored.bundle_version)
        and list(dict.fromkeys(judged.accepted)) == [tag.tag_id for tag in stored.accepted]
        and list(dict.fromkeys(judged.rejected)) == [tag.tag_id for tag in stored.rejected]
        and list(dict.fromkeys(judged.added)) == [tag.name for tag in stored.added]
    )


def _otherwise(feedback_id: str) -> AlreadyExistsError:
    told = f"feedback {feedback_id!r} said something else before"
    return AlreadyExistsError(told, "give each feedback an id of its own", feedback_id)
