"""Credentials of URLs: they are removed from every text that leaves the program, such as a message or a table."""

import re

# Up to the last @ of the authority. A password may contain an unescaped / ? or #: then what looks like a port, the
# part after the colon, is not a number, and everything up to the last @ of the word is taken as user and password.
_CREDENTIALS = re.compile(r"(?<=://)(?:[^/?#\s]*|(?!\[)[^/?#@\s:]*:(?![0-9]*(?:[/?#]|\s|$))\S*)@")


def without_credentials(text: str) -> str:
    """Replace the user and password of each URL in a text: "http://me:secret@host/" is "http://***@host/"."""
    return _CREDENTIALS.sub("***@", text)
