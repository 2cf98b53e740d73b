"""Mapping of errors to gRPC statuses, with google.rpc details that let a client program react."""

import math
import re
from collections.abc import Iterator, Mapping

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from tagging import errors
from tagging.service.errors.text_limits import shortened

DOMAIN = "videotag"
UNEXPECTED = "internal error; see the log of the service"
RETRY_S = 1.0  # default retry delay, where the time to wait is unknown

# The trailing metadata contains a status twice, percent-encoded and in base64; gRPC refuses metadata over 8 KiB.
MESSAGE_BYTES = 600
HINT_BYTES = 400
VIOLATION_BYTES = 200
VIOLATIONS_BYTES = 2000

# A reason is the name of the class: renaming one changes what clients read.
CODES: Mapping[type[errors.VideotagError], StatusCode] = {
    # the caller can fix it
    errors.InvalidRequestError: StatusCode.INVALID_ARGUMENT,
    errors.InvalidManifestError: StatusCode.INVALID_ARGUMENT,
    errors.InvalidAliasesError: StatusCode.INVALID_ARGUMENT,
    errors.InvalidTagsError: StatusCode.INVALID_ARGUMENT,
    errors.InvalidVideoError: StatusCode.INVALID_ARGUMENT,
    errors.InvalidMediaError: StatusCode.INVALID_ARGUMENT,
    errors.MediaLimitError: StatusCode.INVALID_ARGUMENT,
    errors.MediaTooBigError: StatusCode.INVALID_ARGUMENT,
    errors.MediaTooLongError: StatusCode.INVALID_ARGUMENT,
    errors.MediaTooManyPixelsError: StatusCode.INVALID_ARGUMENT,
    errors.DecodeTimeoutError: StatusCode.INVALID_ARGUMENT,  # the file would take as long again
    errors.DecodeCrashError: StatusCode.INVALID_ARGUMENT,  # and kill the decoder again
    errors.DecodeMemoryError: StatusCode.INVALID_ARGUMENT,
    errors.MediaNotFoundError: StatusCode.NOT_FOUND,
    errors.UnknownIdError: StatusCode.NOT_FOUND,
    errors.InvalidRecordError: StatusCode.INVALID_ARGUMENT,
    errors.AlreadyExistsError: StatusCode.ALREADY_EXISTS,
    errors.OutputExistsError: StatusCode.ALREADY_EXISTS,
    errors.ConflictError: StatusCode.FAILED_PRECONDITION,
    errors.InvalidSelectionError: StatusCode.FAILED_PRECONDITION,  # by the bundle, not by the request alone
    errors.UnauthenticatedError: StatusCode.UNAUTHENTICATED,
    errors.ForbiddenError: StatusCode.PERMISSION_DENIED,
    errors.SourceNotAllowedError: StatusCode.PERMISSION_DENIED,
    # an operator can fix it
    errors.InvalidConfigError: StatusCode.FAILED_PRECONDITION,
    errors.InvalidResultsError: StatusCode.FAILED_PRECONDITION,
    errors.TrainingDivergedError: StatusCode.FAILED_PRECONDITION,
    errors.MissingWeightsError: StatusCode.FAILED_PRECONDITION,
    errors.MissingPackageError: StatusCode.FAILED_PRECONDITION,
    errors.ArtifactError: StatusCode.FAILED_PRECONDITION,
    errors.ArtifactNotFoundError: StatusCode.NOT_FOUND,
    errors.ArtifactCorruptError: StatusCode.FAILED_PRECONDITION,
    errors.ArtifactMismatchError: StatusCode.FAILED_PRECONDITION,
    errors.DatabaseMismatchError: StatusCode.FAILED_PRECONDITION,
    # wait, then try again
    errors.OverloadedError: StatusCode.RESOURCE_EXHAUSTED,
    errors.QuotaExceededError: StatusCode.RESOURCE_EXHAUSTED,
    errors.BusyError: StatusCode.ABORTED,
    errors.OvertakenError: StatusCode.ABORTED,
    errors.BackendUnavailableError: StatusCode.UNAVAILABLE,
    errors.OutputUnwritableError: StatusCode.UNAVAILABLE,  # such as a full disk
    # give more time
    errors.DeadlineExceededError: StatusCode.DEADLINE_EXCEEDED,
}
_WAITING_HELPS = (StatusCode.RESOURCE_EXHAUSTED, StatusCode.ABORTED, StatusCode.UNAVAILABLE)
_FIELD_OF: Mapping[type[errors.VideotagError], str] = {
    errors.InvalidMediaError: "media",
    errors.MediaLimitError: "media",
    errors.DecodeCrashError: "media",
}


def status_of(error: Exception) -> Status:
    """Map an exception to a status. Unexpected exceptions become INTERNAL with a fixed text; the caller logs them."""
    known = next((kind for kind in type(error).__mro__ if kind in CODES), None)
    if not isinstance(error, errors.VideotagError) or known is None:
        return _status(StatusCode.INTERNAL, UNEXPECTED, [ErrorInfo(reason="INTERNAL", domain=DOMAIN)])
    code = CODES[known]
    return _status(code, error.message, _details(error, reason_of(known), code))


def pushback_ms(status: Status) -> int | None:
    """Return the retry delay of a status, which gRPC's clients keep when they retry by a policy; None: it has none.

    They read it from the trailing metadata grpc-retry-pushback-ms (gRPC proposal A6), not from the details.
    """
    for detail in status.details:
        retry = RetryInfo()
        if detail.Unpack(retry):
            return int(retry.retry_delay.ToMilliseconds())
    return None


def reason_of(kind: type[errors.VideotagError]) -> str:
    """Return the reason of an error class, such as MEDIA_TOO_BIG for MediaTooBigError."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__.removesuffix("Error")).upper()


def _status(code: StatusCode, message: str, details: list[Message]) -> Status:
    status = Status(code=code.value[0], message=shortened(message, MESSAGE_BYTES))
    for detail in details:
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def _details(error: errors.VideotagError, reason: str, code: StatusCode) -> list[Message]:
    info = ErrorInfo(reason=reason, domain=DOMAIN)
    if error.hint:
        info.metadata["hint"] = shortened(error.hint, HINT_BYTES)
    if isinstance(error, errors.AlreadyExistsError) and error.existing_id:
        info.metadata["existing_id"] = shortened(error.existing_id, HINT_BYTES)
    details: list[Message] = [info]
    violations = list(_violations(error))
    if violations:
        details.append(BadRequest(field_violations=violations))
    if code in _WAITING_HELPS:
        details.append(RetryInfo(retry_delay=_retry_delay(error)))
    return details


def _violations(error: errors.VideotagError) -> Iterator[BadRequest.FieldViolation]:
    """Yield the field violations, as many as fit into the metadata."""
    wrong = error.violations if isinstance(error, errors.InvalidRequestError) else {}
    if not wrong:
        wrong = {field: error.message for kind, field in _FIELD_OF.items() if isinstance(error, kind)}
    room = VIOLATIONS_BYTES
    for field, description in wrong.items():
        violation = BadRequest.FieldViolation(
            field=shortened(field, VIOLATION_BYTES), description=shortened(description, VIOLATION_BYTES)
        )
        room -= violation.ByteSize()
        if room < 0:
            return
        yield violation


def _retry_delay(error: errors.VideotagError) -> Duration:
    wait_s = error.retry_after_s if isinstance(error, errors.OverloadedError) else RETRY_S
    delay = Duration()
    delay.FromMilliseconds(max(math.ceil(wait_s * 1000), 1))  # a delay of zero would make clients retry at once
    return delay
