"""End of a service's process: its exit handlers run, nothing else keeps it, and its server refuses calls until then."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tagging.service.api.grpc_server import listening
from tagging.service.config import ListenConfig
from tagging.service.observe.health import Health
from tagging.service.shutdown import ProcessEnds
from tests.support.paths import REPOSITORY

NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def test_the_process_ends_after_its_exit_handlers_without_waiting_for_threads_or_destroying_objects() -> None:
    script = textwrap.dedent("""
        import atexit, threading, time
        from tagging.service.shutdown import end_process

        class Model:
            def __del__(self):
                print("destroyed", flush=True)

        model = Model()
        threading.Thread(target=time.sleep, args=(1000,)).start()
        atexit.register(print, "exit handler")
        print("a line without a flush")
        end_process()
    """)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "protos")])}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=250, check=False
    )
    assert (done.returncode, done.stdout) == (0, "a line without a flush\nexit handler\n"), done.stderr


@pytest.mark.anyio
@pytest.mark.parametrize("process_ends", [True, False])
async def test_a_server_answers_until_its_process_ends(process_ends: bool) -> None:
    ending, health = ProcessEnds(), Health("s.S")
    try:
        async with listening(ListenConfig(address="127.0.0.1:0"), None, (), health, "s.S", lambda _: None) as server:
            port = server.port
            if process_ends:
                raise ending
    except ProcessEnds:
        del server
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        call = stub.Check(health_pb2.HealthCheckRequest(), timeout=60)
        if process_ends:
            assert (await call).status == NOT_SERVING
        else:
            assert await call.code() == grpc.StatusCode.UNAVAILABLE
    for left in ending.servers:
        await left.stop(None)


@pytest.mark.anyio
async def test_no_socket_is_left_by_a_server_whose_process_ends(tmp_path: Path) -> None:
    ending, health, address = ProcessEnds(), Health("s.S"), f"unix:{tmp_path}/s"
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest()
        with pytest.raises(ProcessEnds):
            async with listening(ListenConfig(address=address), None, (), health, "s.S", lambda _: None):
                await stub.Check(request, timeout=60, wait_for_ready=True)
                raise ending
        assert list(tmp_path.iterdir()) == []
        assert (await stub.Check(request, timeout=60)).status == NOT_SERVING  # on the connection that is open
    for left in ending.servers:
        await left.stop(None)
