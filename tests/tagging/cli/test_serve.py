"""`videotag serve` while it starts and while it ends."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tagging.cli.serve import serve_until_signal
from tagging.errors import InvalidConfigError
from tagging.service import shutdown
from tagging.service.config import read_service_config
from tests.support.cli import run
from tests.support.polling import wait_until

TIMEOUT_S = 120


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_sigterm_while_a_bundle_loads_ends_the_process_without_serving(tmp_path: Path, number: signal.Signals) -> None:
    bundle, config, log = tmp_path / "bundle", tmp_path / "service.toml", tmp_path / "log"
    bundle.mkdir()
    os.mkfifo(bundle / "manifest.json")  # a pipe: loading waits until the test writes
    config.write_text(f'[listen]\naddress = "127.0.0.1:0"\n[database]\nurl = "sqlite:///{tmp_path}/service.db"\n')
    program = [sys.executable, "-c", "from tagging.cli.main import main; main()"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*program, "serve", "--bundle", str(bundle), "--config", str(config)], stdout=output, stderr=output
        )
    try:
        manifest = _opened_by_a_reader(bundle / "manifest.json", process)
        for _ in range(2):
            process.send_signal(number)
        assert process.wait(TIMEOUT_S) == 0  # although the load still waits
        os.close(manifest)
    finally:
        process.kill()
        process.wait()
    assert "stopped during the start" in log.read_text()
    assert "given up" not in log.read_text()
    assert "serving" not in log.read_text()


def _opened_by_a_reader(fifo: Path, process: "subprocess.Popen[bytes]") -> int:
    """Return a descriptor to write into, as soon as the process reads."""
    opened = list[int]()

    def is_opened() -> bool:
        assert process.poll() is None
        with suppress(OSError):  # no process has opened it for reading yet
            opened.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        return bool(opened)

    wait_until(is_opened, TIMEOUT_S)
    return opened[0]


def test_work_that_does_not_end_is_given_up_after_the_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses, ended, given_up = list[int](), threading.Event(), list[bool]()

    def end_process(status: int) -> None:
        statuses.append(status)
        ended.set()

    @asynccontextmanager
    async def stuck() -> AsyncIterator[str]:
        try:
            yield "a model"
        finally:
            given_up.append(ended.wait(60))  # blocks the loop

    def stopped(_: str) -> str:
        signal.raise_signal(signal.SIGTERM)
        return "serving"

    monkeypatch.setattr(os, "_exit", end_process)
    monkeypatch.setattr(shutdown, "CLOSE_S", 0.01)
    asyncio.run(serve_until_signal(stuck(), stopped, 0.01, lambda: None))
    assert given_up == [True]
    assert statuses == [0]


def test_the_process_ends_once_the_service_is_closed_for_it() -> None:
    steps = list[str]()

    @asynccontextmanager
    async def service() -> AsyncIterator[str]:
        try:
            yield "a model"
        except shutdown.ProcessEnds:
            steps.append("closed")
            raise

    def stopped(running: str) -> str:
        steps.append(running)
        signal.raise_signal(signal.SIGTERM)
        return "serving"

    drain_s = 1e6  # or this process would end while other tests run
    asyncio.run(serve_until_signal(service(), stopped, drain_s, lambda: steps.append("ended")))
    assert steps == ["a model", "closed", "ended"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8001", "grpc://host", "127.0.0.1:8001"])
def test_an_address_that_is_not_of_triton_is_refused(url: str, tmp_path: Path) -> None:
    result = run("serve", "--triton", url, home=tmp_path)
    assert result.returncode == 2
    assert "grpc://HOST:PORT" in result.stderr
    batch = run("batch", "videos.jsonl", "--out", tmp_path / "out", "--triton", url, home=tmp_path)
    assert batch.returncode == 1
    assert "use grpc://HOST:PORT" in batch.stderr
    assert not (tmp_path / "out").exists()
    config = tmp_path / "service.toml"
    config.write_text(f'triton = "{url}"\n')
    assert "triton" in run("serve", "--config", config, home=tmp_path).stderr


def test_a_configuration_that_is_missing_is_told_from_one_that_is_not_toml(tmp_path: Path) -> None:
    path = tmp_path / "service.toml"
    with pytest.raises(InvalidConfigError, match=r"service\.toml cannot be read: No such file") as missing:
        read_service_config(path)
    assert missing.value.hint == "name a file that exists"
    path.write_bytes(b"\xff")
    with pytest.raises(InvalidConfigError) as damaged:
        read_service_config(path)
    assert damaged.value.hint == "expected TOML in UTF-8"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('triton = "grpcs://host:8001"\n', "needs the authority"),
        ('triton = "grpc://host:8001"\n[triton_tls]\nca = "ca.pem"\n', "without TLS"),
        ('triton = "grpcs://host:8001"\n[triton_tls]\nca = "no/ca.pem"\n', "cannot be used for TLS to Triton"),
        ('[triton_tls]\nca = "ca.pem"\n', "no server is named"),
    ],
)
def test_certificates_for_triton_that_cannot_be_used_stop_the_start(content: str, message: str, tmp_path: Path) -> None:
    config = tmp_path / "service.toml"
    config.write_text(content)
    result = run("serve", "--config", config, "--listen", "127.0.0.1:0", home=tmp_path)
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
