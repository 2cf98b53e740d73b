"""A Google Cloud Storage server on loopback (gcp-storage-emulator), with an empty bucket."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.polling import wait_until
from tests.support.ports import free_port

BUCKET = "gs://anonymous@backlog"  # without credentials


@contextmanager
def serving_google() -> Iterator[str]:
    """Run a server in a process of its own; yield its address. In a thread of its client's process it hangs."""
    port = free_port()
    options = ["--host", "127.0.0.1", "--port", str(port), "--in-memory", "--default-bucket", "backlog"]
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: _answers(port))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def use_google(endpoint: str, patch: pytest.MonkeyPatch) -> None:
    """Set the variable of this process."""
    patch.setenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", endpoint)


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
