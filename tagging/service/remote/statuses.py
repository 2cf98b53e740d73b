"""Mapping of gRPC statuses back to the errors that the service raised; errors/status.py is the way there."""

import grpc
from google.rpc.error_details_pb2 import ErrorInfo
from grpc import StatusCode
from grpc_status import rpc_status

from tagging.errors import BackendUnavailableError, DeadlineExceededError, MediaTooBigError, VideotagError
from tagging.messages import shown
from tagging.service.errors.status import CODES, DOMAIN, reason_of
from tagging.service.remote.connection import Server

TOO_BIG_HINT = "copy the file to where the service may read it, and give its file:// or https:// address there"

_KINDS = {reason_of(kind): kind for kind in CODES}


def error_of(error: grpc.RpcError, server: Server, request_bytes: int) -> VideotagError:
    """The error of a failed call: that of the service where it states one, or what the status of gRPC means.

    request_bytes: of the message that was sent
    """
    code, details = error.code(), error.details() or ""
    info = _info_of(error)
    if info is not None:
        kind = _KINDS.get(info.reason, BackendUnavailableError)  # also for INTERNAL, and reasons of later versions
        return kind(details, info.metadata.get("hint", ""))
    address = shown(server.address)
    match code:
        case StatusCode.RESOURCE_EXHAUSTED:  # by gRPC, before the service sees the message
            return MediaTooBigError(
                f"the service at {address} accepts no message of {request_bytes:,} bytes",
                f"{TOO_BIG_HINT}; or raise listen.message_bytes",
            )
        case StatusCode.DEADLINE_EXCEEDED:
            return DeadlineExceededError(
                f"the service at {address} did not answer within {server.timeout_s:g} s", "ask for less, or try later"
            )
        case StatusCode.UNAVAILABLE:
            return BackendUnavailableError(
                f"no service answers at {address}: {shown(details)}", "check that it runs, its address and its TLS"
            )
        case StatusCode.UNIMPLEMENTED:
            return BackendUnavailableError(f"the service at {address} does not have this call", "upgrade the service")
    return BackendUnavailableError(f"the service at {address} failed with {code.name}: {shown(details)}")


def _info_of(error: grpc.RpcError) -> ErrorInfo | None:
    """The error as the service states it; None for a status of gRPC or of a proxy."""
    try:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]
    except ValueError:  # details that contradict the status
        return None
    info = ErrorInfo()
    for detail in () if status is None else status.details:
        if detail.Unpack(info) and info.domain == DOMAIN:
            return info
    return None
