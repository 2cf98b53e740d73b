"""The service as a child process, with a small bundle."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tagging.tools.load_test.service_process import ServiceProcess, service_process


@pytest.fixture(scope="module")
def service(
    tiny_starter: Path, unseen_corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    """The service, which may read the clips of `unseen_corpus`."""
    folder, folders = tmp_path_factory.mktemp("service"), [str(unseen_corpus.parent)]
    with service_process(tiny_starter, folder, f"sqlite:///{folder}/service.db", None, folders) as process:
        yield process
