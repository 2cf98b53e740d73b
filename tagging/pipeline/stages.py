"""The steps of tagging a video that are worth timing, and how whoever takes one says so: `with stages("decode"):`.

What listens is handed in: a service measures and traces, everything else listens to nothing.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

Stage = Literal["source", "decode", "encode", "recall", "rank", "select", "store", "shadow"]


class Stages(Protocol):
    def __call__(self, stage: Stage, /) -> AbstractContextManager[None]:
        """Around the work of one stage, in any thread; within another stage, too."""


def untimed(_: Stage) -> AbstractContextManager[None]:
    """Stages that nobody listens to."""
    return nullcontext()
