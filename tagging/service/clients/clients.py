"""Clients of the service: authentication of callers by token or certificate against the clients file."""

import hmac
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, get_args

from pydantic import ValidationError

from tagging.config.base import first_fault
from tagging.errors import InvalidConfigError, UnauthenticatedError
from tagging.service.clients.tokens import HINT, Metadata, bearer_token, token_sha256
from tagging.service.config import ClientsConfig, QuotasConfig, Role
from tagging.service.reloading import Reloading

ROLES: frozenset[Role] = frozenset(get_args(Role))
ANONYMOUS = "anybody"  # recorded in logs and edits


@dataclass(frozen=True, slots=True)
class Client:
    """A client that may call. The name appears in logs and edits, and is the key of quotas."""

    name: str
    roles: frozenset[Role]
    quotas: QuotasConfig = field(default_factory=QuotasConfig)


class Clients(Protocol):
    """Authenticates calls. Both methods raise UnauthenticatedError, which never contains the credentials."""

    def by_metadata(self, metadata: Metadata) -> Client | None:
        """Return the client whose token is in the metadata of a call; None without a token: use the certificate."""

    def by_certificate(self, names: Iterable[str]) -> Client:
        """Return the client of a certificate that TLS has verified, by its names; no names: no certificate."""


class OpenClients:
    """Without a clients file: every caller has all roles; it is local or has a certificate of the authority."""

    def by_metadata(self, metadata: Metadata) -> None:
        """Ignore tokens: they are not required."""

    def by_certificate(self, names: Iterable[str]) -> Client:
        return Client(min(names, default=ANONYMOUS), ROLES)


class ListedClients:
    """Clients of a TOML file, which is read again when it changes; ClientsConfig describes it.

    clock: seconds since 1970
    Raises InvalidConfigError if the file cannot be used when the service starts.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._table = Reloading([path], lambda: _read(path), clock)

    def by_metadata(self, metadata: Metadata) -> Client | None:
        token = bearer_token(metadata)
        if token is None:
            return None
        digest = token_sha256(token)
        # The time of this look-up depends on the digest at most, which reveals nothing of the token.
        known, client = self._table.current().by_digest.get(digest[:16], ("", None))
        if client is None or not hmac.compare_digest(known, digest):
            raise UnauthenticatedError("unknown token", HINT)
        return client

    def by_certificate(self, names: Iterable[str]) -> Client:
        by_name = self._table.current().by_certificate
        presented = set(names)
        clients = {by_name[name].name: by_name[name] for name in presented if name in by_name}
        if len(clients) == 1:
            return next(iter(clients.values()))
        if clients:
            raise UnauthenticatedError(f"the certificate belongs to {len(clients)} clients, expected one")
        raise UnauthenticatedError(
            "no token, and the certificate belongs to no client" if presented else "no token", HINT
        )


@dataclass(frozen=True, slots=True)
class _Table:
    by_digest: Mapping[str, tuple[str, Client]]  # by the first 16 of the 64 digits
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
        raise InvalidConfigError(f"{path}: {first_fault(error)}", hint) from None  # the cause shows the input, a token
    except (OSError, ValueError, RecursionError) as error:  # tomllib raises all three
        raise InvalidConfigError(f"cannot read the clients file {path}: {error}", hint) from error
