"""Pauses of a long job in a model thread: at the start of each stage, other jobs run and the deadline is checked."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from tagging.pipeline.stages import Stage, untimed

Pause = Callable[[], None]


class PausingStages:
    """Implements tagging.pipeline.stages.Stages for a job that passes through the stages many times.

    No stage is timed: metrics would count the stages of an explanation as those of tagged videos.
    """

    def __init__(self, pause: Pause) -> None:
        """pause: returns when the job may continue, or raises to end it"""
        self._pause = pause

    def __call__(self, stage: Stage, /) -> AbstractContextManager[None]:
        """Pause before a stage."""
        self._pause()
        return untimed(stage)
