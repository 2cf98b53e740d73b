"""Database address: the parsed URL of the configuration.

No message repeats any part of the URL: if an @ in the password is not escaped, the rest of the password is parsed as
the host.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from tagging import paths
from tagging.errors import InvalidConfigError
from tagging.store.database.config import DatabaseConfig

HINT = (
    "it is sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME, with ?sslmode=… or ?host=SOCKET_FOLDER "
    "if needed; in user and password write @ as %40, : as %3A, % as %25"
)


@dataclass(frozen=True, slots=True)
class Address:
    """`display_name` names the database in messages and logs; `file` is set for SQLite only."""

    url: URL
    display_name: str
    file: Path | None
    arguments: Mapping[str, Any]  # of the driver


def address_of(config: DatabaseConfig) -> Address:
    """Return the parsed URL. Raises InvalidConfigError unless it names a SQLite or PostgreSQL database."""
    if config.url is None:
        return _file(URL.create("sqlite", database=str(paths.database())), config)
    try:
        url = make_url(config.url.get_secret_value())
    except (ArgumentError, ValueError):
        raise InvalidConfigError(
            "the database's URL cannot be read", HINT
        ) from None  # its message may contain the password
    if url.drivername == "sqlite":
        return _file(url, config)
    if url.drivername in ("postgresql", "postgres"):
        return _server(url, config)
    raise InvalidConfigError("the database's URL is neither of SQLite nor of PostgreSQL", HINT)


def _file(url: URL, config: DatabaseConfig) -> Address:
    if not url.database or ":memory:" in url.database or url.query or url.host:
        raise InvalidConfigError("the database's URL names no file", HINT)
    return Address(
        url.set(drivername="sqlite"),
        url.database,
        Path(url.database),
        # Python's sqlite3 begins transactions at the first write only, and none for DDL; file.py begins them instead.
        {"isolation_level": None, "timeout": config.wait_timeout_s},
    )


def _server(url: URL, config: DatabaseConfig) -> Address:
    options = dict(url.query)
    encryption = options.pop("sslmode", None)
    if options.keys() - {"host", "port"} or "@" in (url.host or "") or not url.database:
        raise InvalidConfigError("the database's URL has something that belongs to no URL of PostgreSQL", HINT)
    host = url.host or options.get("host") or "localhost"
    port = url.port or options.get("port") or 5432
    arguments: dict[str, Any] = {
        "timeout": config.connect_timeout_s,
        # The driver's limit also covers a server that does not answer; the server's limit ends the query there.
        "command_timeout": config.statement_timeout_s + 1,
        "server_settings": {
            "application_name": "videotag",
            "statement_timeout": _milliseconds(config.statement_timeout_s),
            "lock_timeout": _milliseconds(config.wait_timeout_s),
            # Ends the transactions of a stopped process, whose locks would block others.
            "idle_in_transaction_session_timeout": _milliseconds(config.statement_timeout_s),
        },
    }
    if encryption is not None:
        arguments["ssl"] = encryption
    return Address(
        url.set(drivername="postgresql+asyncpg", query=options), f"{host}:{port}/{url.database}", None, arguments
    )


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))  # 0 would be no limit
