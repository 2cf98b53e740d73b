"""Translation of driver errors to known errors; errors that do not concern the database itself are passed on."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionLeftError

from tagging.errors import ArtifactCorruptError, BackendUnavailableError, OutputUnwritableError, VideotagError

RETRY_HINT = "try again in a while"

# https://www.sqlite.org/rescode.html
SQLITE_ERRORS: dict[int, tuple[type[VideotagError], str]] = {
    sqlite3.SQLITE_BUSY: (BackendUnavailableError, f"another writer holds the lock for long; {RETRY_HINT}"),
    sqlite3.SQLITE_LOCKED: (BackendUnavailableError, f"another writer holds the lock for long; {RETRY_HINT}"),
    sqlite3.SQLITE_IOERR: (BackendUnavailableError, "is its disk full, or gone?"),
    sqlite3.SQLITE_FULL: (OutputUnwritableError, "make room on its disk"),
    sqlite3.SQLITE_READONLY: (OutputUnwritableError, "give this user the right to write the file and its folder"),
    sqlite3.SQLITE_PERM: (OutputUnwritableError, "give this user the right to write the file and its folder"),
    sqlite3.SQLITE_CANTOPEN: (OutputUnwritableError, "does its folder exist, and may this user write there?"),
    sqlite3.SQLITE_CORRUPT: (ArtifactCorruptError, "restore the file from a backup"),
    sqlite3.SQLITE_NOTADB: (ArtifactCorruptError, "name a database of SQLite, or restore the file from a backup"),
}

# PostgreSQL's codes, or their first two letters: https://www.postgresql.org/docs/current/errcodes-appendix.html
UNWRITABLE = {
    "53100": "make room on the server's disk",
    "25006": "name the primary server, not a replica",
}
UNAVAILABLE = {
    "08": "is the server up?",  # connections
    "28": "are the user and the password of its URL right?",
    "3D": "make it with createdb, or name another in its URL",  # unknown database
    "40": RETRY_HINT,  # conflicting transactions
    "53": "give the server more of it, or open fewer connections",  # resource exhausted on the server
    "55P03": f"another writer holds the lock for long; {RETRY_HINT}",  # lock timeout
    "57": RETRY_HINT,  # shut down, crashed, cancelled, starting
    "58": "look into the server's log",  # its system
}


@contextmanager
def translate_errors(display_name: str) -> Iterator[None]:
    """display_name: what to call the database."""
    try:
        yield
    except sqlite3.Error as error:  # of a statement that was given to the driver itself
        known = _of_file(error, display_name)
        if known is None:
            raise
        raise known from error
    except NoConnectionLeftError as error:
        raise BackendUnavailableError(
            f"the database {display_name} is busy: no connection was free in time", RETRY_HINT
        ) from error
    except DBAPIError as error:
        known = (
            _of_file(error.orig, display_name)
            if isinstance(error.orig, sqlite3.Error)
            else _of_server(error, display_name)
        )
        if known is None:
            raise
        raise known from error
    except OSError as error:  # also of the driver's own time limits
        message = error.strerror or "no answer in time"
        raise BackendUnavailableError(
            f"the database {display_name} cannot be reached: {message}", UNAVAILABLE["08"]
        ) from error


def _of_file(error: sqlite3.Error, display_name: str) -> VideotagError | None:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of it specifies these eight bits
    if code not in SQLITE_ERRORS:
        return None
    kind, hint = SQLITE_ERRORS[code]
    return kind(f"the database {display_name} failed: {error}", hint)


def _of_server(error: DBAPIError, display_name: str) -> VideotagError | None:
    code = getattr(error.orig, "sqlstate", None) or ""
    message = f"the database {display_name} failed: {_words(error)}"
    for known in (code, code[:2]):
        if known in UNWRITABLE:
            return OutputUnwritableError(message, UNWRITABLE[known])
        if known in UNAVAILABLE:
            return BackendUnavailableError(message, UNAVAILABLE[known])
    if error.connection_invalidated or not code:  # an error of the driver, without one of the server
        return BackendUnavailableError(message, UNAVAILABLE["08"])
    return None


def _words(error: DBAPIError) -> str:
    """Return the driver's first line, without the class name that SQLAlchemy prepends."""
    lines = str(error.orig).splitlines() or [type(error).__name__]
    return lines[0].split(">: ")[-1]
