"""Page tokens: the position that a page of a listing ended at, bound to the query of the listing."""

import base64
import json
from typing import Any, TypeVar, cast

from tagging.errors import InvalidRequestError

T = TypeVar("T", bound=tuple[Any, ...])


def write_token(position: tuple[object, ...], query: object) -> str:
    """The token of the page after a position."""
    return base64.urlsafe_b64encode(json.dumps([position, query]).encode()).decode()


def read_token(token: str, query: object, first: T) -> T:
    """The position of a token, and `first` for an empty token; positions are tuples of the same types as `first`.

    Raises InvalidRequestError for a token that this listing did not return.
    """
    if not token:
        return first
    try:
        position, token_query = json.loads(base64.urlsafe_b64decode(token.encode()))
        if token_query == query and [type(part) for part in position] == [type(part) for part in first]:
            return cast(T, tuple(position))
    except (ValueError, TypeError, RecursionError):
        pass
    raise _not_of_this_listing()


def read_offset(token: str, query: object) -> int:
    """The number of entries before the page of a token, and 0 for an empty token; such tokens have only this number.

    Raises InvalidRequestError for a token that this listing did not return.
    """
    [offset] = read_token(token, query, (0,))
    if offset < 0:
        raise _not_of_this_listing()
    return offset


def _not_of_this_listing() -> InvalidRequestError:
    violation = "not a token of this listing"
    return InvalidRequestError(f"page_token: {violation}", "start at the first page", {"page_token": violation})
