"""Foreign text in messages and tables: printable, of limited length, and without the credentials of URLs."""

import re

LONGEST_SHOWN = 200  # characters
# Up to the last @ of the authority. A password may contain an unescaped / ? or #: then what looks like a port, the
# part after the colon, is not a number, and everything up to the last @ of the word is taken as user and password.
_CREDENTIALS = re.compile(r"(?<=://)(?:[^/?#\s]*|(?!\[)[^/?#@\s:]*:(?![0-9]*(?:[/?#]|\s|$))\S*)@")


def without_credentials(text: str) -> str:
    """Replace the user and password of each URL in a text: "http://me:secret@host/" is "http://***@host/"."""
    return _CREDENTIALS.sub("***@", text)


def shown(text: str) -> str:
    """Sanitise foreign text for a message: one line, bounded length, no control characters and no credentials."""
    text = without_credentials(text)
    line = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return line if len(line) <= LONGEST_SHOWN else f"{line[:LONGEST_SHOWN]}…"
