"""The model thread: which work runs in it, and which does not wait for it."""

import threading
from typing import Any

import pytest

from tagging.config.root import SelectConfig
from tagging.errors import InvalidSelectionError
from tagging.service.inference.model_thread import ModelThread
from tagging.store.database.taggings import TaggingOptions

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class SelectionRecorder:
    """A tagger that records the threads in which a selection was requested."""

    def __init__(self) -> None:
        self.threads: list[str] = []

    def selection(self, max_tags: int | None, precision: float | None, min_confidence: float | None) -> SelectConfig:
        self.threads.append(threading.current_thread().name)
        if precision == 0.99:
            raise InvalidSelectionError("unknown precision")
        return SelectConfig(max_tags=max_tags or 5, min_confidence=precision or min_confidence or 0.5)


async def test_only_a_precision_is_searched_in_the_model_thread() -> None:
    model, recorder = ModelThread(), SelectionRecorder()
    tagger: Any = recorder
    assert (await model.selection(tagger, TaggingOptions(3, precision=0.9))).max_tags == 3
    assert (await model.selection(tagger, TaggingOptions(min_confidence=0.25))).min_confidence == 0.25
    with pytest.raises(InvalidSelectionError):
        await model.selection(tagger, TaggingOptions(precision=0.99))
    await model.close()
    assert (await model.selection(tagger, TaggingOptions())).max_tags == 5
    assert [name.startswith("model") for name in recorder.threads] == [True, False, True, False]
