"""The topic service on a real port: its calls, and their errors."""

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pyarrow.parquet as pq
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2, health_pb2_grpc
from videotag.v1 import topics_pb2 as pb

from tagging.errors import BackendUnavailableError
from tagging.service.clients.tokens import new_token
from tagging.store.database.config import DatabaseConfig
from tagging.store.topic_video import AssignedVideo
from tagging.topics.manifest import TOPIC_MODEL
from tagging.topics.queues.enter import enter_videos
from tagging.topics.service import server
from tagging.topics.service.contract import TOPICS
from tests.support.clocks import NOW
from tests.support.database_records import url_of
from tests.support.service import refused
from tests.tagging.topics.service.conftest import CLICK, EXPOSURE, TopicClient, running, topic_config

pytestmark = pytest.mark.anyio


def pool_of_topic(fitted: Path, topic: int) -> set[str]:
    rows = pq.read_table(fitted / "videos.parquet").to_pylist()
    return {row["video_id"] for row in rows if topic in row["topics"]}


def stamp(hours: float) -> Timestamp:
    """hours: after NOW"""
    at = Timestamp()
    at.FromDatetime(NOW + timedelta(hours=hours))
    return at


async def test_topics_are_listed_page_by_page_the_largest_first(client: TopicClient, fitted: Path) -> None:
    found: list[pb.Topic] = []
    token = ""
    while token or not found:
        page = await client.stub.ListTopics(pb.ListTopicsRequest(page_size=3, page_token=token))
        assert page.topics_version == TOPIC_MODEL.read(fitted).version
        found, token = [*found, *page.topics], page.next_page_token
    assert sorted(topic.id for topic in found) == [1, 2, 3, 4]
    assert [topic.videos for topic in found] == sorted((topic.videos for topic in found), reverse=True)
    assert all(topic.name and topic.tags and topic.examples[0].video_id for topic in found)
    only = await client.stub.ListTopics(pb.ListTopicsRequest(text="CATS"))
    assert ["cats" in topic.tags for topic in only.topics] == [True]


async def test_the_pool_of_the_model_is_fresh_at_first(client: TopicClient, fitted: Path) -> None:
    queue = await client.queue(1)
    assert {video.video_id for video in queue.videos} < pool_of_topic(fitted, 1)
    assert queue.total_videos == 5
    assert all(video.is_fresh and video.exposures == 0 for video in queue.videos)


async def test_reports_order_a_queue_at_once(client: TopicClient, fitted: Path) -> None:
    good, better, bad, *_ = sorted(pool_of_topic(fitted, 1))
    await client.report(good, exposures=20, clicks=4)
    await client.report(better, exposures=20, clicks=8)
    await client.report(bad, exposures=20, clicks=1)
    queue = await client.queue(1)
    assert [video.video_id for video in queue.videos if not video.is_fresh] == [better, good]
    best = next(video for video in queue.videos if video.video_id == better)
    assert (best.exposures, best.clicks, best.click_rate) == (20, 8, 0.4)
    assert bad not in {video.video_id for video in queue.videos}

    client.clock.move(days=7)  # a half-life: 10 exposures are the least
    assert better in {video.video_id for video in (await client.queue(1)).videos}
    client.clock.move(days=1)
    assert better not in {video.video_id for video in (await client.queue(1)).videos if not video.is_fresh}


async def test_pages_of_a_queue_make_up_the_whole(client: TopicClient) -> None:
    whole = [video.video_id for video in (await client.queue(2)).videos]
    first = await client.queue(2, size=2)
    rest = await client.stub.GetTopicVideos(
        pb.GetTopicVideosRequest(topic_id=2, page_size=10, page_token=first.next_page_token)
    )
    assert [video.video_id for video in (*first.videos, *rest.videos)] == whole
    assert rest.next_page_token == ""
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"):
        await client.stub.GetTopicVideos(pb.GetTopicVideosRequest(topic_id=1, page_token=first.next_page_token))


async def test_fresh_videos_are_drawn_again_later(client: TopicClient) -> None:
    drawn = [video.video_id for video in (await client.queue(1)).videos]
    client.clock.move(minutes=59)
    assert [video.video_id for video in (await client.queue(1)).videos] == drawn
    client.clock.move(minutes=1)
    assert [video.video_id for video in (await client.queue(1)).videos] != drawn
    client.clock.move(days=14)  # none is new any more
    assert (await client.queue(1)).total_videos == 0


async def test_a_repeated_event_counts_once_and_is_reported_as_such(client: TopicClient) -> None:
    events = [pb.EngagementEvent(event_id=f"r{n}", video_id="v1", kind=EXPOSURE) for n in range(3)]
    answers = [
        await client.stub.ReportEngagement(pb.ReportEngagementRequest(events=events[start:])) for start in (1, 0, 0)
    ]
    assert [(answer.counted, answer.repeated_events) for answer in answers] == [(2, 0), (1, 2), (0, 3)]


@pytest.mark.parametrize("hours", [-14 * 24 - 0.01, 0.1])
async def test_an_event_of_another_time_is_refused_with_all_of_its_request(client: TopicClient, hours: float) -> None:
    good = pb.EngagementEvent(event_id="good", video_id="v1", kind=EXPOSURE, occurred_at=stamp(-14 * 24))
    bad = pb.EngagementEvent(event_id="bad", video_id="v1", kind=EXPOSURE, occurred_at=stamp(hours))
    async with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST") as messages:
        await client.stub.ReportEngagement(pb.ReportEngagementRequest(events=[good, bad]))
    assert "events[1].occurred_at" in messages[0]
    assert (await client.stub.ReportEngagement(pb.ReportEngagementRequest(events=[good]))).counted == 1


async def test_candidates_follow_the_clicks_of_a_user(client: TopicClient, fitted: Path) -> None:
    topics = await client.topics()
    cats, cars = topics["cats"].id, topics["cars"].id
    of_cats, of_cars = (sorted(pool_of_topic(fitted, topic)) for topic in (cats, cars))
    for video_id in (*of_cats[:4], of_cars[0]):
        await client.report(video_id, exposures=10, clicks=1, user_id="u1")  # would be the best of its queue
    by_user = await client.stub.ListCandidates(pb.ListCandidatesRequest(user_id="u1", max_candidates=5))
    assert [(topic.topic_id, topic.clicks) for topic in by_user.topics][:2] == [(cats, 4), (cars, 1)]
    assert Counter(candidate.topic_id for candidate in by_user.candidates)[cats] == 4
    for candidate in by_user.candidates:
        assert candidate.video.video_id in pool_of_topic(fitted, candidate.topic_id)
        assert candidate.video.video_id not in of_cats[:4]

    clicked = [of_cars[0], *of_cats[3::-1]]
    by_clicks = await client.stub.ListCandidates(pb.ListCandidatesRequest(clicked_video_ids=clicked, max_candidates=5))
    assert {candidate.video.video_id for candidate in by_clicks.candidates} == {
        candidate.video.video_id for candidate in by_user.candidates
    }


async def test_earlier_clicks_prefer_no_topic_but_their_videos_are_left_out(fitted: Path, tmp_path: Path) -> None:
    config = topic_config(tmp_path, recent_clicks=1, least_fresh=1000)
    async with running(fitted, config) as client:
        topics = await client.topics()
        cats, cars = topics["cats"].id, topics["cars"].id
        earlier, last = sorted(pool_of_topic(fitted, cars) - pool_of_topic(fitted, cats))[:2]
        await client.report(earlier, clicks=1, user_id="u1")
        client.clock.move(minutes=1)
        await client.report(last, clicks=1, user_id="u1")
        found = await client.stub.ListCandidates(pb.ListCandidatesRequest(user_id="u1", max_candidates=1000))
    assert [(topic.topic_id, topic.clicks) for topic in found.topics][:1] == [(cars, 1)]
    assert {candidate.video.video_id for candidate in found.candidates} == pool_of_topic(fitted, cars) - {earlier, last}


async def test_a_topic_that_ended_with_an_earlier_model_gives_no_candidates(
    empty: DatabaseConfig, fitted: Path
) -> None:
    async with running(fitted, topic_config(Path(), url_of(empty))) as client:
        await enter_videos(empty, [AssignedVideo("old", ((99, 0.9), (1, 0.1)))], NOW)
        answer = await client.stub.ListCandidates(pb.ListCandidatesRequest(clicked_video_ids=["old"]))
    assert [(topic.topic_id, topic.clicks) for topic in answer.topics] == [(1, 1)]


async def test_a_video_that_is_assigned_while_the_service_runs_enters_its_queues(
    empty: DatabaseConfig, fitted: Path
) -> None:
    async with running(fitted, topic_config(Path(), url_of(empty), least_fresh=1000)) as client:
        before = (await client.queue(1)).total_videos
        await enter_videos(empty, [AssignedVideo("new", ((1, 0.9),))], NOW)
        queue = await client.queue(1)
    assert queue.total_videos == before + 1
    assert "new" in {video.video_id for video in queue.videos}


async def test_a_user_without_clicks_gets_no_candidates(client: TopicClient) -> None:
    await client.report("v1", exposures=3, user_id="u1")
    for request in (pb.ListCandidatesRequest(user_id="u1"), pb.ListCandidatesRequest(clicked_video_ids=["nothing"])):
        answer = await client.stub.ListCandidates(request)
        assert (list(answer.candidates), list(answer.topics)) == ([], [])


async def test_an_unknown_topic_is_not_found(client: TopicClient) -> None:
    async with refused(grpc.StatusCode.NOT_FOUND, "UNKNOWN_ID") as messages:
        await client.queue(99)
    assert "no topic 99" in messages[0]


async def test_health_is_reported_for_the_topic_service_alone(client: TopicClient) -> None:
    stub: Any = health_pb2_grpc.HealthStub(client.channel)
    for service in ("", TOPICS.service):
        assert (await stub.Check(health_pb2.HealthCheckRequest(service=service))).status == 1
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.Check(health_pb2.HealthCheckRequest(service="videotag.v1.TaggingService"))
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND


async def test_engagement_survives_a_restart_on_either_database(empty: DatabaseConfig, fitted: Path) -> None:
    config = topic_config(Path(), url_of(empty))
    async with running(fitted, config) as client:
        [video_id, *_] = sorted(pool_of_topic(fitted, 1))
        await client.report(video_id, exposures=30, clicks=15)
    async with running(fitted, config) as client:
        [first, *_] = [video for video in (await client.queue(1)).videos if not video.is_fresh]
        assert (first.video_id, first.click_rate) == (video_id, 0.5)


async def test_roles_divide_users_from_topics(fitted: Path, tmp_path: Path) -> None:
    token, digest = new_token()
    clients = tmp_path / "clients.toml"
    clients.write_text(f'[clients.viewer]\ntokens_sha256 = ["{digest}"]\nroles = ["tag"]\n')
    config = topic_config(tmp_path)
    listen = config.listen.model_copy(update={"clients": clients})
    async with running(fitted, config.model_copy(update={"listen": listen})) as client:
        metadata = (("authorization", f"Bearer {token}"),)
        assert len((await client.stub.ListTopics(pb.ListTopicsRequest(), metadata=metadata)).topics) == 4
        event = pb.EngagementEvent(event_id="e", video_id="v", kind=CLICK)
        async with refused(grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN") as messages:
            await client.stub.ReportEngagement(pb.ReportEngagementRequest(events=[event]), metadata=metadata)
        assert "needs recommend" in messages[0]
        async with refused(grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"):
            await client.stub.ListTopics(pb.ListTopicsRequest())


async def test_events_and_candidates_are_measured(fitted: Path, tmp_path: Path) -> None:
    config = topic_config(tmp_path)
    metrics = config.observe.metrics.model_copy(update={"listen": "127.0.0.1:0"})
    observe = config.observe.model_copy(update={"metrics": metrics})
    async with running(fitted, config.model_copy(update={"observe": observe})) as client:
        event = pb.EngagementEvent(event_id="e", video_id="v1", kind=CLICK, user_id="u")
        for _ in range(3):
            await client.stub.ReportEngagement(pb.ReportEngagementRequest(events=[event]))
        found = await client.stub.ListCandidates(pb.ListCandidatesRequest(user_id="u"))
        text = await asyncio.to_thread(client.scrape)
    assert 'tagging_engagement_events_total{outcome="counted"} 1.0' in text
    assert 'tagging_engagement_events_total{outcome="repeated"} 2.0' in text
    assert f"tagging_candidates_sum {len(found.candidates)}.0" in text
    assert 'tagging_request_seconds_count{code="OK",method="ReportEngagement"} 3.0' in text


async def test_pruning_is_tried_again_after_any_failure(
    fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    errors, done = [KeyError("unexpected"), BackendUnavailableError("away")], asyncio.Event()

    async def prune(*_: object) -> None:
        if errors:
            raise errors.pop()
        done.set()

    monkeypatch.setattr(server, "prune", prune)
    config = topic_config(tmp_path).model_copy(update={"prune_every_s": 0.01})
    async with running(fitted, config):
        await asyncio.wait_for(done.wait(), 30)
    logged = [record.getMessage() for record in caplog.records if "prun" in record.getMessage()]
    assert logged == ["the topic tables cannot be pruned: away", "the topic tables cannot be pruned: unexpected error"]
