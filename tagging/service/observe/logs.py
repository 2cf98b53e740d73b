"""JSON logging: each record is one line with its time, message, fields and call. Configured by the entry point only."""

import logging
import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any, TextIO

from opentelemetry.trace import format_span_id, format_trace_id, get_current_span
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from tagging.service.config import LogsConfig
from tagging.service.observe.call import current
from tagging.service.observe.redact import format_traceback, redact

OWN = ("tagging", "recall", "rank")
DEEPEST = 4  # nesting of lists and mappings in a field

logger = logging.getLogger(__name__)


class JsonLines(JsonFormatter):
    """Formats each record as one line of ASCII JSON, whatever it contains.

    time (UTC), level, logger, message; the record's own fields; error, a traceback; request_id, method and client of
    the call; trace_id and span_id. All of them are redacted.
    """

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        fields = {"asctime": "time", "levelname": "level", "name": "logger", "message": "message"}
        super().__init__(
            tuple(fields),
            rename_fields=fields | {"exc_info": "error"},
            reserved_attrs=[*RESERVED_ATTRS, *fields.values()],  # a record cannot override them with its own fields
        )
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        try:
            record.getMessage()
        except Exception:  # reported, not lost
            record = copy(record)
            record.msg, record.args = f"{record.msg} (with arguments that do not fit)", None
        return super().format(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return format_traceback(ei[1]) if ei[1] is not None else ""

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        super().add_fields(log_data, record, message_dict)
        if (call := current()) is not None:
            log_data |= {"request_id": call.request_id, "method": call.method}
            if call.client:
                log_data["client"] = call.client
        if (span := get_current_span().get_span_context()).is_valid:
            log_data |= {"trace_id": format_trace_id(span.trace_id), "span_id": format_span_id(span.span_id)}

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {name: _redacted(value, DEEPEST) if name != "error" else value for name, value in log_data.items()}


@contextmanager
def json_logs(config: LogsConfig, stream: TextIO) -> Iterator[None]:
    """Send all logging of this process to the stream while the context lasts, then restore the previous handlers.

    Records of videotag from `config.level` on, records of libraries from warnings on; also Python's warnings and
    uncaught exceptions of threads. Handlers that were removed from libraries' loggers are not restored.
    """
    root, level = logging.getLogger(), logging.getLevelNamesMapping()[config.level.upper()]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    loggers = [root, *map(logging.getLogger, OWN)]
    before = root.handlers[:], [owner.level for owner in loggers], threading.excepthook
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    for owner in loggers[1:]:
        owner.setLevel(level)
    logging.captureWarnings(True)
    threading.excepthook = _log_thread_death
    unify_library_logging()
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.handlers[:], threading.excepthook = before[0], before[2]
        for owner, previous_level in zip(loggers, before[1], strict=True):
            owner.setLevel(previous_level)


def unify_library_logging() -> None:
    """Remove the handlers that libraries gave their own loggers, which would write in other formats.

    Libraries add them on import, and transformers is imported with the first encoder: call it again after loading a
    bundle.
    """
    for library in list(logging.Logger.manager.loggerDict.values()):
        if isinstance(library, logging.Logger):
            library.handlers[:] = [handler for handler in library.handlers if isinstance(handler, logging.NullHandler)]
            library.propagate = True


def _log_thread_death(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        name = args.thread.name if args.thread is not None else ""
        logger.error("a thread died", exc_info=args.exc_value, extra={"thread_name": name})


def _redacted(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)  # JSON has neither NaN nor infinities
    if depth and not isinstance(value, str | bytes):
        if isinstance(value, Mapping):
            return {redact(str(key)): _redacted(item, depth - 1) for key, item in value.items()}
        if isinstance(value, Sequence | set | frozenset):
            return [_redacted(item, depth - 1) for item in value]
    try:
        return redact(str(value))
    except Exception:  # logging must not fail
        return f"a {type(value).__name__} that cannot be written"
