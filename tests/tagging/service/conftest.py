"""A whole service in this process: one for each test, or one for the tests of a module that change no state."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tagging.service.config import ServiceConfig
from tests.support import service
from tests.support.service import Client, running


@pytest.fixture
def service_config(tmp_path: Path, tiny_starter: Path, unseen_corpus: Path) -> ServiceConfig:
    return service.service_config(tmp_path, tiny_starter, unseen_corpus.parent)


@pytest.fixture
async def client(service_config: ServiceConfig) -> AsyncIterator[Client]:
    async with running(service_config) as started:
        yield started


@pytest.fixture(scope="module")
async def shared_client(
    anyio_backend: str, tmp_path_factory: pytest.TempPathFactory, tiny_starter: Path, unseen_corpus: Path
) -> AsyncIterator[Client]:
    """A client of a service that stays up for the module."""
    root = tmp_path_factory.mktemp("service")
    async with running(service.service_config(root, tiny_starter, unseen_corpus.parent)) as started:
        yield started
