"""Stage timing: the steps of tagging a video that are timed, `with stages("decode"):`.

The timer is passed in: a service measures and traces the stages; elsewhere they are untimed.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

Stage = Literal["source", "decode", "encode", "recall", "rank", "select", "store", "shadow", "explain"]


class Stages(Protocol):
    def __call__(self, stage: Stage, /) -> AbstractContextManager[None]:
        """Return a context around the work of one stage, in any thread; stages may be nested."""


def untimed(_: Stage) -> AbstractContextManager[None]:
    """Return a context that times nothing."""
    return nullcontext()
