"""The configuration tree; tagging/config/profiles.py says where its values come from.

Each part of the program receives only its own branch. A bundle keeps the tree it was trained with.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


Fraction = Annotated[float, Field(ge=0, lt=1)]


PositiveShare = Annotated[float, Field(gt=0, le=1)]


class Branch(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
