"""Bearer tokens, of which the service stores only hashes.

A token is 256 random bits, so one round of SHA-256 protects it as well as scrypt, which is made for passwords that
people choose, and whose cost would let any caller with an invalid token keep the service busy.
"""

import hashlib
import re
import secrets
from collections.abc import Sequence

from tagging.errors import UnauthenticatedError

PREFIX = "videotag_"  # lets secret scanners find tokens
HINT = "send metadata 'authorization: Bearer TOKEN'"

Metadata = Sequence[tuple[str, str | bytes]]  # of a call, as gRPC has it: keys in lower case

_TOKEN = re.compile(PREFIX + r"[A-Za-z0-9_-]{43}")


def new_token() -> tuple[str, str]:
    """Return a token, to be shown once and kept by its client, and its hash, for `tokens_sha256` of a clients file."""
    token = PREFIX + secrets.token_urlsafe(32)
    return token, token_sha256(token)


def token_sha256(token: str) -> str:
    """Return the hash of a token in hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def bearer_token(metadata: Metadata) -> str | None:
    """Return the token in the metadata of a call; None without one.

    Raises UnauthenticatedError, which does not contain what was sent, for several tokens and for an invalid one.
    """
    sent = [value for key, value in metadata if key == "authorization"]
    if not sent:
        return None
    if len(sent) > 1:
        raise UnauthenticatedError(f"{len(sent)} 'authorization' entries, expected one", HINT)
    value = sent[0] if isinstance(sent[0], str) else ""
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer":  # RFC 9110: schemes are case-insensitive
        raise UnauthenticatedError("'authorization' does not begin with 'Bearer '", HINT)
    if not _TOKEN.fullmatch(token):
        raise UnauthenticatedError("the bearer token has an invalid format", HINT)
    return token
