"""Search rules for tag names: which names are found in a text, and how.

"ice hockey", "C++", "猫"     by its words, in any case, singular or plural
"R", "The Who", "Us", "2024"  by its exact words with their capitals: the words alone say nothing
"us", "video", "7", "🔥"       never: its tag is proposed from labelled videos, pictures or sound only
"""

from collections.abc import Sequence
from enum import Enum

from tagging.text.words import is_common, read_words


class Found(Enum):
    """The way in which a name is found in a text."""

    BY_WORDS = "by words"
    WITH_CASE = "with case"
    NEVER = "never"


def how_found(name: str) -> Found:
    """Return how a name is found in a text."""
    words = read_words(name)
    if not words:
        return Found.NEVER
    if not is_common([word.form for word in words]):
        return Found.BY_WORDS
    typed = "".join(word.text for word in words)
    is_number = typed.isdecimal() and len(typed) > 1
    return Found.WITH_CASE if is_number or any(map(str.isupper, typed)) else Found.NEVER


def not_found_warning(spellings: Sequence[str]) -> tuple[str, ...]:
    """Return a warning if none of a tag's spellings, its name first, can be found in a text."""
    if any(how_found(spelling) is not Found.NEVER for spelling in spellings):
        return ()
    return (
        f"titles are not searched for {spellings[0]!r}: it is a common word, a digit or a sign; add an alias of rarer "
        "words, or one with its usual capitals, or labelled videos",
    )
