"""Words and names, and when two of them are the same.

Spellings are one tag when they agree after `normalise`. Where a name is looked for in a text, or vocabularies are
merged, words are compared by `singular` besides.
"""

import re
import unicodedata
from functools import lru_cache

# Scripts that write without spaces count each character as a word.
_NO_SPACES = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_NO_SPACES}]|[^\W_{_NO_SPACES}]+")
_POSSESSIVE = re.compile(r"['’]s?\b")

_NO_PLURALS = frozenset(("arts", "glasses", "goods", "lens", "means", "news", "species", "series"))
_IRREGULAR = {
    "buses": "bus",
    "children": "child",
    "feet": "foot",
    "geese": "goose",
    "halves": "half",
    "knives": "knife",
    "leaves": "leaf",
    "men": "man",
    "mice": "mouse",
    "shelves": "shelf",
    "teeth": "tooth",
    "wolves": "wolf",
    "women": "woman",
}
_OE = frozenset(("aloes", "canoes", "does", "foes", "hoes", "oboes", "tiptoes", "toes"))  # and all shoes


@lru_cache(maxsize=1 << 20)
def normalise(tag: str) -> str:
    """The form in which tags are compared, NFKC, case folded, single spaces; "" for nothing but white space."""
    return " ".join(unicodedata.normalize("NFKC", tag).casefold().split())


def split_words(text: str) -> tuple[str, ...]:
    """The words of a normalised text; "women's" is "women"."""
    return tuple(_WORD.findall(_POSSESSIVE.sub("", text)))


def singular(word: str) -> str:
    """What an English noun and its plural have in common; both sides of a comparison go through it."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 4 and word.endswith(("ies", "ie")) and word not in _NO_PLURALS:
        return word.removesuffix("s").removesuffix("ie") + "y"  # also movie: "movies" does not tell
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")) or word in _NO_PLURALS:
        return word
    is_oe = word in _OE or word.endswith("shoes")
    return word[:-2] if word.endswith(("ches", "shes", "xes", "sses", "oes")) and not is_oe else word[:-1]
