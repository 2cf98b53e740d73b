import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest

from tagging.config import MediaConfig
from tagging.errors import DecodeCrashError, DecodeTimeoutError, InvalidMediaError, MediaNotFoundError
from tagging.media.decode import decode
from tagging.media.pool import DecodePool
from tests.tagging.media import fakes
from tests.tagging.media.make import Film, make

CONFIG = MediaConfig(frames=4)
HASTY = CONFIG.model_copy(update={"decode_timeout_s": 0.2})

Order = Callable[[str], str]


@pytest.fixture
def order(tmp_path: Path) -> Order:
    """Writes an order for `fakes.scripted` and gives its path."""
    numbers = iter(range(1000))

    def write(text: str) -> str:
        path = tmp_path / f"order\n{next(numbers)}.mp4"  # a newline is allowed in a name, but not in a message
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    threads = threading.active_count()
    yield
    assert multiprocessing.active_children() == []
    assert threading.active_count() == threads


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def until(condition: Callable[[], bool]) -> None:
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("waited for a minute in vain")


def test_a_video_comes_back_from_the_worker_as_decoding_here_gives_it(tmp_path: Path) -> None:
    path = make(tmp_path / "film.mp4", Film(frames=20, tone_s=2.0))
    with DecodePool(CONFIG, workers=1) as pool:
        got = pool.read(str(path))
    want = decode(path, CONFIG)
    assert got.frames is not None
    assert want.frames is not None
    assert got.sound is not None
    assert want.sound is not None
    np.testing.assert_array_equal(got.frames.pixels, want.frames.pixels)
    np.testing.assert_array_equal(got.frames.times_s, want.frames.times_s)
    np.testing.assert_array_equal(got.sound.samples, want.sound.samples)
    assert (got.content_hash, got.duration_s, got.warnings) == (want.content_hash, want.duration_s, want.warnings)


def test_many_megabytes_cross_whole(order: Order) -> None:
    with DecodePool(CONFIG, workers=1, decode=fakes.large) as pool:
        got = pool.read(order("anything"))
    want = fakes.large(Path(), CONFIG)
    assert got.frames is not None
    assert want.frames is not None
    np.testing.assert_array_equal(got.frames.pixels, want.frames.pixels)


def test_workers_live_long(order: Order) -> None:
    with DecodePool(CONFIG, workers=1, decode=fakes.scripted) as pool:
        pids = {pool.read(order("sample")).content_hash for _ in range(5)}
    assert len(pids) == 1
    assert str(os.getpid()) not in pids


def test_domain_errors_cross_with_their_hint(order: Order) -> None:
    with DecodePool(CONFIG, workers=1, decode=fakes.scripted) as pool:
        with pytest.raises(InvalidMediaError, match="refused politely") as caught:
            pool.read(order("refuse politely"))
        assert caught.value.hint == "a hint"
        with pytest.raises(MediaNotFoundError):
            pool.read("/nowhere/film.mp4")


def test_an_unforeseen_error_costs_one_file_and_keeps_the_worker(order: Order) -> None:
    with DecodePool(CONFIG, workers=1, decode=fakes.scripted) as pool:
        before = pool.read(order("sample")).content_hash
        with pytest.raises(DecodeCrashError, match="ZeroDivisionError: nobody foresaw this") as caught:
            pool.read(order("fail"))
        assert caught.value.message.isprintable()
        assert "in scripted" in str(caught.value.__cause__)  # the traceback from the other process
        assert pool.read(order("sample")).content_hash == before


@pytest.mark.parametrize(("text", "message"), [("die", "signal SIGKILL"), ("exit", "exit code 3")])
def test_a_worker_that_dies_is_replaced(order: Order, text: str, message: str) -> None:
    with DecodePool(CONFIG, workers=1, decode=fakes.scripted) as pool:
        before = pool.read(order("sample")).content_hash
        with pytest.raises(DecodeCrashError, match=message) as caught:
            pool.read(order(text))
        assert caught.value.message.isprintable()
        assert pool.read(order("sample")).content_hash != before


def test_a_worker_killed_from_outside_in_the_middle_of_a_file_is_a_crash(tmp_path: Path, order: Order) -> None:
    with DecodePool(CONFIG, workers=1, decode=fakes.scripted) as pool:
        pid = int(pool.read(order("sample")).content_hash)
        future = pool.submit(order(f"wait {tmp_path / 'never'}"))
        until(future.running)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(DecodeCrashError, match="SIGKILL"):
            future.result()


def test_a_worker_killed_while_it_is_idle_costs_no_file(order: Order) -> None:
    with DecodePool(CONFIG, workers=1, decode=fakes.scripted) as pool:
        pid = int(pool.read(order("sample")).content_hash)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not any(child.pid == pid for child in multiprocessing.active_children()))
        assert pool.read(order("sample")).content_hash != str(pid)


def test_a_worker_that_hangs_is_killed_and_replaced(order: Order) -> None:
    with DecodePool(HASTY, workers=1, decode=fakes.scripted, grace_s=0.2) as pool:
        before = int(pool.read(order("sample")).content_hash)
        with pytest.raises(DecodeTimeoutError, match=r"not done within 0\.2 s") as caught:
            pool.read(order("hang"))
        assert "media.decode_timeout_s" in caught.value.hint
        assert not alive(before)
        assert pool.read(order("sample")).content_hash != str(before)


def test_closing_ends_busy_workers_and_tells_those_who_wait(tmp_path: Path, order: Order) -> None:
    pool = DecodePool(CONFIG, workers=2, decode=fakes.starting_hang)
    futures = [pool.submit(order("begin")) for _ in range(5)]
    until(lambda: len(list(tmp_path.glob("*.begun"))) == 2)
    pids = [int(path.suffixes[-2].removeprefix(".")) for path in tmp_path.glob("*.begun")]
    pool.close()
    assert not any(alive(pid) for pid in pids)
    for future in futures:
        with pytest.raises(CancelledError):
            future.result()
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(order("begin"))


def test_many_threads_may_share_a_pool(order: Order) -> None:
    good: list[str] = []
    with DecodePool(CONFIG, workers=2, decode=fakes.scripted) as pool:

        def ask() -> None:
            for _ in range(5):
                good.append(pool.read(order("sample")).warnings[0])  # noqa: PERF401

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert good == ["sample"] * 20


def test_workers_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    (tmp_path / "film.mp4").write_text("hang")
    script.write_text(
        textwrap.dedent(f"""
        from tagging.config import MediaConfig
        from tagging.media.pool import DecodePool
        from tests.tagging.media import fakes

        if __name__ == "__main__":
            pool = DecodePool(MediaConfig(), workers=2, decode=fakes.starting_hang)
            futures = [pool.submit({str(tmp_path / "film.mp4")!r}) for _ in range(2)]
            futures[0].result()
        """)
    )
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, str(script)], env={**os.environ, "PYTHONPATH": str(root), "TMPDIR": str(tmp_path)}
    ) as parent:
        until(lambda: len(list(tmp_path.glob("*.begun"))) == 2)
        pids = [int(path.suffixes[-2].removeprefix(".")) for path in tmp_path.glob("*.begun")]
        assert all(alive(pid) for pid in pids)
        parent.kill()
    until(lambda: not any(running(pid) for pid in pids))


def running(pid: int) -> bool:
    """Orphans wait for the container's init to take their exit code: a zombie does not run."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
