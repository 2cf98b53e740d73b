import pytest

from tagging.errors import InvalidRecordError
from tagging.store.database.database import Database
from tagging.store.database.feedback import FeedbackLog, NamedTag
from tagging.store.database.labelled_videos import PAYLOAD_BYTES, LabelledLog
from tests.support.database_records import feedback, labelled

pytestmark = pytest.mark.anyio


async def test_feedback_that_says_nothing_of_some_is_kept_as_it_is(database: Database) -> None:
    log = FeedbackLog(database)
    told = await log.append(feedback("r1", accepted=(), rejected=(), added=(NamedTag(None, "only this"),)))
    assert await log.after(0) == (told,)


async def test_feedback_in_another_order_is_other_feedback(database: Database) -> None:
    log = FeedbackLog(database)
    one = feedback("r1")
    await log.append(one)
    with pytest.raises(InvalidRecordError):
        await log.append(feedback("r1", accepted=one.accepted[::-1]))


async def test_a_payload_as_large_as_may_be_comes_back(database: Database) -> None:
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


def test_a_video_id_that_no_index_takes_is_refused() -> None:
    for make in (feedback, labelled):
        make("r1", video_id="v" * 1024)
        with pytest.raises(InvalidRecordError, match="video_id has 1025 bytes"):
            make("r1", video_id="v" * 1025)


def test_a_kind_that_is_none_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no kind"):
        labelled("r1", kind="changed")
