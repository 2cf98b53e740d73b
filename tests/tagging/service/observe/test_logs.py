"""JSON logs: one line for every record of the process, and restoration of the previous logging at the end."""

import json
import logging
import threading
import warnings
from contextvars import copy_context
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from tagging.service.config import LogsConfig
from tagging.service.observe.call import Call, set_current
from tagging.service.observe.logs import json_logs, unify_library_logging


def lines(stream: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def logged(level: int, message: str, *arguments: Any, **options: Any) -> dict[str, Any]:
    stream = StringIO()
    with json_logs(LogsConfig(level="debug"), stream):
        logging.getLogger("tagging.tests").log(level, message, *arguments, **options)
    [line] = lines(stream)
    return line


def test_a_line_has_time_level_logger_and_message() -> None:
    before = datetime.now(UTC)
    line = logged(logging.INFO, "index loaded: %s", "faiss", extra={"tags": 7, "version": "v1"})
    assert line.keys() == {"time", "level", "logger", "message", "tags", "version"}
    assert (line["level"], line["logger"], line["message"]) == ("INFO", "tagging.tests", "index loaded: faiss")
    assert (line["tags"], line["version"]) == (7, "v1")
    assert line["time"].endswith("Z")
    assert abs((datetime.fromisoformat(line["time"]) - before).total_seconds()) < 60


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (2.5, 2.5),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ((1, "a"), [1, "a"]),
        ({"a": [1.5], 2: None}, {"a": [1.5], "2": None}),
        (b"\xff", "b'\\xff'"),
        (np.float32(1.5), "1.5"),
        (SecretStr("hunter2"), "**********"),
        ({"uri": ["https://x/y?z=1"]}, {"uri": ["https://x/y?…"]}),
        ("\ud800\u202e\n\x1b[31m😀", "\ud800\u202e\n\x1b[31m😀"),
    ],
)
def test_a_field_may_hold_any_value(value: object, shown: object) -> None:
    assert logged(logging.INFO, "event", extra={"found": value})["found"] == shown


def test_a_recursive_or_unserialisable_field_does_not_fail() -> None:
    class Mute:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    endless: list[Any] = []
    endless.append(endless)
    assert logged(logging.INFO, "event", extra={"found": endless})["found"]
    assert logged(logging.INFO, "event", extra={"found": [Mute()]})["found"] == ["a Mute that cannot be written"]


def test_a_field_cannot_replace_a_standard_key() -> None:
    line = logged(logging.INFO, "event", extra={"level": "DEBUG", "time": "never", "logger": "me"})
    assert (line["level"], line["logger"]) == ("INFO", "tagging.tests")
    assert line["time"] != "never"


def test_every_record_is_one_line_of_ascii() -> None:
    stream = StringIO()
    with json_logs(LogsConfig(), stream):
        logging.getLogger("tagging").info('a\r\n{"level": "ERROR"}\u2028\x85\ud800ü', extra={"b\nc": "d\ne"})
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.isascii()


def test_mismatched_format_arguments_are_logged_in_one_line() -> None:
    line = logged(logging.WARNING, "%d of %d", "seven")
    assert line["message"] == "%d of %d (with arguments that do not fit)"


def test_a_traceback_is_one_field() -> None:
    title = "my title"  # the traceback shows the line of code, not the value
    try:
        raise KeyError(title)
    except KeyError as error:
        line = logged(logging.ERROR, "failed", exc_info=error)
    assert line["error"].splitlines()[-1] == "builtins.KeyError: '…'"
    assert "test_a_traceback_is_one_field" in line["error"]
    assert "my title" not in json.dumps(line)


def test_records_have_the_request_id_of_their_own_context_only() -> None:
    stream = StringIO()

    def handle() -> None:
        set_current(Call("r1", "TagVideo", client="ingest"))
        logging.getLogger("tagging").info("within")
        thread = threading.Thread(target=copy_context().run, args=(logging.getLogger("tagging").info, "in a thread"))
        thread.start()
        thread.join()

    with json_logs(LogsConfig(), stream):
        copy_context().run(handle)
        logging.getLogger("tagging").info("outside")
    within, in_thread, outside = lines(stream)
    for line in (within, in_thread):
        assert (line["request_id"], line["method"], line["client"]) == ("r1", "TagVideo", "ingest")
    assert not {"request_id", "method", "client"} & outside.keys()


@pytest.mark.parametrize(
    ("level", "own", "others"),
    [
        ("debug", "debug", "warning"),
        ("info", "info", "warning"),
        ("warning", "warning", "warning"),
        ("error", "error", "error"),
    ],
)
def test_our_loggers_use_the_configured_level_and_libraries_log_from_warning_on(
    level: str, own: str, others: str
) -> None:
    stream = StringIO()
    order = ["debug", "info", "warning", "error"]
    with json_logs(LogsConfig.model_validate({"level": level}), stream):
        for name in ("tagging.x", "recall.x", "rank.x", "library"):
            for step in order:
                getattr(logging.getLogger(name), step)(step)
    for name, first in (("tagging.x", own), ("recall.x", own), ("rank.x", own), ("library", others)):
        messages = [line["message"] for line in lines(stream) if line["logger"] == name]
        assert messages == order[order.index(first) :]


def test_libraries_with_their_own_handlers_log_only_json() -> None:
    theirs, stream = StringIO(), StringIO()
    library = logging.getLogger("a_library")
    library.addHandler(logging.StreamHandler(theirs))
    library.propagate = False
    with json_logs(LogsConfig(), stream):
        library.warning("before it was loaded")
        library.addHandler(logging.StreamHandler(theirs))
        library.propagate = False
        unify_library_logging()
        library.warning("after")
    assert [line["message"] for line in lines(stream)] == ["before it was loaded", "after"]
    assert theirs.getvalue() == ""


def test_warnings_and_uncaught_thread_exceptions_are_logged_in_json_too() -> None:
    def die() -> None:
        raise KeyError("my title")

    stream = StringIO()
    with json_logs(LogsConfig(), stream), warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)  # pytest captures warnings
        warnings.warn("old", UserWarning, stacklevel=1)
        thread = threading.Thread(target=die, name="decode-1")
        thread.start()
        thread.join()
        for silent in (SystemExit(0), SystemExit("bye")):
            quiet = threading.Thread(target=exec, args=("raise error", {"error": silent}))
            quiet.start()
            quiet.join()
    warning, died = lines(stream)
    assert warning["logger"] == "py.warnings"
    assert "UserWarning: old" in warning["message"]
    assert (died["message"], died["thread_name"]) == ("a thread died", "decode-1")
    assert died["error"].endswith("builtins.KeyError: '…'")


def test_logging_is_restored_at_the_end() -> None:
    def state() -> tuple[Any, ...]:
        root = logging.getLogger()
        return (
            root.handlers[:],
            root.level,
            logging.getLogger("tagging").level,
            threading.excepthook,
            warnings.showwarning,
        )

    before = state()
    with pytest.raises(KeyError), json_logs(LogsConfig(level="debug"), StringIO()):
        assert state() != before
        raise KeyError
    assert state() == before


def test_lines_of_concurrent_threads_are_not_interleaved() -> None:
    stream = StringIO()

    def work(n: int) -> None:
        for _ in range(200):
            logging.getLogger("tagging").info("x" * 300, extra={"n": n})

    with json_logs(LogsConfig(), stream):
        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    counts = [line["n"] for line in lines(stream)]
    assert sorted(counts) == sorted(list(range(8)) * 200)
