"""Spelling differences between tags, and pairs of a catalog's tags that may be spellings of one tag.

The catalog itself merges spellings that differ in case, decoration and white space (`tagging.text.normalise`).
Any other difference may be meaningful ("us", "u.s."; "nowhere", "now here"), so it is only named here, for a rule or an
editor to judge.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from typing import Literal

from tagging.text.english import singular
from tagging.text.normalise import normalise

Difference = Literal["hashtag", "hyphen", "punctuation", "diacritics", "plural", "spacing"]

_HASHTAG = re.compile(r"(?<!\S)#+(?=\w)(?!\d+(?!\w))")  # "#1" is a number
_HYPHEN = re.compile(r"(?<=\w)[-_‐‑–—]+(?=\w)")
_DROPPED = re.compile(r"[.'’‘`´\"“”„«»!?¡¿…]")
_PARTING = re.compile(r"[,:;/|\\()\[\]{}·•、。]")
_BETWEEN_DIGITS = re.compile(r"(?<=\d) (?=\d)")
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "\u0640": ""})
# Scripts whose words are often typed without their marks. In others a mark makes a different letter: かが, กกุ, ий.
_BARE_SCRIPTS = ("LATIN", "GREEK", "ARABIC", "HEBREW")


def reduced_spelling(form: str, differences: Collection[Difference]) -> str:
    """Return a normalised tag with the given kinds of difference removed."""
    for difference, folded in _FOLDS.items():
        if difference in differences:
            form = folded(form)
    return form


def find_pairs(names: Sequence[str]) -> list[tuple[int, int, tuple[Difference, ...]]]:
    """Return (tag row, row of its possible alias, differences) among names sorted by preference.

    An alias is assigned only to the first name that the fewest removed differences make equal to it. There may be
    chains and no circles: "#cats" is a spelling of "cats", and "cats" of "cat".
    """
    forms = [normalise(name) for name in names]
    keys = list(forms)
    left = list(range(len(forms)))
    pairs: list[tuple[int, int, tuple[Difference, ...]]] = []
    for level, folded in enumerate(_FOLDS.values(), 1):
        groups: dict[str, list[int]] = {}
        for row in left:
            keys[row] = folded(keys[row])
            groups.setdefault(keys[row], []).append(row)
        for tag, *aliases in groups.values():
            pairs += [(tag, alias, _needed(forms[tag], forms[alias], DIFFERENCES[:level])) for alias in aliases]
        left = [group[0] for group in groups.values()]
    return sorted(pairs)


def _needed(spelling: str, other: str, folded: Sequence[Difference]) -> tuple[Difference, ...]:
    """Return a minimal subset of the differences whose removal makes the two equal."""
    needed = tuple(folded)
    for difference in reversed(folded):
        without = tuple(kept for kept in needed if kept != difference)
        if reduced_spelling(spelling, without) == reduced_spelling(other, without):
            needed = without
    return needed


def _without_hashtag(form: str) -> str:
    return _HASHTAG.sub("", form)


def _without_hyphens(form: str) -> str:
    return _outside_numbers(_HYPHEN, " ", form)


def _without_punctuation(form: str) -> str:
    bare = _outside_numbers(_PARTING, " ", _outside_numbers(_DROPPED, "", form))
    return " ".join(bare.split()) or form


def _outside_numbers(pattern: re.Pattern[str], to: str, form: str) -> str:
    """Apply a change outside numbers: 1-0, 3.5 and 24/7 are kept."""

    def replaced(found: re.Match[str]) -> str:
        around = form[max(found.start() - 1, 0) : found.start()] + form[found.end() : found.end() + 1]
        return found.group() if len(around) == 2 and around.isdigit() else to

    return pattern.sub(replaced, form)


def _without_diacritics(form: str) -> str:
    if form.isascii():
        return form
    kept: list[str] = []
    base = " "
    for char in unicodedata.normalize("NFD", form):
        if unicodedata.category(char) != "Mn":
            base = char
        elif unicodedata.name(base, "").startswith(_BARE_SCRIPTS) or (base == "е" and char == "\u0308"):  # ё
            continue
        kept.append(char)
    return unicodedata.normalize("NFC", "".join(kept)).translate(_PLAIN)


def _singular(form: str) -> str:
    """Return words in the singular, by English rules, which most Spanish and Portuguese nouns follow too."""
    return " ".join(singular(word) if word.isascii() else word for word in form.split())


def _without_spaces(form: str) -> str:
    return _BETWEEN_DIGITS.sub("\0", form).replace(" ", "")  # "10 20" is not 1020


# In order of application, the safer first; words become singular while they are still separate.
_FOLDS: dict[Difference, Callable[[str], str]] = {
    "hashtag": _without_hashtag,
    "hyphen": _without_hyphens,
    "punctuation": _without_punctuation,
    "diacritics": _without_diacritics,
    "plural": _singular,
    "spacing": _without_spaces,
}
DIFFERENCES = tuple(_FOLDS)
