"""Base class and value ranges of the configuration tree.

Each part of the program receives only its own branch. A bundle keeps the tree that it was trained with; profiles.py
provides the values.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


Fraction = Annotated[float, Field(ge=0, lt=1)]


PositiveShare = Annotated[float, Field(gt=0, le=1)]


LONGEST_DAYS = 3650.0
# At least a quarter of an hour: clocks differ by minutes, and counts of a time ahead grow by 2 in each half-life.
Days = Annotated[float, Field(ge=0.01, le=LONGEST_DAYS)]


class Branch(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
