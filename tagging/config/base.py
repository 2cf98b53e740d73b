"""Base class and value ranges of the configuration tree.

Each part of the program receives only its own branch. A bundle keeps the tree that it was trained with; profiles.py
provides the values.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


Fraction = Annotated[float, Field(ge=0, lt=1)]


PositiveShare = Annotated[float, Field(gt=0, le=1)]


class Branch(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
