"""JSON logging: each record is one line with its time, message, fields and call. Configured by the entry point only."""

import json
import logging
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

from opentelemetry.trace import format_span_id, format_trace_id, get_current_span

from tagging.service.config import LogsConfig
from tagging.service.observe.call import current
from tagging.service.observe.redact import format_traceback, redact

OWN = ("tagging", "recall", "rank")
DEEPEST = 4  # nesting of lists and mappings in a field
_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

logger = logging.getLogger(__name__)


class JsonLines(logging.Formatter):
    """One record, one line of ASCII, whatever is in it.

    time (UTC), level, logger, message; of the call request_id, method and client; trace_id and span_id; the record's
    own fields; error, a traceback. What redact.py hides is in none of them.
    """

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, Any] = {
            "time": when.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(_message(record)),
        }
        if (call := current()) is not None:
            fields |= {"request_id": call.request_id, "method": call.method}
            if call.client:
                fields["client"] = redact(call.client)
        if (span := get_current_span().get_span_context()).is_valid:
            fields |= {"trace_id": format_trace_id(span.trace_id), "span_id": format_span_id(span.span_id)}
        for name, value in vars(record).items():
            if name not in _KNOWN:
                fields.setdefault(name, _plain(value, DEEPEST))
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = format_traceback(record.exc_info[1])
        return json.dumps(fields)


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
    before = root.handlers[:], [one.level for one in loggers], threading.excepthook
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    for one in loggers[1:]:
        one.setLevel(level)
    logging.captureWarnings(True)
    threading.excepthook = _tell_of_thread
    unify_library_logging()
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.handlers[:], threading.excepthook = before[0], before[2]
        for one, its_level in zip(loggers, before[1], strict=True):
            one.setLevel(its_level)


def unify_library_logging() -> None:
    """Remove the handlers that libraries gave their own loggers, which would write in other formats.

    Libraries add them on import, and transformers is imported with the first encoder: call it again after loading a
    bundle.
    """
    for one in list(logging.Logger.manager.loggerDict.values()):
        if isinstance(one, logging.Logger):
            one.handlers[:] = [handler for handler in one.handlers if isinstance(handler, logging.NullHandler)]
            one.propagate = True


def _tell_of_thread(told: threading.ExceptHookArgs) -> None:
    if told.exc_value is not None and not isinstance(told.exc_value, SystemExit):
        name = told.thread.name if told.thread is not None else ""
        logger.error("a thread died", exc_info=told.exc_value, extra={"thread_name": name})


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # arguments that do not fit, which is told rather than lost
        return f"{record.msg} (with arguments that do not fit)"


def _plain(value: Any, deep: int) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)  # JSON has no NaN
    if isinstance(value, Mapping) and deep:
        return {redact(str(key)): _plain(one, deep - 1) for key, one in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes) and deep:
        return [_plain(one, deep - 1) for one in value]
    try:
        return redact(str(value))
    except Exception:  # a log line is no place to fail
        return f"a {type(value).__name__} that cannot be written"
