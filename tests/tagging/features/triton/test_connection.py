"""Options of the sockets that connect to Triton."""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tagging.features.networks.contract import text_model
from tagging.features.triton.client import TritonClient
from tagging.features.triton.model import TritonModel
from tests.support.kserve import ADDRESS, DIM, FINGERPRINT, serving


def sockets_to(port: int) -> Iterator[socket.socket]:
    """Copies of this process's sockets that are connected to the port."""
    for name in Path("/proc/self/fd").iterdir():
        with suppress(OSError), socket.socket(fileno=os.dup(int(name.name))) as found:
            if found.family in (socket.AF_INET, socket.AF_INET6) and found.getpeername()[1] == port:
                yield found


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux")
def test_a_connection_whose_data_are_not_acknowledged_is_given_up() -> None:
    with serving(None) as port, TritonClient(f"grpc://{ADDRESS}:{port}") as client:
        TritonModel.find(client, text_model(DIM), FINGERPRINT)
        limits_ms = [found.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) for found in sockets_to(port)]
    assert limits_ms
    assert set(limits_ms) == {20_000}
