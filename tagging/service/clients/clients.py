"""Who calls: the clients of a service, as its file of clients has them."""

import hmac
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, get_args

from pydantic import ValidationError

from tagging.errors import InvalidConfigError, UnauthenticatedError
from tagging.service.clients.tokens import HINT, Metadata, bearer_token, token_sha256
from tagging.service.config import ClientsConfig, QuotasConfig, Role
from tagging.service.reloading import Reloading

ROLES: frozenset[Role] = frozenset(get_args(Role))
ANYBODY = "anybody"


@dataclass(frozen=True, slots=True)
class Client:
    """One that may call. The name is for logs, edits and quotas."""

    name: str
    roles: frozenset[Role]
    quotas: QuotasConfig = field(default_factory=QuotasConfig)


class Clients(Protocol):
    """Says whose a call is. Both raise UnauthenticatedError, which never tells what was shown."""

    def by_metadata(self, metadata: Metadata) -> Client | None:
        """The client whose token is in the metadata of a call; None: there is no token, so a certificate says it."""

    def by_certificate(self, names: Iterable[str]) -> Client:
        """The client of a certificate that TLS has verified, by its names; no names: there was no certificate."""


class OpenClients:
    """No file of clients: all callers may do all, on this machine or with a certificate of the right authority."""

    def by_metadata(self, metadata: Metadata) -> None:
        """A token that nobody asked for is not looked at."""

    def by_certificate(self, names: Iterable[str]) -> Client:
        return Client(min(names, default=ANYBODY), ROLES)


class ListedClients:
    """Those of a TOML file, which is read again when it changes; ClientConfig says what it holds.

    clock: seconds since 1970
    Raises InvalidConfigError if the file cannot be used now.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._table = Reloading([path], lambda: _read(path), clock)

    def by_metadata(self, metadata: Metadata) -> Client | None:
        token = bearer_token(metadata)
        if token is None:
            return None
        digest = token_sha256(token)
        # The time this takes tells of a digest at most, which says nothing of the token and cannot be steered.
        known, client = self._table.current().by_digest.get(digest[:16], ("", None))
        if client is None or not hmac.compare_digest(known, digest):
            raise UnauthenticatedError("unknown token", HINT)
        return client

    def by_certificate(self, names: Iterable[str]) -> Client:
        by_name = self._table.current().by_certificate
        shown = set(names)
        found = {by_name[name].name: by_name[name] for name in shown if name in by_name}
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            raise UnauthenticatedError(f"the certificate is that of {len(found)} clients, expected one")
        raise UnauthenticatedError("no token, and a certificate of no client" if shown else "no token", HINT)


@dataclass(frozen=True, slots=True)
class _Table:
    by_digest: Mapping[str, tuple[str, Client]]  # by 16 of its 64 digits
    by_certificate: Mapping[str, Client]


def _read(path: Path) -> _Table:
    by_digest: dict[str, tuple[str, Client]] = {}
    by_certificate: dict[str, Client] = {}
    for name, config in _parsed(path).clients.items():
        client = Client(name, config.roles, config.quotas)
        by_digest |= {digest[:16]: (digest, client) for digest in config.tokens_sha256}
        by_certificate |= dict.fromkeys(config.certificates, client)
    return _Table(by_digest, by_certificate)


def _parsed(path: Path) -> ClientsConfig:
    hint = "a client is a table [clients.NAME] with tokens_sha256 and roles"
    try:
        return ClientsConfig.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]  # someone may have put the token itself there
        key = ".".join(str(part) for part in first["loc"])
        raise InvalidConfigError(f"{path}: {key}: {first['msg']}", hint) from None
    except (OSError, ValueError, RecursionError) as error:  # tomllib has all three
        raise InvalidConfigError(f"cannot read the clients of {path}: {error}", hint) from error
