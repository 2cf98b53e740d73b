"""Values of a manifest's cells: ids, texts and lists of tags, as people and pandas write them."""

import ast
import html
import json
import math
import re
from decimal import Decimal
from typing import Any

from tagging.messages import without_credentials

LONGEST_SHOWN = 60  # characters
EXACT_FLOATS = 2**53  # above, neighbouring whole numbers are one float
# What Python and NumPy print for a list of texts: ['dog', "cat's"] and ['dog' "cat's"].
_LITERAL = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_LIST = re.compile(rf"\[\s*(?:(?:{_LITERAL})\s*(?:,\s*|(?=['\"])|(?=\])))*\]", re.DOTALL)
_ENTITY = re.compile(r"&(?:#[0-9]+|#[xX][0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]*);")


class FieldError(ValueError):
    """A value that its field cannot hold; the message states the expected and the found."""


def id_of(value: Any, field: str) -> str:
    """Return an id as text; "" where there is none. Raises FieldError.

    A whole number is an id, also as a float: pandas turns a column of whole numbers with gaps into floats.
    """
    if isinstance(value, float | Decimal) and abs(float(value)) < EXACT_FLOATS and value == int(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if is_missing(value):
        return ""
    if not isinstance(value, str) or not is_unicode(value):
        raise FieldError(f"{field}: expected text or a whole number, found {shown(value)}")
    return value


def text_of(value: Any, field: str) -> str:
    """Return a text; "" where there is none. Raises FieldError."""
    if is_missing(value):
        return ""
    if not isinstance(value, str) or not is_unicode(value):
        raise FieldError(f"{field}: expected text, found {shown(value)}")
    return value


def tags_of(value: Any) -> tuple[str, ...]:
    """Return the tags of a list, or of the text of a list. HTML entities are decoded. Raises FieldError."""
    if is_missing(value) or value == "":
        return ()
    names = _parse_list(value) if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(tag, str) and is_unicode(tag) for tag in names):
        raise FieldError(f"tags: expected a list of texts, found {shown(value)}")
    return tuple(_ENTITY.sub(lambda entity: html.unescape(entity[0]), tag) for tag in names)


def tag_names_of(value: Any) -> tuple[str, ...]:
    """Return tags as `tags_of`, or the names of predicted tags, as `videotag batch` writes them. Raises FieldError."""
    if isinstance(value, list) and all(isinstance(tag, dict) and "name" in tag for tag in value):
        value = [tag["name"] for tag in value]
    return tags_of(value)


def predictions_of(value: Any) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return names and confidences of predicted tags, as `videotag batch` writes them. Raises FieldError."""
    names = () if is_missing(value) else value
    if not isinstance(names, list | tuple) or not all(isinstance(tag, dict) and "name" in tag for tag in names):
        raise FieldError(f"tags: expected tags with a name and a confidence, found {shown(value)}")
    confidences = tuple(tag.get("confidence") for tag in names)
    for confidence in confidences:
        if not isinstance(confidence, float | int) or not 0 <= confidence <= 1:
            raise FieldError(f"tags: expected a confidence in [0, 1], found {shown(confidence)}")
    return tag_names_of(list(names)), tuple(map(float, confidences))


def split_cell(cell: str) -> list[str] | str:
    """Return the tags of a CSV cell that are separated by bars; the text of a list is returned unchanged."""
    return cell if cell.lstrip().startswith("[") else [tag for tag in cell.strip().split("|") if tag.strip()]


def is_missing(value: object) -> bool:
    """Return whether a cell is empty; pandas writes NaN for a missing value."""
    return value is None or (isinstance(value, float | Decimal) and math.isnan(value))


def is_unicode(text: str) -> bool:
    """Return False for a lone surrogate, which JSON can express but no file, tokenizer or protobuf can hold."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def shown(value: object) -> str:
    """Return a value for a message: short, in printable characters, without the password of a URL."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        value = without_credentials(value)
    text = without_credentials(ascii(value) if isinstance(value, str) and not is_unicode(value) else repr(value))
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."


def _parse_list(text: str) -> Any:
    """Parse a JSON list, or a list as Python or NumPy print it; return None for anything else."""
    stripped = text.strip()
    if not stripped.startswith("["):
        return None
    try:
        return json.loads(stripped)
    except (ValueError, RecursionError):
        if not _LIST.fullmatch(stripped):
            return None
    try:  # one by one: Python would join two texts without a comma into one
        return [ast.literal_eval(literal) for literal in re.findall(_LITERAL, stripped, re.DOTALL)]
    except (ValueError, SyntaxError):  # such as a truncated escape
        return None
