"""Texts as protobuf and gRPC can carry them."""


def sendable(text: str) -> str:
    """The text, with each lone surrogate, which UTF-8 does not have, written as an escape.

    They come from names of files that are no UTF-8, and from JSON that escapes half a character.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def shortened(text: str, max_bytes: int) -> str:
    """A sendable text, cut between characters to that many bytes of UTF-8, with an ellipsis where something is lost.

    max_bytes: 3, which is the ellipsis, or more
    """
    whole = sendable(text).encode("utf-8")
    if len(whole) <= max_bytes:
        return whole.decode("utf-8")
    return whole[: max_bytes - len("…".encode())].decode("utf-8", "ignore") + "…"
