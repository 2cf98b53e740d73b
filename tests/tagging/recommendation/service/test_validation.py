"""Request validation checks the limits that the comments of the proto state."""

import re

import pytest
import regenerate
from videotag.v1 import recommendation_pb2 as pb

from tagging.errors import InvalidRequestError
from tagging.recommendation.service.contract import RECOMMENDATION
from tagging.recommendation.service.validation import check

Request = pb.RecommendVideosRequest
GOOD = [Request(watched_video_ids=["🎬" * 256] * 1000, max_videos=1000), Request(watched_video_ids=["v"])]
BAD = [
    (Request(), ["watched_video_ids"]),
    (Request(watched_video_ids=["v"] * 1001), ["watched_video_ids"]),
    (Request(watched_video_ids=["v", ""]), ["watched_video_ids[1]"]),
    (Request(watched_video_ids=["v", "x" * 257, "a\0", "\u200b"]), [f"watched_video_ids[{n}]" for n in (1, 2, 3)]),
    (Request(watched_video_ids=["v"], max_videos=-1), ["max_videos"]),
    (Request(max_videos=1001), ["max_videos", "watched_video_ids"]),
]


def violations(message: Request) -> list[str]:
    try:
        check(message)
    except InvalidRequestError as error:
        return sorted(error.violations)
    return []


def test_every_call_has_roles() -> None:
    service = pb.DESCRIPTOR.services_by_name["RecommendationService"]
    assert set(RECOMMENDATION.methods) == set(service.methods_by_name)
    assert all(RECOMMENDATION.roles.values())


@pytest.mark.parametrize("message", GOOD, ids=["largest", "smallest"])
def test_a_valid_request_is_accepted(message: Request) -> None:
    assert violations(message) == []


@pytest.mark.parametrize(("message", "fields"), BAD, ids=["-".join(fields) for _, fields in BAD])
def test_exactly_the_invalid_fields_are_named(message: Request, fields: list[str]) -> None:
    assert violations(message) == fields


def test_the_comments_of_the_proto_state_the_limits_of_these_examples() -> None:
    text = (regenerate.PROTOS / "videotag" / "v1" / "recommendation.proto").read_text(encoding="utf-8")
    [stated] = re.findall(r"1 to ([\d,]+) ids of 1 to ([\d,]+) characters", text)
    assert [int(number.replace(",", "")) for number in stated] == [1000, 256]
    assert re.findall(r"in \[0, (\d+)\]", text) == ["1000"]
