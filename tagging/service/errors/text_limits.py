"""Limits of texts in messages: valid UTF-8, and shortening to a number of bytes."""


def sendable(text: str) -> str:
    """Return the text with each lone surrogate, which UTF-8 cannot encode, written as an escape.

    They come from file names that are not UTF-8, and from JSON that escapes half a character.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def shortened(text: str, max_bytes: int) -> str:
    """Return a sendable text, cut between characters to `max_bytes` of UTF-8, with an ellipsis if it is cut.

    max_bytes: 3, which is the ellipsis, or more
    """
    whole = sendable(text).encode("utf-8")
    if len(whole) <= max_bytes:
        return whole.decode("utf-8")
    return whole[: max_bytes - len("…".encode())].decode("utf-8", "ignore") + "…"
