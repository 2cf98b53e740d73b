import pytest

from tagging.errors import InvalidRecordError
from tagging.store.database.database import Database
from tagging.store.database.feedback import FeedbackLog, NamedTag
from tagging.store.database.labelled_videos import PAYLOAD_BYTES, LabelledLog
from tests.support.database_records import feedback, labelled

pytestmark = pytest.mark.anyio


async def test_feedback_with_only_added_tags_is_read_back_unchanged(database: Database) -> None:
    log = FeedbackLog(database)
    stored = await log.append(feedback("r1", accepted=(), rejected=(), added=(NamedTag(None, "only this"),)))
    assert await log.after(0) == (stored,)


async def test_feedback_in_another_order_is_different_feedback(database: Database) -> None:
    log = FeedbackLog(database)
    first = feedback("r1")
    await log.append(first)
    with pytest.raises(InvalidRecordError):
        await log.append(feedback("r1", accepted=first.accepted[::-1]))


async def test_a_payload_of_the_largest_size_is_read_back(database: Database) -> None:
    log = LabelledLog(database)
    payload = bytes(range(256)) * (PAYLOAD_BYTES // 256)
    await log.append(labelled("r1", payload=payload))
    await log.append(labelled("r2", kind="removed", payload=b""))
    added, removed = await log.after(0)
    assert added.record.payload == payload
    assert (removed.record.kind, removed.record.payload) == ("removed", b"")


def test_a_larger_payload_is_refused() -> None:
    with pytest.raises(InvalidRecordError, match=f"at most {PAYLOAD_BYTES}"):
        labelled("r1", payload=bytes(PAYLOAD_BYTES + 1))


def test_a_video_id_too_long_for_an_index_is_refused() -> None:
    for make in (feedback, labelled):
        make("r1", video_id="v" * 1024)
        with pytest.raises(InvalidRecordError, match="video_id has 1025 bytes"):
            make("r1", video_id="v" * 1025)


def test_an_unknown_kind_of_record_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind"):
        labelled("r1", kind="changed")
