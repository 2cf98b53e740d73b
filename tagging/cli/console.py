"""Terminal output of the commands: results to stdout, progress, logs and errors to stderr."""

import json
import logging
import os
import sys
import threading
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from io import StringIO, TextIOWrapper
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.table import Table
from rich.text import Text

from tagging.errors import MissingPackageError, VideotagError
from tagging.progress import Advance, Progress

LINE_EVERY_S = 10.0


def now() -> datetime:
    """Return the time that a bundle made by this command states: UTC, whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


class Format(StrEnum):
    table = "table"
    json = "json"


def print_json(value: object) -> None:
    is_unicode = sys.stdout.encoding.lower().startswith("utf")
    sys.stdout.write(json.dumps(value, ensure_ascii=not is_unicode, indent=1) + "\n")
    sys.stdout.flush()  # reports a closed pipe or a full disk here, not at interpreter exit


def print_table(rows: Sequence[dict[str, Any]], title: str = "") -> None:
    """Print rows with equal keys: wrapped to the width of a terminal, one line per row in a file or pipe."""
    table = Table(box=None, pad_edge=False)
    for name, value in (rows[0] if rows else {}).items():
        table.add_column(Text(name.replace("_", " ")), justify="left" if isinstance(value, str) else "right")
    for row in rows:
        table.add_row(*(Text(_shown(value)) for value in row.values()))  # Text: a title may look like markup
    drawn = StringIO()
    Console(file=drawn, width=None if sys.stdout.isatty() else 1_000_000_000).print(table)
    print_lines([*(["", title] if title else []), *(line.rstrip() for line in drawn.getvalue().splitlines())])


def print_lines(lines: Sequence[str]) -> None:
    sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))
    sys.stdout.flush()


def printable(text: str) -> str:
    """Replace control characters: titles and file names are untrusted and must not control the terminal."""
    return "".join("�" if _is_control(char) else char for char in text)


def _is_control(char: str) -> bool:
    """Return True for control characters, lone surrogates, line separators, and bidirectional overrides."""
    return (
        unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
        or char in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Report a known error as one line on stderr and a hint, and exit with code 1."""
    try:
        yield
    except VideotagError as error:
        _fail(error.message, error.hint)
    except OSError as error:  # a full disk, missing permissions: the system's message is the clearest
        _fail(str(error))
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        reason = next(iter(str(error).splitlines()), "")
        _fail(f"out of memory: {reason}", "give less data at once, lower sizes in --config, or use more memory")


def _is_out_of_memory(error: Exception) -> bool:
    """Return True for Python, NumPy and torch; the allocator of torch for CPUs raises a plain RuntimeError."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or _TORCH in str(error)


_TORCH = "DefaultCPUAllocator: can't allocate memory"


def _fail(message: str, hint: str = "") -> None:
    sys.stderr.write(f"error: {printable(message)}\n" + (f"hint: {printable(hint)}\n" if hint else ""))
    try:
        sys.stdout.flush()
    except OSError:  # the rest of the output cannot be written; the error above was reported
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)


def configure_output() -> None:
    """Log videotag's events from INFO and other libraries' from WARNING to stderr, which keeps stdout for results.

    A character that the terminal's encoding lacks is printed as a question mark instead of raising an error.
    """
    open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_PrintableFormatter("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in ("tagging", "recall", "rank"):
        logging.getLogger(name).setLevel(logging.INFO)
    logging.getLogger("transformers").setLevel(logging.ERROR)  # it warns about each layer that it did not shard


def open_closed_streams() -> None:
    """Drop what is printed to a stream that the caller closed (`>&-`), which Python has as None."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 (open until the exit)


class _PrintableFormatter(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  name of the base class
        record.message = printable(record.message)
        return super().formatMessage(record)


def progress() -> Progress:
    """Return progress bars for a terminal, and occasional lines for anything else."""
    return _Bars() if sys.stderr.isatty() else _Lines()


class _Bars:
    @contextmanager
    def track(self, label: str, total: int | None) -> Iterator[Advance]:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        times = (TimeElapsedColumn(), TimeRemainingColumn())
        with RichProgress(*columns, *times, console=Console(stderr=True)) as bars:
            task = bars.add_task(label, total=total)
            yield lambda done: bars.advance(task, done)


class _Lines:
    @contextmanager
    def track(self, label: str, total: int | None) -> Iterator[Advance]:
        started = printed = time.monotonic()
        count, lock = 0, threading.Lock()

        def advance(done: int) -> None:
            nonlocal count, printed
            with lock:
                count += done
                now = time.monotonic()
                if now - printed >= LINE_EVERY_S:
                    printed = now
                    sys.stderr.write(f"{label}: {_counted(count, total)}, {count / (now - started):.0f}/s\n")
                    sys.stderr.flush()

        yield advance
        sys.stderr.write(f"{label}: {_counted(count, None)} in {time.monotonic() - started:.1f} s\n")
        sys.stderr.flush()


def _counted(count: int, total: int | None) -> str:
    return f"{count:,} of {total:,}" if total is not None else f"{count:,}"


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else printable(str(value))


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Turn a missing library, in the imports of a block, into an error that names the extra to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"this command needs {error.name}", f'install it with: pip install "videotag[{extra}]"'
        ) from error
