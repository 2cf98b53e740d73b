"""Status codes and details of errors, and their transfer to a client."""

import asyncio
import pickle
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TypeVar

import grpc
import pytest
import regenerate
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from grpc_status import rpc_status
from videotag.v1 import tagging_pb2, tagging_pb2_grpc

from tagging import errors
from tagging.service.errors.status import CODES, UNEXPECTED, reason_of, status_of

Detail = TypeVar("Detail", bound=Message)
NAMES = {code.name: code for code in StatusCode}


def tree(kind: type[errors.VideotagError]) -> Iterator[type[errors.VideotagError]]:
    for child in kind.__subclasses__():
        yield child
        yield from tree(child)


ERRORS = sorted((kind for kind in tree(errors.VideotagError) if kind.__module__ == errors.__name__), key=str)


def details(status: Status, kind: type[Detail]) -> list[Detail]:
    found = []
    for packed in status.details:
        detail = kind()
        if packed.Unpack(detail):
            found.append(detail)
    return found


def test_every_error_has_a_status_and_every_status_an_error() -> None:
    assert set(ERRORS) == set(CODES)


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_has_a_reason_a_message_and_a_hint(kind: type[errors.VideotagError]) -> None:
    status = status_of(kind("found 3", "give 2"))
    assert status.code == CODES[kind].value[0]
    assert status.message == "found 3"
    [info] = details(status, ErrorInfo)
    assert (info.domain, dict(info.metadata)) == ("videotag", {"hint": "give 2"})
    assert re.fullmatch(r"[A-Z][A-Z0-9_]{1,61}[A-Z0-9]", info.reason)
    waiting_helps = CODES[kind] in (StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED, StatusCode.ABORTED)
    assert len(details(status, RetryInfo)) == waiting_helps


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_survives_pickling(kind: type[errors.VideotagError]) -> None:
    restored = pickle.loads(pickle.dumps(kind("found 3", "give 2")))
    assert status_of(restored) == status_of(kind("found 3", "give 2"))
    assert vars(restored) == vars(kind("found 3", "give 2"))


def test_the_attributes_of_errors_survive_pickling() -> None:
    for error in (
        errors.InvalidRequestError("m", "h", {"title": "too long"}),
        errors.AlreadyExistsError("m", "h", "0a1b"),
        errors.OverloadedError("m", "h", 2.5),
    ):
        assert vars(pickle.loads(pickle.dumps(error))) == vars(error)


def test_reasons_that_clients_read_keep_their_names() -> None:
    known = {"INVALID_REQUEST", "INVALID_VIDEO", "INVALID_MEDIA", "INVALID_SELECTION", "MEDIA_NOT_FOUND"}
    known |= {"MEDIA_TOO_BIG", "MEDIA_TOO_LONG", "MEDIA_TOO_MANY_PIXELS", "DECODE_TIMEOUT", "DECODE_CRASH"}
    known |= {"UNKNOWN_ID", "ALREADY_EXISTS", "CONFLICT", "BUSY", "OVERLOADED", "QUOTA_EXCEEDED", "UNAUTHENTICATED"}
    known |= {"FORBIDDEN", "DEADLINE_EXCEEDED", "BACKEND_UNAVAILABLE", "ARTIFACT_NOT_FOUND", "ARTIFACT_CORRUPT"}
    assert known <= {reason_of(kind) for kind in ERRORS}
    assert len({reason_of(kind) for kind in ERRORS}) == len(ERRORS)


def test_the_proto_documents_exactly_the_status_codes_that_are_returned() -> None:
    # UNIMPLEMENTED and similar codes come from gRPC itself; with CANCELLED the caller has gone.
    proto = (regenerate.PROTOS / "videotag/v1/tagging.proto").read_text(encoding="utf-8")
    service, end, _ = proto.partition("\n}\n")  # the comments up to the end of the service block
    assert end
    documented = {NAMES[word] for word in re.findall(r"\b[A-Z]+(?:_[A-Z]+)*\b", service) if word in NAMES}
    assert documented == {*CODES.values(), StatusCode.INTERNAL, StatusCode.CANCELLED}


def test_each_invalid_field_is_named_with_its_violation() -> None:
    wrong = {"video_id": "required, and left out", "options.max_tags": "0, expected a number in [1, 50]"}
    [bad] = details(status_of(errors.InvalidRequestError("two fields", "", wrong)), BadRequest)
    assert {violation.field: violation.description for violation in bad.field_violations} == wrong


@pytest.mark.parametrize("kind", [errors.InvalidMediaError, errors.MediaTooBigError, errors.DecodeCrashError])
def test_unusable_media_are_an_invalid_field(kind: type[errors.VideotagError]) -> None:
    [bad] = details(status_of(kind("no picture, no sound")), BadRequest)
    assert [(violation.field, violation.description) for violation in bad.field_violations] == [
        ("media", "no picture, no sound")
    ]


@pytest.mark.parametrize(("wait_s", "delay_ms"), [(2.5, 2500), (0.0001, 1), (0.0, 1), (90, 90_000)])
def test_a_rejected_caller_gets_a_retry_delay(wait_s: float, delay_ms: int) -> None:
    for kind in (errors.OverloadedError, errors.QuotaExceededError):
        [retry] = details(status_of(kind("full", "", wait_s)), RetryInfo)
        assert retry.retry_delay.ToTimedelta() == timedelta(milliseconds=delay_ms)


def test_a_name_conflict_names_the_existing_resource() -> None:
    [info] = details(status_of(errors.AlreadyExistsError("'jazz' is a tag", "", "0a1b")), ErrorInfo)
    assert info.metadata["existing_id"] == "0a1b"


@pytest.mark.parametrize(
    "error", [KeyError("/srv/secret"), ValueError("tok_123"), errors.VideotagError("tok_123"), MemoryError("tok_123")]
)
def test_an_unexpected_error_reveals_nothing(error: Exception) -> None:
    status = status_of(error)
    assert (status.code, status.message) == (StatusCode.INTERNAL.value[0], UNEXPECTED)
    assert b"secret" not in status.SerializeToString()
    assert b"tok_123" not in status.SerializeToString()


def test_an_error_without_a_table_entry_has_the_status_of_its_parent() -> None:
    class FourthDimensionError(errors.MediaLimitError):
        pass

    status = status_of(FourthDimensionError("too deep"))
    assert status.code == StatusCode.INVALID_ARGUMENT.value[0]
    assert details(status, ErrorInfo)[0].reason == "MEDIA_LIMIT"


async def as_received(error: Exception) -> Status | None:
    """Return the status that a client receives over a real connection."""

    async def refuse(_: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        await context.abort_with_status(rpc_status.to_status(status_of(error)))
        raise AssertionError("abort raises")

    server = grpc.aio.server()
    calls: dict[str, grpc.RpcMethodHandler[bytes, bytes]]
    calls = {"TagVideo": grpc.unary_unary_rpc_method_handler(refuse)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("videotag.v1.TaggingService", calls)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = tagging_pb2_grpc.TaggingServiceStub(channel).TagVideo(tagging_pb2.TagVideoRequest(), timeout=30)
            with pytest.raises(grpc.aio.AioRpcError):
                await call
            return await rpc_status.aio.from_call(call)
    finally:
        await server.stop(None)


WIDE = "🎬\udcff\n語%" * 5000
HOSTILE = [
    errors.InvalidRequestError(WIDE, WIDE, {f"{WIDE}{n}": WIDE for n in range(500)}),
    errors.InvalidMediaError(WIDE, WIDE),
    errors.AlreadyExistsError(WIDE, WIDE, WIDE),
    errors.OverloadedError("\0\r\n\x7f"),
    errors.QuotaExceededError(""),
    RuntimeError(WIDE),
]


@pytest.mark.parametrize("error", HOSTILE, ids=lambda error: type(error).__name__)
def test_a_status_reaches_the_client_complete_with_any_text(error: Exception) -> None:
    assert asyncio.run(as_received(error)) == status_of(error)
