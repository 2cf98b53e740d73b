"""The service as a child process, with a small bundle."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tagging.tools.load_test.service_process import ServiceProcess, service_process


@pytest.fixture(scope="module")
def service(tiny_starter: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("service")
    with service_process(tiny_starter, folder, f"sqlite:///{folder}/service.db") as process:
        yield process
