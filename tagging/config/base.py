"""Base class and value ranges of the configuration tree.

Each part of the program receives only its own branch. A bundle keeps the tree that it was trained with; profiles.py
provides the values.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

UNKNOWN_KEY = "unknown_key"

Share = Annotated[float, Field(ge=0, le=1)]


Fraction = Annotated[float, Field(ge=0, lt=1)]


PositiveShare = Annotated[float, Field(gt=0, le=1)]


Rate = Annotated[float, Field(gt=0, le=1)]  # of Adam, which moves a weight by about as much in a step


# Upper bounds are far above any use: beyond them an allocation fails, and its error names no key.
Width = Annotated[int, Field(ge=1, le=16_384)]  # of a vector or a layer
Drawn = Annotated[int, Field(ge=1, le=1_000_000)]  # in one step of training
Leaves = Annotated[int, Field(ge=2, le=131_072)]  # of a boosted tree; the limit is LightGBM's


LONGEST_DAYS = 3650.0
# At least a quarter of an hour: clocks differ by minutes, and counts of a time ahead grow by 2 in each half-life.
Days = Annotated[float, Field(ge=0.01, le=LONGEST_DAYS)]


class Branch(BaseModel):
    # A manifest is JSON, which has neither NaN nor infinities.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _require_known_keys(cls, tree: object) -> object:
        """Name the keys that there are, which pydantic's own error for a misspelt or former one does not."""
        unknown = [key for key in tree if key not in cls.model_fields] if isinstance(tree, dict) else []
        if unknown:
            context = {"key": unknown[0], "known": ", ".join(cls.model_fields)}
            raise PydanticCustomError(UNKNOWN_KEY, "unknown key, expected {known}", context)
        return tree


def first_fault(error: ValidationError) -> str:
    """Return the first fault of a tree: its key and what is wrong; without a key where the whole tree is at fault.

    The input is not shown: it may be a password or a token.
    """
    fault = error.errors(include_url=False, include_input=False)[0]
    unknown = (fault["ctx"]["key"],) if fault["type"] == UNKNOWN_KEY else ()
    key = ".".join(str(part) for part in (*fault["loc"], *unknown))
    message = fault["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message
