"""The recommendation service on a real port: its call, what it follows, and its errors."""

import asyncio
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import update
from videotag.v1 import recommendation_pb2 as pb

from tagging.errors import BackendUnavailableError, DatabaseMismatchError
from tagging.progress import Silent
from tagging.ragged import Ragged
from tagging.recommendation.service.contract import RECOMMENDATION
from tagging.recommendation.service.servicer import RecommendationServicer
from tagging.recommendation.two_towers.manifest import TWO_TOWERS
from tagging.recommendation.two_towers.model import RecommendationModel
from tagging.recommendation.two_towers.new_videos import encode_new_videos
from tagging.service.clients.tokens import new_token
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.migrate import migrate
from tagging.store.database.schema import video_vectors
from tagging.store.features import FeatureStore
from tagging.types import FloatRows
from tests.support.clocks import NOW, MovedClock
from tests.support.corpora import write_rows
from tests.support.polling import INTERVAL_S, TIMEOUT_S, wait_until_async
from tests.support.postgres import PostgresServer
from tests.support.service import refused
from tests.support.watching import GROUPS, TINY
from tests.tagging.recommendation.service.conftest import (
    RecommendationClient,
    add,
    recommendation_config,
    running,
)

pytestmark = pytest.mark.anyio

NEW = {f"new {group}": [f"group {group}"] for group in range(GROUPS)}


async def test_users_get_the_uploads_of_the_group_that_follows_while_the_service_runs(
    trained: Path, empty: DatabaseConfig, tmp_path: Path
) -> None:
    async with running(trained, recommendation_config(empty)) as client:
        assert await client.ids("v0", "v1", "v2") == []
        report = await add(trained, empty, tmp_path, NEW)
        assert (report.videos, report.without_any_view) == (GROUPS, ())
        await client.sees(*NEW)
        for group in range(GROUPS):
            history = [f"v{(group + step) % GROUPS}" for step in range(3)]
            assert (await client.ids(*history))[0] == f"new {(group + 3) % GROUPS}"


async def test_scores_are_the_cosines_of_the_model_with_its_new_videos(
    trained: Path, empty: DatabaseConfig, tmp_path: Path
) -> None:
    manifest = write_rows(tmp_path / "a.jsonl", [{"video_id": name, "tags": tags} for name, tags in NEW.items()])
    new = encode_new_videos(trained, [manifest], {}, FeatureStore(tmp_path / "f"), Silent())
    row_of = {video_id: row for row, video_id in enumerate([*new.trained_ids, *new.video_ids])}
    async with running(trained, recommendation_config(empty)) as client:
        await add(trained, empty, tmp_path, NEW)
        await client.sees(*NEW)
        for history in (["v3"], ["v0", "v7", "new 2", "v9"], [f"v{n}" for n in range(30)], ["new 1", "new 5"]):
            answer = await client.recommend(*history)
            [user] = new.model.users(Ragged.of([[row_of[video_id] for video_id in history]]))
            want = {name: float(user @ new.model.vectors[row_of[name]]) for name in NEW if name not in history}
            assert [video.video_id for video in answer.videos] == sorted(want, key=lambda name: -want[name])
            for video in answer.videos:
                assert video.score == pytest.approx(want[video.video_id], abs=1e-5)
            assert answer.model_version == TWO_TOWERS.read(trained).version


async def test_only_the_last_known_videos_count_as_many_as_the_model_reads(
    trained: Path, sqlite: DatabaseConfig, tmp_path: Path
) -> None:
    last = [f"v{n}" for n in range(TINY.history)]
    async with running(trained, recommendation_config(sqlite)) as client:
        await add(trained, sqlite, tmp_path, NEW)
        await client.sees(*NEW)
        alone = await client.recommend(*last)
        earlier = [f"v{n}" for n in range(20, 60)]
        assert (await client.recommend(*earlier, *last)).videos == alone.videos
        unknown = [f"unknown {n}" for n in range(900)]
        among_unknown = await client.recommend(*earlier, *unknown[:500], *last, *unknown[500:])
        assert among_unknown.videos == alone.videos
        assert list(among_unknown.unknown_video_ids) == unknown
        assert (await client.recommend(*last, *last[:3])).videos == alone.videos  # a repeat counts at its first place
        assert (await client.recommend(*last[1:])).videos != alone.videos


async def test_watched_uploads_are_not_recommended_even_those_that_do_not_count(
    trained: Path, sqlite: DatabaseConfig, tmp_path: Path
) -> None:
    async with running(trained, recommendation_config(sqlite)) as client:
        await add(trained, sqlite, tmp_path, NEW)
        await client.sees(*NEW)
        watched = ["new 1", "new 4", *(f"v{n}" for n in range(TINY.history))]
        answer = await client.recommend(*watched)
        assert {video.video_id for video in answer.videos} == NEW.keys() - {"new 1", "new 4"}
        assert not answer.unknown_video_ids
        assert list((await client.recommend(*NEW)).videos) == []


async def test_a_history_of_unknown_videos_gets_no_answer_and_names_them(
    trained: Path, sqlite: DatabaseConfig, tmp_path: Path
) -> None:
    async with running(trained, recommendation_config(sqlite)) as client:
        await add(trained, sqlite, tmp_path, {**NEW, "bare": []})
        await client.sees(*NEW)
        answer = await client.recommend("x", "bare", "x", "nobody")
        assert (list(answer.videos), list(answer.unknown_video_ids)) == ([], ["x", "bare", "nobody"])


async def test_as_many_videos_are_answered_as_the_request_says_or_the_configuration(
    trained: Path, sqlite: DatabaseConfig, tmp_path: Path
) -> None:
    async with running(trained, recommendation_config(sqlite, videos=2)) as client:
        await add(trained, sqlite, tmp_path, NEW)
        await client.sees(*NEW)
        assert [len(await client.ids("v0", most=most)) for most in (0, 1, 5, 1000)] == [2, 1, 5, GROUPS]


async def test_a_video_without_any_view_is_reported_and_never_recommended(
    trained: Path, sqlite: DatabaseConfig, tmp_path: Path
) -> None:
    async with running(trained, recommendation_config(sqlite)) as client:
        report = await add(trained, sqlite, tmp_path, {"good": ["group 1"], "bare": [], "other": ["never seen"]})
        assert (report.videos, report.without_any_view) == (3, ("bare", "other"))
        await client.sees("good")


async def test_an_upload_that_is_added_again_has_the_new_vector(
    trained: Path, empty: DatabaseConfig, tmp_path: Path
) -> None:
    async with running(trained, recommendation_config(empty)) as client:
        await add(trained, empty, tmp_path, {"x": ["group 3"], "y": ["group 4"]})
        await client.sees("x", "y")
        assert await client.ids("v0", "v1", "v2") == ["x", "y"]
        await add(trained, empty, tmp_path, {"x": ["group 5"]})
        async with asyncio.timeout(TIMEOUT_S):
            while await client.ids("v2", "v3", "v4") != ["x", "y"]:
                await asyncio.sleep(INTERVAL_S)
        assert await client.ids("v1", "v2", "v3") == ["y", "x"]


async def test_services_of_one_database_and_restarted_ones_agree(
    trained: Path, empty: DatabaseConfig, tmp_path: Path
) -> None:
    config = recommendation_config(empty)
    async with running(trained, config) as first, running(trained, config) as other:
        await add(trained, empty, tmp_path, NEW)
        await add(trained, empty, tmp_path, {"new 0": ["group 2"]})
        await add(trained, empty, tmp_path, {"last": ["group 1"]})
        for client in (first, other):
            await client.sees(*NEW, "last")
        answers = [await client.recommend("v4", "v5") for client in (first, other)]
    async with running(trained, config) as again:  # has read all before it serves
        answers.append(await again.recommend("v4", "v5"))
    assert answers[0].videos == answers[1].videos == answers[2].videos


async def test_two_models_in_one_database_do_not_see_each_other(
    trained: Path, trained_without_new: Path, empty: DatabaseConfig, tmp_path: Path
) -> None:
    config = recommendation_config(empty)
    async with running(trained, config) as first, running(trained_without_new, config) as other:
        await add(trained, empty, tmp_path, {"a": ["group 1"], "b": ["group 2"]})
        await add(trained_without_new, empty, tmp_path, {"b": ["group 2"], "c": ["group 3"]})
        await first.sees("a", "b")
        await other.sees("b", "c")
        versions = {(await client.recommend("v0")).model_version for client in (first, other)}
        assert len(versions) == 2


async def test_an_upload_is_new_for_the_configured_days_from_its_first_addition(
    trained: Path, empty: DatabaseConfig, tmp_path: Path
) -> None:
    clock = MovedClock()
    config = recommendation_config(empty, kept_days=10)
    async with running(trained, config, clock) as client:
        await add(trained, empty, tmp_path, {"a": ["group 1"], "b": ["group 2"]})
        await add(trained, empty, tmp_path, {"b": ["group 2"], "c": ["group 3"]}, NOW + timedelta(days=5))
        await client.sees("a", "b", "c")
        clock.move(days=10, seconds=1)
        assert await client.ids("v0") == ["c"]
        assert (await client.recommend("a")).videos[0].video_id == "c"  # it still says what the user likes
    async with running(trained, config.model_copy(update={"prune_every_s": 0.02}), clock) as client:
        assert await client.ids("v0") == ["c"]
        database = Database(empty)

        async def stored() -> list[str]:
            rows = video_vectors.select().order_by(video_vectors.c.video_id)
            return [row.video_id for row in await database.read(lambda c: c.execute(rows).all())]

        async with asyncio.timeout(TIMEOUT_S):
            while await stored() != ["c"]:
                await asyncio.sleep(INTERVAL_S)
        await database.close()
        assert await client.ids("v0") == ["c"]


async def test_a_damaged_row_is_logged_and_served_again_once_the_video_was_added_again(
    trained: Path, sqlite: DatabaseConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(trained, recommendation_config(sqlite)) as client:
        await add(trained, sqlite, tmp_path, {"a": ["group 1"]})
        await client.sees("a")
        database = Database(sqlite)
        damaged = update(video_vectors).values(vector=np.full(TINY.width, np.nan, "<f4").tobytes(), number=1000)
        await database.write(lambda connection: connection.execute(damaged))
        await database.close()
        await wait_until_async(lambda: "the vector of video 'a' is not 16 numbers" in caplog.text)
        assert await client.ids("v0") == ["a"]
    with pytest.raises(DatabaseMismatchError, match="the vector of video 'a'"):
        async with running(trained, recommendation_config(sqlite)):
            pass
    await add(trained, sqlite, tmp_path, {"a": ["group 1"]})
    async with running(trained, recommendation_config(sqlite)) as client:
        assert await client.ids("v0") == ["a"]


@pytest.mark.postgres
@pytest.mark.parametrize("empty", ["postgres"], indirect=True)
async def test_a_database_that_is_away_stops_no_answers_and_is_followed_again(
    trained: Path, empty: DatabaseConfig, postgres: PostgresServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(trained, recommendation_config(empty)) as client:
        await add(trained, empty, tmp_path, NEW)
        await client.sees(*NEW)
        with postgres.crashed():
            await wait_until_async(lambda: "the uploads cannot be followed" in caplog.text)
            assert set(await client.ids("v0")) == NEW.keys()
        await add(trained, empty, tmp_path, {"late": ["group 1"]})
        await client.sees(*NEW, "late")


async def test_an_invalid_request_names_its_fields(client: RecommendationClient) -> None:
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST") as messages:
        await client.recommend("v0", "", most=1001)
    assert "watched_video_ids[1]" in messages[0]
    assert "max_videos" in messages[0]


async def test_bytes_that_are_no_request_are_refused(client: RecommendationClient) -> None:
    call: Any = client.channel.unary_unary(f"/{RECOMMENDATION.service}/RecommendVideos")
    for malformed in (b"\xff\xff\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe", b""):
        async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"):
            await call(malformed)


async def test_calls_that_are_cancelled_leave_the_service_as_it_was(
    trained: Path, sqlite: DatabaseConfig, tmp_path: Path
) -> None:
    async with running(trained, recommendation_config(sqlite)) as client:
        await add(trained, sqlite, tmp_path, NEW)
        await client.sees(*NEW)
        want = await client.recommend("v0", "v1")
        calls = [client.stub.RecommendVideos(pb.RecommendVideosRequest(watched_video_ids=["v0"])) for _ in range(50)]
        await asyncio.sleep(0)
        for call in calls[::2]:
            call.cancel()
        assert [len((await call).videos) for call in calls[1::2]] == [GROUPS] * 25
        assert await client.recommend("v0", "v1") == want


async def test_calls_beyond_the_room_to_wait_are_refused_and_the_others_answered(
    trained: Path, sqlite: DatabaseConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    user = RecommendationModel.user

    def slow(model: RecommendationModel, vectors: FloatRows) -> FloatRows:
        assert go.wait(TIMEOUT_S)
        return user(model, vectors)

    monkeypatch.setattr(RecommendationModel, "user", slow)
    one_call = {"admission": {"calls": 1, "waiting": 1}, "observe": {"metrics": {"listen": "127.0.0.1:0"}}}
    config = recommendation_config(sqlite, **one_call)
    async with running(trained, config) as client:
        calls = [asyncio.create_task(client.recommend("v0")) for _ in range(2)]
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while "tagging_admission_waiting 1.0" not in await asyncio.to_thread(client.scrape):
                    await asyncio.sleep(INTERVAL_S)
            async with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED"):
                await client.recommend("v0")
        finally:
            go.set()
        answers = await asyncio.gather(*calls)
    assert {answer.model_version for answer in answers} == {TWO_TOWERS.read(trained).version}


async def test_health_is_reported_for_the_recommendation_service_alone(client: RecommendationClient) -> None:
    stub: Any = health_pb2_grpc.HealthStub(client.channel)
    for service in ("", RECOMMENDATION.service):
        assert (await stub.Check(health_pb2.HealthCheckRequest(service=service))).status == 1
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.Check(health_pb2.HealthCheckRequest(service="videotag.v1.TopicService"))
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_call_needs_the_role_recommend(trained: Path, sqlite: DatabaseConfig, tmp_path: Path) -> None:
    tokens = {role: new_token() for role in ("tag", "recommend")}
    clients = tmp_path / "clients.toml"
    clients.write_text(
        "".join(
            f'[clients.{role}]\ntokens_sha256 = ["{digest}"]\nroles = ["{role}"]\n'
            for role, (_, digest) in tokens.items()
        )
    )
    config = recommendation_config(sqlite, listen={"address": "127.0.0.1:0", "clients": clients})
    async with running(trained, config) as client:
        request = pb.RecommendVideosRequest(watched_video_ids=["v0"])
        metadata = {role: (("authorization", f"Bearer {token}"),) for role, (token, _) in tokens.items()}
        answer = await client.stub.RecommendVideos(request, metadata=metadata["recommend"])
        assert answer.model_version
        async with refused(grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN") as messages:
            await client.stub.RecommendVideos(request, metadata=metadata["tag"])
        assert "needs recommend" in messages[0]
        async with refused(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"):
            await client.stub.RecommendVideos(request)


async def test_uploads_histories_and_answers_are_measured(
    trained: Path, sqlite: DatabaseConfig, tmp_path: Path
) -> None:
    config = recommendation_config(sqlite, observe={"metrics": {"listen": "127.0.0.1:0"}})
    await migrate(sqlite)
    await add(trained, sqlite, tmp_path, NEW)
    async with running(trained, config) as client:
        await client.recommend("v0", "v0", "x", "y")
        text = await asyncio.to_thread(client.scrape)
    assert f"tagging_uploads {GROUPS}.0" in text
    assert f"tagging_recommended_videos_sum {GROUPS}.0" in text
    assert 'tagging_watched_videos_total{outcome="known"} 1.0' in text
    assert 'tagging_watched_videos_total{outcome="unknown"} 2.0' in text
    assert 'tagging_request_seconds_count{code="OK",method="RecommendVideos"} 1.0' in text


async def test_a_call_before_the_model_is_loaded_is_to_be_tried_again() -> None:
    with pytest.raises(BackendUnavailableError, match="not warm"):
        await RecommendationServicer().RecommendVideos(pb.RecommendVideosRequest(watched_video_ids=["v"]), None)  # type: ignore[arg-type]
