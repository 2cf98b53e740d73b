"""Request validation checks the limits that the comments of the proto state."""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import regenerate
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp
from videotag.v1 import tagging_pb2 as pb

from tagging.errors import InvalidRequestError
from tagging.service.api.validation import CHECKS, check

JAZZ, BLUES = "0123456789abcdef", "fedcba9876543210"
TAG = pb.TagVideoRequest(video_id="v", title="T")
GOOD: list[Message] = [
    TAG,
    pb.TagVideoRequest(video_id="v", uri="a.mp4"),
    pb.TagVideoRequest(video_id="v", content=b"\0"),
    pb.TagVideoRequest(video_id="v", description="D", uploader_id="u", options=pb.TagVideoOptions(evidence=True)),
    pb.TagVideoRequest(video_id="v", title="two\nlines\tof \x07 text"),
    pb.StreamTagVideosRequest(request=TAG),
    pb.GetTaggingRequest(video_id="v"),
    pb.GetTaggingRequest(video_id="v", content_hash="0f" * 32, bundle_version="b"),
    pb.ExplainVideoRequest(video=TAG, why=["jazz"]),
    pb.ExplainVideoRequest(video_id="v"),
    pb.ListTagsRequest(),
    pb.ListTagsRequest(page_size=10, page_token="x", text="jazz", status=pb.TAG_STATUS_HIDDEN),
    pb.CreateTagRequest(name="Jazz"),
    pb.CreateTagRequest(name="ジャズ", aliases=["jazz"], parent_ids=[BLUES], language="pt-BR", description="a\nb"),
    pb.UpdateTagRequest(tag_id=JAZZ),
    pb.UpdateTagRequest(tag_id=JAZZ, name="Jazz", add_aliases=["a"], remove_aliases=["b"], add_parent_ids=[BLUES]),
    pb.UpdateTagRequest(tag_id=JAZZ, description="", status=pb.TAG_STATUS_ACTIVE, remove_parent_ids=[BLUES]),
    pb.MergeTagsRequest(target_id=JAZZ, source_ids=[BLUES]),
    pb.UndoTagEditRequest(number=1),
    pb.ListTagEditsRequest(),
    pb.ListTagEditsRequest(tag_id=JAZZ),
    pb.AddLabelledVideoRequest(video_id="v", title="T", tags=["jazz"]),
    pb.RemoveLabelledVideoRequest(video_id="v"),
    pb.SubmitFeedbackRequest(video_id="v", accepted_tag_ids=[JAZZ]),
    pb.SubmitFeedbackRequest(video_id="v", rejected_tag_ids=[JAZZ], accepted_tag_ids=[BLUES], feedback_id="f"),
    pb.SubmitFeedbackRequest(video_id="v", added_tags=["new jazz"], bundle_version="b"),
    pb.GetBundleRequest(),
    pb.ActivateBundleRequest(folder="second..one"),
    pb.ActivateBundleRequest(version="20260102T030405Z-0a1b2c3d"),
    pb.ShadowBundleRequest(),
    pb.ShadowBundleRequest(folder="third"),
    pb.GetChurnRequest(),
    pb.GetChurnRequest(since=Timestamp(seconds=1), max_tags=1),
]


def with_options(**options: float) -> pb.TagVideoRequest:
    return pb.TagVideoRequest(video_id="v", title="T", options=pb.TagVideoOptions(**options))  # type: ignore[arg-type]


BAD: list[tuple[Message, list[str]]] = [
    (pb.TagVideoRequest(), ["title", "video_id"]),
    (pb.TagVideoRequest(video_id="v", title=" \n", description="\t"), ["title"]),
    (pb.TagVideoRequest(video_id=" ", title="T"), ["video_id"]),
    (pb.TagVideoRequest(video_id="v\n", title="T"), ["video_id"]),
    (pb.TagVideoRequest(video_id="v", uri=""), ["uri"]),
    (pb.TagVideoRequest(video_id="v", uri="file\0"), ["uri"]),
    (pb.TagVideoRequest(video_id="v", uri="http://a/\r\nHost: b"), ["uri"]),
    (pb.TagVideoRequest(video_id="v", content=b""), ["content"]),
    (pb.TagVideoRequest(video_id="v", title="T\0"), ["title"]),
    (pb.TagVideoRequest(video_id="v", title="T", uploader_id=""), ["uploader_id"]),
    (with_options(max_tags=0), ["options.max_tags"]),
    (with_options(max_tags=-(2**31)), ["options.max_tags"]),
    (with_options(min_confidence=float("nan")), ["options.min_confidence"]),
    (with_options(precision=float("inf")), ["options.precision"]),
    (with_options(precision=0), ["options.precision"]),
    (pb.TagVideoRequest(uri="", title="\0"), ["title", "uri", "video_id"]),
    (pb.StreamTagVideosRequest(), ["title", "video_id"]),
    (pb.GetTaggingRequest(video_id="v", content_hash="0F" * 32), ["content_hash"]),
    (pb.GetTaggingRequest(video_id="v", content_hash="", bundle_version=""), ["bundle_version", "content_hash"]),
    (pb.ExplainVideoRequest(), ["subject"]),
    (pb.ExplainVideoRequest(why=["jazz"]), ["subject"]),
    (pb.ExplainVideoRequest(video_id=""), ["video_id"]),
    (
        pb.ExplainVideoRequest(video=pb.TagVideoRequest(video_id="v"), why=["a", " ", "b\n"]),
        ["title", "why[1]", "why[2]"],
    ),
    (pb.ExplainVideoRequest(video=with_options(max_tags=51)), ["options.max_tags"]),
    (pb.ListTagsRequest(page_size=-1, status=7, text="\0"), ["page_size", "status", "text"]),  # type: ignore[arg-type]
    (pb.CreateTagRequest(), ["name"]),
    (pb.CreateTagRequest(name="a", aliases=["b", " ", "c\n"]), ["aliases[1]", "aliases[2]"]),
    (pb.CreateTagRequest(name="a", parent_ids=["jazz", JAZZ, ""]), ["parent_ids[0]", "parent_ids[2]"]),
    (pb.CreateTagRequest(name="a", language="pt_BR"), ["language"]),
    (pb.UpdateTagRequest(), ["tag_id"]),
    (pb.UpdateTagRequest(tag_id=JAZZ.upper(), name="", status=9), ["name", "status", "tag_id"]),  # type: ignore[arg-type]
    (pb.UpdateTagRequest(tag_id=JAZZ, add_aliases=["Jazz"], remove_aliases=["jAZZ "]), ["remove_aliases"]),
    (pb.UpdateTagRequest(tag_id=JAZZ, add_parent_ids=[JAZZ]), ["add_parent_ids"]),
    (pb.UpdateTagRequest(tag_id=JAZZ, add_parent_ids=[BLUES], remove_parent_ids=[BLUES]), ["remove_parent_ids"]),
    (pb.MergeTagsRequest(target_id=JAZZ), ["source_ids"]),
    (pb.MergeTagsRequest(target_id=JAZZ, source_ids=[BLUES, JAZZ]), ["source_ids"]),
    (pb.UndoTagEditRequest(), ["number"]),
    (pb.UndoTagEditRequest(number=-(2**63)), ["number"]),
    (pb.ListTagEditsRequest(tag_id="x"), ["tag_id"]),
    (pb.AddLabelledVideoRequest(video_id="v", title="T"), ["tags"]),
    (pb.AddLabelledVideoRequest(tags=["\x1b[31m"]), ["tags[0]", "title", "video_id"]),
    (pb.RemoveLabelledVideoRequest(), ["video_id"]),
    (pb.SubmitFeedbackRequest(video_id="v"), ["accepted_tag_ids"]),
    (pb.SubmitFeedbackRequest(video_id="v", accepted_tag_ids=[JAZZ], rejected_tag_ids=[JAZZ]), ["rejected_tag_ids"]),
    (pb.SubmitFeedbackRequest(video_id="v", added_tags=[""], feedback_id=""), ["added_tags[0]", "feedback_id"]),
    (pb.ActivateBundleRequest(), ["bundle"]),
    (pb.ActivateBundleRequest(folder=""), ["folder"]),
    (pb.ActivateBundleRequest(folder=".."), ["folder"]),
    (pb.ActivateBundleRequest(folder="../other"), ["folder"]),
    (pb.ShadowBundleRequest(folder="/etc"), ["folder"]),
    (pb.ShadowBundleRequest(version=""), ["version"]),
    (pb.GetChurnRequest(since=Timestamp(seconds=2**62)), ["since"]),
    (pb.GetChurnRequest(since=Timestamp(nanos=-1)), ["since"]),
    (pb.GetChurnRequest(max_tags=0), ["max_tags"]),
]


def violations(message: Message) -> list[str]:
    try:
        check(message)
    except InvalidRequestError as error:
        return sorted(error.violations)
    return []


def test_every_request_message_has_checks_and_examples() -> None:
    service = pb.DESCRIPTOR.services_by_name["TaggingService"]
    requests = {call.input_type.name for call in service.methods}
    assert {kind.__name__ for kind in CHECKS} == requests
    assert {type(message).__name__ for message in GOOD} == requests
    assert requests - {type(message).__name__ for message, _ in BAD} == {"GetBundleRequest"}


@pytest.mark.parametrize("message", GOOD, ids=lambda message: type(message).__name__)
def test_a_valid_request_is_accepted(message: Message) -> None:
    assert violations(message) == []


@pytest.mark.parametrize(("message", "fields"), BAD, ids=[f"{type(m).__name__}-{'-'.join(f)}" for m, f in BAD])
def test_exactly_the_invalid_fields_are_named(message: Message, fields: list[str]) -> None:
    assert violations(message) == fields


@pytest.mark.parametrize("message", GOOD, ids=lambda message: type(message).__name__)
def test_mutated_messages_are_accepted_or_refused_with_known_fields(message: Message) -> None:
    rng = random.Random(7)
    whole = message.SerializeToString() or b"\x08\x01"
    for _ in range(1000):
        mutated = bytearray(whole + rng.randbytes(rng.randrange(3)))
        for _ in range(rng.randint(1, 4)):
            mutated[rng.randrange(len(mutated))] = rng.randrange(256)
        try:
            parsed = type(message).FromString(bytes(mutated))
        except DecodeError:
            continue
        own, of_video = set(parsed.DESCRIPTOR.fields_by_name), set(TAG.DESCRIPTOR.fields_by_name)
        known = own | of_video | set(parsed.DESCRIPTOR.oneofs_by_name) | {"options"}
        assert {field.split(".")[0].split("[")[0] for field in violations(parsed)} <= known


def described(tmp_path: Path) -> Iterator[tuple[str, str, str]]:
    """(message, field, comment) of every field."""
    regenerate.write_image(tmp_path / "protos.binpb")
    read = FileDescriptorSet.FromString((tmp_path / "protos.binpb").read_bytes())
    [proto] = [file for file in read.file if file.name == "videotag/v1/tagging.proto"]
    comments = {
        tuple(location.path): " ".join(location.leading_comments.split())
        for location in proto.source_code_info.location
    }
    for row, message in enumerate(proto.message_type):
        for index, field in enumerate(message.field):
            yield message.name, field.name, " ".join(comments.get((4, row, 2, index), "").split())


def with_field(name: str, field: str, value: Any) -> Message:
    """A valid request in which the field has the value."""
    if name == "TagVideoOptions":
        return with_options(**{field: value})
    kind: type[Message] = getattr(pb, name)
    message = kind()
    message.CopyFrom(next(good for good in GOOD if type(good) is kind))
    message.ClearField(field)
    if isinstance(value, list):
        getattr(message, field).extend(value)
    else:
        setattr(message, field, value)
    return message


def texts(field: str, length: int) -> str:
    if field == "language":
        return ("ab" + "-abcdefgh" * length)[:length]
    return "🎬" * length


def test_text_limits_are_those_of_the_comments(tmp_path: Path) -> None:
    tried = 0
    for name, field, comment in described(tmp_path):
        limit = re.search(r"(?:1 to|[Uu]p to) ([\d,]+) characters", comment)
        if limit is None or not name.endswith("Request"):
            continue
        length = int(limit[1].replace(",", ""))
        is_list = getattr(pb, name).DESCRIPTOR.fields_by_name[field].is_repeated
        longest, longer = ([text] if is_list else text for text in (texts(field, length), texts(field, length + 1)))
        assert violations(with_field(name, field, longest)) == [], (name, field)
        assert [path.split("[")[0] for path in violations(with_field(name, field, longer))] == [field], (name, field)
        tried += 1
    assert tried >= 25


def test_list_limits_are_those_of_the_comments(tmp_path: Path) -> None:
    tried = 0
    for name, field, comment in described(tmp_path):
        limit = re.search(r"(?:1 to|[Uu]p to) (\d+)\b(?! characters)", comment)
        descriptor = getattr(pb, name).DESCRIPTOR.fields_by_name[field]
        if limit is None or not descriptor.is_repeated:
            continue
        many = [f"{index:016x}" if field.endswith("_ids") else f"tag {index}" for index in range(int(limit[1]) + 1)]
        assert violations(with_field(name, field, many[:-1])) == [], (name, field)
        assert violations(with_field(name, field, many)) == [field], (name, field)
        tried += 1
    assert tried == 12


def test_ranges_are_those_of_the_comments(tmp_path: Path) -> None:
    tried = 0
    for name, field, comment in described(tmp_path):
        found = re.search(r"in \[([\d.]+), ([\d.]+)\]", comment)
        if found is None or not name.endswith(("Request", "Options")):
            continue
        is_whole = getattr(pb, name).DESCRIPTOR.fields_by_name[field].cpp_type in (1, 2)
        number = int if is_whole else float
        step = 1 if is_whole else 1e-9
        low, high = number(found[1]), number(found[2])
        for end in (low, high):
            assert violations(with_field(name, field, end)) == [], (name, field, end)
        for beyond in (low - step, high + step):
            assert [path.split(".")[-1] for path in violations(with_field(name, field, beyond))] == [field], (
                name,
                field,
            )
        tried += 1
    assert tried >= 6
