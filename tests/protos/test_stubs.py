"""The generated stubs are up to date with the protos and can be imported and called."""

from pathlib import Path

import grpc
import pytest
import regenerate
from google.protobuf import runtime_version
from videotag.v1 import recommendation_pb2, tagging_pb2, tagging_pb2_grpc, topics_pb2

GENERATED = {
    f"videotag/v1/{proto}_{name}"
    for proto in ("recommendation", "tagging", "topics")
    for name in ("pb2.py", "pb2.pyi", "pb2_grpc.py", "pb2_grpc.pyi")
}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stubs")
    regenerate.write_stubs(folder)
    return folder


def test_the_stubs_match_the_proto(fresh: Path) -> None:
    made = {path.relative_to(fresh).as_posix() for path in fresh.rglob("*") if path.is_file()}
    assert made == GENERATED
    stale = [name for name in sorted(made) if (fresh / name).read_bytes() != (regenerate.PROTOS / name).read_bytes()]
    assert not stale, "run `make protos`"


def test_the_stubs_need_no_newer_library_than_is_declared(fresh: Path) -> None:
    declared = (regenerate.PROTOS.parent / "pyproject.toml").read_text(encoding="utf-8")
    [stated] = [line for line in (fresh / "videotag/v1/tagging_pb2.py").read_text().splitlines() if "Version:" in line]
    assert f'"protobuf>={stated.split()[-1]},' in declared
    assert f'"grpcio>={tagging_pb2_grpc.GRPC_GENERATED_VERSION}"' in declared
    assert int(stated.split()[-1].split(".")[0]) == runtime_version.MAJOR


def test_the_service_has_the_calls_of_the_design() -> None:
    service = tagging_pb2.DESCRIPTOR.services_by_name["TaggingService"]
    assert service.full_name == "videotag.v1.TaggingService"
    named = {"TagVideo", "StreamTagVideos", "GetTagging", "ListTags", "CreateTag", "UpdateTag", "MergeTags"}
    named |= {"AddLabelledVideo", "SubmitFeedback", "GetBundle", "ActivateBundle"}
    assert named <= set(service.methods_by_name)
    both_ways = {call.name for call in service.methods if call.client_streaming or call.server_streaming}
    assert both_ways == {"StreamTagVideos"}
    with grpc.insecure_channel("127.0.0.1:1") as channel:
        stub = tagging_pb2_grpc.TaggingServiceStub(channel)
        assert all(hasattr(stub, call.name) for call in service.methods)


def test_the_topic_service_has_the_calls_of_the_design() -> None:
    service = topics_pb2.DESCRIPTOR.services_by_name["TopicService"]
    assert set(service.methods_by_name) == {"ListTopics", "GetTopicVideos", "ReportEngagement", "ListCandidates"}
    assert not any(call.client_streaming or call.server_streaming for call in service.methods)


def test_the_recommendation_service_has_one_unary_call() -> None:
    [call] = recommendation_pb2.DESCRIPTOR.services_by_name["RecommendationService"].methods
    assert (call.name, call.client_streaming, call.server_streaming) == ("RecommendVideos", False, False)


def test_the_fields_of_a_tagging_keep_their_names() -> None:
    request, response = tagging_pb2.TagVideoRequest.DESCRIPTOR, tagging_pb2.TagVideoResponse.DESCRIPTOR
    assert {"video_id", "uri", "content", "title", "description", "uploader_id"} <= set(request.fields_by_name)
    assert request.fields_by_name["uploader_id"].has_presence
    tag = response.fields_by_name["tags"].message_type
    assert tag is not None
    assert {"name", "confidence"} <= set(tag.fields_by_name)
