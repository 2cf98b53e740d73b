import asyncio
import json
import random
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import select

from tagging.errors import InvalidRecordError
from tagging.store.answer_json import answer_from_json, answer_to_json
from tagging.store.database import schema
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.feedback import FeedbackLog
from tagging.store.database.taggings import Pruned, Tagging, TaggingKey, TaggingOptions, Taggings
from tagging.types import Evidence, VideoRef
from tests.support.database_records import EVERYTHING, NOON, feedback, tagging, url_of

pytestmark = pytest.mark.anyio


def test_an_answer_survives_a_round_trip_through_json() -> None:
    assert answer_from_json(json.loads(json.dumps(answer_to_json(EVERYTHING)))) == EVERYTHING


def test_evidence_as_json_has_no_fields_of_other_kinds() -> None:
    [first, *_] = answer_to_json(EVERYTHING)["tags"][0]["evidence"]
    assert first.keys() == {"channel", "kind", "similarity", "video_id", "title"}


def test_fields_of_a_newer_version_are_ignored() -> None:
    tree = answer_to_json(EVERYTHING)
    tree["newer"] = tree["tags"][0]["newer"] = tree["tags"][0]["evidence"][0]["newer"] = 1
    assert answer_from_json(tree) == EVERYTHING


async def test_an_answer_is_read_back_to_the_last_digit(database: Database) -> None:
    taggings = Taggings(database)
    key = TaggingKey("v1", "abc", "b1", TaggingOptions(3, 0.1 + 0.2, 0.9))
    stored = await taggings.put(Tagging(key, VideoRef("v1", None, "\ud83d \x00"), EVERYTHING, NOON))
    assert await taggings.get(key) == stored == Tagging(key, VideoRef("v1", None, "\ud83d \x00"), EVERYTHING, NOON)


async def test_the_first_stored_tagging_of_a_key_stays(database: Database) -> None:
    taggings = Taggings(database)
    first = await taggings.put(tagging(name="cat"))
    assert await taggings.put(tagging(name="dog", minutes=5)) == first
    assert await taggings.get(first.key) == first


@pytest.mark.parametrize(
    "other",
    [
        tagging(video_id="v2"),
        tagging(bundle="b2"),
        tagging(role="shadow"),
        tagging(content_hash="abd"),
        tagging(options=TaggingOptions(max_tags=5)),
        tagging(options=TaggingOptions(min_confidence=0.5)),
        tagging(options=TaggingOptions(precision=0.5)),
    ],
)
async def test_taggings_of_different_keys_are_stored_separately(database: Database, other: Tagging) -> None:
    taggings = Taggings(database)
    first = await taggings.put(tagging())
    assert await taggings.get(other.key) is None
    assert await taggings.put(other) == other
    assert (await taggings.get(first.key), await taggings.get(other.key)) == (first, other)


def test_only_equal_options_have_equal_texts() -> None:
    assert TaggingOptions(5, 1, None).text == TaggingOptions(5, 1.0).text
    different = [
        TaggingOptions(),
        TaggingOptions(0),
        TaggingOptions(1),
        TaggingOptions(None, 1),
        TaggingOptions(None, None, 1),
        TaggingOptions(1, 1),
        TaggingOptions(None, 0.1 + 0.2),
    ]
    assert len({options.text for options in [*different, TaggingOptions(None, 0.3)]}) == len(different) + 1


async def test_the_longest_key_can_be_stored(database: Database) -> None:
    random_text = "".join(chr(random.Random(0).randrange(0x4E00, 0x9FFF)) for _ in range(341))  # three bytes each
    options = TaggingOptions(2**31, 0.1 + 0.2, 0.1 + 0.7)
    longest = tagging(random_text, "b" * 256, content_hash="銀" * 85, options=options)
    assert await Taggings(database).put(longest) == longest
    with pytest.raises(InvalidRecordError, match="video_id"):
        tagging(random_text + "銀")


async def test_the_latest_answer_is_the_one_stored_last(database: Database) -> None:
    taggings = Taggings(database)
    assert await taggings.latest("v1") is None
    old = await taggings.put(tagging(bundle="b1", minutes=9))  # the clocks of machines differ
    new = await taggings.put(tagging(bundle="b2", content_hash="new"))
    shadow = await taggings.put(tagging(bundle="b3", role="shadow"))
    await taggings.put(tagging("v2"))
    assert await taggings.latest("v1") == new
    assert await taggings.latest("v1", content_hash="abc") == old
    assert await taggings.latest("v1", bundle_version="b1") == old
    assert await taggings.latest("v1", "abc", "b2") is None
    assert await taggings.latest("v1", bundle_version="b3") == shadow  # found only by its version


async def test_pairs_are_the_requests_that_both_bundles_answered(database: Database) -> None:
    taggings = Taggings(database)
    wanted = []
    for n in range(230):
        active = tagging(f"v{n}", "b1", minutes=n, name="cat")
        shadow = tagging(f"v{n}", "b2", "shadow", minutes=n, name="dog")
        for answer in random.Random(n).sample([active, shadow], 2):  # either may be stored first
            await taggings.put(answer)
        if n >= 10:
            wanted.append((active, shadow))
    await taggings.put(tagging("alone", "b1", minutes=99))
    await taggings.put(tagging("alone too", "b2", "shadow", minutes=99))
    await taggings.put(tagging("v20", "b3", minutes=99))  # another bundle was active at some time
    await taggings.put(tagging("v20", "b2", "shadow", content_hash="changed", minutes=99))
    await taggings.put(tagging("v20", "b2", "shadow", options=TaggingOptions(1), minutes=99))
    since = NOON.astimezone(timezone(timedelta(hours=5))) + timedelta(minutes=10)
    assert [(pair.active, pair.shadow) async for pair in taggings.pairs("b1", "b2", since)] == wanted


WRITER = """
import asyncio, sys
from tagging.store.database.database import Database
from tagging.store.database.taggings import Taggings
from tests.support.database_records import database_at, tagging

async def write(url, name):
    database = Database(database_at(url, wait_timeout_s=60))
    taggings = Taggings(database)
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(60):
        stored = await taggings.put(tagging(f"v{n}", name=name))
        print(stored.answer.tags[0].name)
    await database.close()

asyncio.run(write(*sys.argv[1:]))
"""


@pytest.mark.slow
async def test_all_processes_get_the_tagging_that_was_stored_first(config: DatabaseConfig) -> None:
    command = [sys.executable, "-c", WRITER, url_of(config)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    writers = [subprocess.Popen([*command, f"w{n}"], **pipes) for n in range(2)]  # type: ignore[call-overload]
    for writer in writers:
        writer.stdout.readline()
    outputs = await asyncio.gather(*(asyncio.to_thread(writer.communicate, "go\n") for writer in writers))
    assert [writer.returncode for writer in writers] == [0, 0]
    database = Database(config)
    stored = [await Taggings(database).get(tagging(f"v{n}").key) for n in range(60)]
    names = [found.answer.tags[0].name for found in stored if found is not None]
    assert [output.split() for output, _ in outputs] == [names] * 2
    await database.close()


async def test_tasks_beyond_the_number_of_connections_wait(database: Database) -> None:
    taggings = Taggings(database)
    await asyncio.gather(*(taggings.put(tagging(f"v{n % 50}", name=f"t{n}")) for n in range(200)))
    assert all([await taggings.get(tagging(f"v{n}").key) for n in range(50)])


@pytest.mark.parametrize("hostile", ["", "zero \x00", "half \ud800", "x" * 1025])
async def test_a_value_that_no_key_can_contain_is_refused(database: Database, hostile: str) -> None:
    taggings = Taggings(database)
    with pytest.raises(InvalidRecordError, match="video_id"):
        await taggings.latest(hostile)
    with pytest.raises(InvalidRecordError, match="content_hash"):
        await taggings.latest("v1", content_hash=hostile)
    with pytest.raises(InvalidRecordError, match="bundle_version"):
        await taggings.latest("v1", bundle_version=hostile)
    with pytest.raises(InvalidRecordError, match="shadow_version"):
        [pair async for pair in taggings.pairs("b1", hostile, NOON)]


@pytest.mark.parametrize("options", [{"min_confidence": float("nan")}, {"precision": float("inf")}])
def test_options_that_are_not_finite_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        TaggingOptions(**options)  # type: ignore[arg-type]


def test_an_answer_that_does_not_fit_its_key_is_refused() -> None:
    stored = tagging()
    with pytest.raises(ValueError, match="under"):
        replace(stored, answer=replace(stored.answer, video_id="v2"))
    with pytest.raises(ValueError, match="no time zone"):
        replace(stored, at=datetime(2026, 1, 1))


def test_the_test_answer_uses_every_field_of_evidence() -> None:
    stated = {name for tag in answer_to_json(EVERYTHING)["tags"] for evidence in tag["evidence"] for name in evidence}
    assert stated == set(Evidence.__dataclass_fields__) - {"spans"}  # an answer has them in its tags


async def numbers(database: Database) -> list[int]:
    statement = select(schema.taggings.c.number).order_by("number")
    return await database.read(lambda connection: list(connection.execute(statement).scalars()))


async def test_old_taggings_are_pruned_page_by_page_except_for_videos_with_feedback(database: Database) -> None:
    taggings = Taggings(database)
    for n in range(10):
        await taggings.put(tagging(f"v{n}", minutes=n))
    await taggings.put(tagging("v2", bundle="b2", role="shadow", minutes=2))
    await FeedbackLog(database).append(feedback("r1", video_id="v2", bundle_version="b1"))
    before = NOON + timedelta(minutes=5)
    first = await taggings.prune(before, after=0, limit=4)
    assert first == Pruned(last=4, looked_at=4, removed=3, kept=1)
    second = await taggings.prune(before, after=4, limit=100)
    assert second == Pruned(last=11, looked_at=7, removed=1, kept=1)
    assert await taggings.prune(before, after=11, limit=100) is None
    assert await numbers(database) == [3, 6, 7, 8, 9, 10, 11]
    assert await taggings.latest("v4") is None
    assert (await FeedbackLog(database).last(), len(await FeedbackLog(database).after(0))) == (1, 1)
    again = await taggings.put(tagging("v4", name="another answer", minutes=60))
    assert await taggings.latest("v4") == again


async def test_a_tagging_that_is_pruned_while_it_is_stored_again_is_stored(config: DatabaseConfig) -> None:
    """Every put finds an answer or stores its own, even if the answer is removed between its two statements."""
    writer, pruner = Database(config), Database(config)

    async def put(times: int) -> None:
        for n in range(times):
            assert (await Taggings(writer).put(tagging(minutes=n))).key == tagging().key

    async def prune() -> None:
        while not putting.done():
            await Taggings(pruner).prune(NOON + timedelta(days=1), 0, 100)

    putting = asyncio.gather(*(put(60) for _ in range(3)))
    await asyncio.gather(putting, prune())
    await writer.close()
    await pruner.close()
