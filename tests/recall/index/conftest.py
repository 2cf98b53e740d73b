from collections.abc import Iterator

import pytest

from tests.support.milvus import TOKEN, MilvusServer


@pytest.fixture(scope="session")
def milvus_server() -> Iterator[MilvusServer]:
    """A real server; only tests that are skipped by `missing()` may request it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDEOTAG_MILVUS_TOKEN", TOKEN)
        server = MilvusServer()
        yield server
        server.remove()
