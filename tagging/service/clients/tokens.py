"""Bearer tokens, of which the service keeps hashes alone.

A token is 256 random bits, so one round of SHA-256 keeps it as well as scrypt would, which is made for passwords that
people think up, and would let anybody with a bad token keep the service busy.
"""

import hashlib
import re
import secrets
from collections.abc import Sequence

from tagging.errors import UnauthenticatedError

PREFIX = "videotag_"  # by which tokens are found in what should not hold any
HINT = "send metadata 'authorization: Bearer TOKEN'"

Metadata = Sequence[tuple[str, str | bytes]]  # of a call, as gRPC has it: keys in lower case

_TOKEN = re.compile(PREFIX + r"[A-Za-z0-9_-]{43}")


def new_token() -> tuple[str, str]:
    """A token, to be shown once and kept by its client, and the hash of it, for `tokens_sha256` of a clients file."""
    token = PREFIX + secrets.token_urlsafe(32)
    return token, token_sha256(token)


def token_sha256(token: str) -> str:
    """Hex."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def bearer_token(metadata: Metadata) -> str | None:
    """The token in the metadata of a call; None: it shows none.

    Raises UnauthenticatedError, which says nothing of what was sent, for more than one and for what is no token.
    """
    sent = [value for key, value in metadata if key == "authorization"]
    if not sent:
        return None
    if len(sent) > 1:
        raise UnauthenticatedError(f"{len(sent)} 'authorization' entries, expected one", HINT)
    value = sent[0] if isinstance(sent[0], str) else ""
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer":  # RFC 9110: schemes have no case
        raise UnauthenticatedError("'authorization' does not begin with 'Bearer '", HINT)
    if not _TOKEN.fullmatch(token):
        raise UnauthenticatedError("what follows 'Bearer ' is no token of this service", HINT)
    return token
