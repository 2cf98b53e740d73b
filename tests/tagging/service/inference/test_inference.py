"""Inference: videos with and without media, and explanations, are admitted apart from each other."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from tagging.errors import OverloadedError
from tagging.service.clients.clients import Client
from tagging.service.clients.current import set_caller
from tagging.service.inference.admission import Admission, AdmissionLimits
from tagging.service.inference.inference import Admissions, Inference
from tagging.types import VideoRef

pytestmark = pytest.mark.anyio

TITLE = VideoRef("a", title="a title")
CLIP = VideoRef("b", uri="/clips/b.mp4", title="a title")


@asynccontextmanager
async def use() -> AsyncIterator[str]:
    yield "a snapshot"


def inference_with_one_place_each() -> Inference:
    bundles: Any = SimpleNamespace(active=SimpleNamespace(use=use))
    unused: Any = None
    texts, media, explanations = (Admission(AdmissionLimits("videos", 1, 100, 0, 0)) for _ in range(3))
    return Inference(bundles, unused, Admissions(texts, media, explanations), unused, unused)


async def is_admitted(admission: AbstractAsyncContextManager[Any]) -> bool:
    try:
        async with admission:
            return True
    except OverloadedError:
        return False


async def test_texts_media_and_explanations_take_no_places_of_each_other() -> None:
    set_caller(Client("a", frozenset()))
    inference = inference_with_one_place_each()
    async with inference.admit(CLIP, None):
        assert not await is_admitted(inference.admit(CLIP, None))
        assert not await is_admitted(inference.admit(TITLE, b"a file"))
        assert await is_admitted(inference.admit(TITLE, None))
        assert await is_admitted(inference.admit_explanation(None))
    async with inference.admit(TITLE, None):
        assert not await is_admitted(inference.admit(TITLE, None))
        assert await is_admitted(inference.admit(CLIP, None))
        assert await is_admitted(inference.admit(TITLE, b"a file"))
    async with inference.admit_explanation(None):
        assert not await is_admitted(inference.admit_explanation(None))
