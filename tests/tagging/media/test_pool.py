import asyncio
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest
from grpc import StatusCode

from tagging.config.media import MediaConfig
from tagging.errors import (
    BackendUnavailableError,
    DecodeCrashError,
    DecodeMemoryError,
    DecodeTimeoutError,
    InvalidMediaError,
    MediaLimitError,
    MediaNotFoundError,
)
from tagging.media.decode import decode
from tagging.media.pool import DecodePool
from tagging.media.source import OpenFile
from tagging.media.worker import Decoder
from tagging.service.errors.status import status_of
from tests.support import media_fakes
from tests.support.media_files import Film, make
from tests.support.paths import REPOSITORY
from tests.support.polling import wait_until

CONFIG = MediaConfig(frames=4)
HASTY = CONFIG.model_copy(update={"decode_timeout_s": 0.2})

Order = Callable[[str], str]


@pytest.fixture
def order(tmp_path: Path) -> Order:
    """A function that writes an order for `media_fakes.scripted` and returns its path."""
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


def begun(folder: Path) -> int:
    """Return the process in which `media_fakes.starting_hang` hangs, once it does."""
    wait_until(lambda: len(list(folder.glob("*.begun"))) == 1)
    [mark] = folder.glob("*.begun")
    mark.unlink()
    return int(mark.suffixes[-2].removeprefix("."))


def test_a_worker_returns_the_same_sample_as_decoding_in_process(tmp_path: Path) -> None:
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


def test_many_megabytes_are_transferred_unchanged(order: Order) -> None:
    with DecodePool(CONFIG, workers=1, decode=media_fakes.large) as pool:
        got = pool.read(order("anything"))
    want = media_fakes.large(Path(), CONFIG)
    assert got.frames is not None
    assert want.frames is not None
    np.testing.assert_array_equal(got.frames.pixels, want.frames.pixels)


def test_a_worker_decodes_many_files(order: Order) -> None:
    with DecodePool(CONFIG, workers=1, decode=media_fakes.scripted) as pool:
        pids = {pool.read(order("sample")).content_hash for _ in range(5)}
    assert len(pids) == 1
    assert str(os.getpid()) not in pids


def test_domain_errors_are_transferred_with_their_hint(order: Order) -> None:
    with DecodePool(CONFIG, workers=1, decode=media_fakes.scripted) as pool:
        with pytest.raises(InvalidMediaError, match="refused politely") as caught:
            pool.read(order("refuse politely"))
        assert caught.value.hint == "a hint"
        with pytest.raises(MediaNotFoundError):
            pool.read("/nowhere/film.mp4")


def test_an_unexpected_error_fails_one_file_and_keeps_the_worker(order: Order) -> None:
    with DecodePool(CONFIG, workers=1, decode=media_fakes.scripted) as pool:
        before = pool.read(order("sample")).content_hash
        with pytest.raises(DecodeCrashError, match="ZeroDivisionError: an unexpected error") as caught:
            pool.read(order("fail"))
        assert caught.value.message.isprintable()
        assert "in scripted" in str(caught.value.__cause__)  # the traceback from the other process
        assert pool.read(order("sample")).content_hash == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("die", "signal SIGKILL"),
        ("exit", "exit code 3"),
        ("abort", "signal SIGABRT"),
        ("segfault", "signal SIGSEGV"),
    ],
)
def test_a_worker_that_dies_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: Order, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)  # where a core file would be written
    with DecodePool(CONFIG, workers=1, decode=media_fakes.scripted) as pool:
        before = pool.read(order("sample")).content_hash
        with pytest.raises(DecodeCrashError, match=message) as caught:
            pool.read(order(text))
        assert caught.value.message.isprintable()
        assert pool.read(order("sample")).content_hash != before
    assert not list(tmp_path.glob("*core*"))


@pytest.mark.parametrize(
    ("decode", "reason"), [(media_fakes.EndingWorker(), "exit code 3"), (media_fakes.EndingServer(), "unexpected EOF")]
)
def test_a_worker_that_cannot_be_started_is_no_fault_of_the_file(order: Order, decode: Decoder, reason: str) -> None:
    with DecodePool(CONFIG, workers=1, decode=decode) as pool:
        with pytest.raises(BackendUnavailableError, match=rf"could be started \({reason}\)") as caught:
            pool.read(order("sample"))
        assert status_of(caught.value).code == StatusCode.UNAVAILABLE.value[0]


def test_a_worker_killed_from_outside_while_it_decodes_is_a_crash(tmp_path: Path, order: Order) -> None:
    with DecodePool(CONFIG, workers=1, decode=media_fakes.starting_hang) as pool:
        future = pool.submit(order("begin"))
        os.kill(begun(tmp_path), signal.SIGKILL)
        with pytest.raises(DecodeCrashError, match="SIGKILL"):
            future.result()


def test_a_worker_killed_while_idle_fails_no_file(order: Order) -> None:
    with DecodePool(CONFIG, workers=1, decode=media_fakes.scripted) as pool:
        pid = int(pool.read(order("sample")).content_hash)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(child.pid == pid for child in multiprocessing.active_children()))
        assert pool.read(order("sample")).content_hash != str(pid)


@pytest.mark.parametrize("text", ["hang", "spin"])
def test_a_worker_that_hangs_is_killed_and_replaced(order: Order, text: str) -> None:
    with DecodePool(HASTY, workers=1, decode=media_fakes.scripted, grace_s=0.2) as pool:
        before = int(pool.read(order("sample")).content_hash)
        with pytest.raises(DecodeTimeoutError, match=r"not done within 0\.2 s") as caught:
            pool.read(order(text))
        assert "media.decode_timeout_s" in caught.value.hint
        assert not alive(before)
        assert pool.read(order("sample")).content_hash != str(before)


SMALL = CONFIG.model_copy(update={"decode_memory_bytes": 256 << 20})


@pytest.mark.parametrize("text", ["grow", "leap"])
def test_exceeding_the_memory_limit_is_an_error_of_its_own_and_replaces_the_worker(order: Order, text: str) -> None:
    with DecodePool(SMALL, workers=1, decode=media_fakes.scripted) as pool:
        before = pool.read(order("sample")).content_hash
        with pytest.raises(DecodeMemoryError, match=r"mp4: .* more than 268435456 bytes") as caught:
            pool.read(order(text))
        assert caught.value.message.isprintable()
        assert "media.decode_memory_bytes" in caught.value.hint
        assert pool.read(order("sample")).content_hash != before


def test_pictures_over_the_memory_limit_are_not_reported_as_damaged(tmp_path: Path) -> None:
    # H.264 keeps up to sixteen reference pictures: here of 18 MB each, in a file of some KB.
    options = {"preset": "ultrafast", "refs": "16", "bf": "0", "g": "100"}
    wide = Film(frames=24, paint=lambda _: np.zeros((3000, 4000, 3), np.uint8), options=options)
    path = make(tmp_path / "wide.mp4", wide)
    with DecodePool(SMALL, workers=1) as pool, pytest.raises(DecodeMemoryError, match=r"wide\.mp4"):
        pool.read(str(path))
    with DecodePool(CONFIG, workers=1) as pool:
        assert pool.read(str(path)).frames is not None


def test_other_files_are_read_while_one_crashes_its_worker(order: Order) -> None:
    config = HASTY.model_copy(update={"decode_memory_bytes": 300 << 20})
    with DecodePool(config, workers=2, decode=media_fakes.scripted, grace_s=0.2) as pool:
        ruined = [pool.submit(order(text)) for text in ("spin", "abort", "grow", "segfault")]
        beside = [pool.submit(order("sample")) for _ in range(8)]
        assert [future.result().warnings for future in beside] == [("sample",)] * 8
        assert all(isinstance(future.exception(), DecodeCrashError | MediaLimitError) for future in ruined)


def test_a_cancelled_decode_frees_its_worker_at_once(tmp_path: Path, order: Order) -> None:
    with DecodePool(CONFIG, workers=1, decode=media_fakes.starting_hang) as pool:
        future, waiting = pool.submit(order("begin")), pool.submit(order("begin"))
        pid = begun(tmp_path)
        assert future.cancel()
        second = begun(tmp_path)  # the waiting job runs in a new process
        assert second != pid
        assert not alive(pid)
        assert waiting.cancel()
        wait_until(lambda: not alive(second))
        with pytest.raises(CancelledError):
            future.result()


def test_a_job_cancelled_before_its_turn_leaves_the_workers_alone(tmp_path: Path, order: Order) -> None:
    with DecodePool(CONFIG, workers=1, decode=media_fakes.scripted) as pool:
        go = tmp_path / "go"
        first = pool.submit(order(f"wait {go}"))
        second, third = pool.submit(order("die")), pool.submit(order("sample"))
        assert second.cancel()
        go.touch()
        assert third.result().content_hash == first.result().content_hash


def test_a_task_whose_deadline_passes_frees_the_worker(tmp_path: Path, order: Order) -> None:
    async def wait_past_deadline(pool: DecodePool) -> None:
        async with asyncio.timeout(None) as deadline:
            task = asyncio.wrap_future(pool.submit(order("begin")))
            await asyncio.to_thread(begun, tmp_path)
            deadline.reschedule(0)
            await task

    with DecodePool(CONFIG, workers=1, decode=media_fakes.starting_hang) as pool:
        with pytest.raises(TimeoutError):
            asyncio.run(wait_past_deadline(pool))
        wait_until(lambda: multiprocessing.active_children() == [])


def test_cancelling_at_any_moment_loses_no_other_result(order: Order) -> None:
    wait_s = np.random.default_rng(3).uniform(0, 0.004, 60)
    cancelled = 0
    with DecodePool(CONFIG, workers=2, decode=media_fakes.scripted) as pool:
        pool.read(order("sample"))
        for moment_s in wait_s.tolist():
            future = pool.submit(order("sample"))
            time.sleep(moment_s)
            if future.cancel():
                cancelled += 1
            else:
                assert future.result().warnings == ("sample",)
        assert [pool.submit(order("sample")).result().warnings for _ in range(4)] == [("sample",)] * 4
    assert 0 < cancelled < 60  # both outcomes occurred


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_an_unlinked_open_file_is_read_and_may_be_closed_at_once(tmp_path: Path) -> None:
    path = make(tmp_path / "film.mp4", Film(frames=5))
    want = decode(path, CONFIG)
    with DecodePool(CONFIG, workers=1) as pool:
        with path.open("rb") as file:
            path.unlink()
            future = pool.submit(OpenFile(file.fileno(), "a film"))
        assert future.result().content_hash == want.content_hash
        with (tmp_path / "junk").open("wb+") as file:
            file.write(b"junk")
            file.flush()
            with pytest.raises(InvalidMediaError, match=r"^a film: not readable"):
                pool.read(OpenFile(file.fileno(), "a film"))


def test_open_files_leak_no_descriptors_whatever_their_outcome(tmp_path: Path, order: Order) -> None:
    go = tmp_path / "go"
    with DecodePool(HASTY, workers=1, decode=media_fakes.scripted, grace_s=0.2) as pool:
        pool.read(order("sample"))
        before = descriptors()
        for text in ("sample", "refuse it", "die", "hang", "sample"):
            with Path(order(text)).open("rb") as file:
                future = pool.submit(OpenFile(file.fileno(), text))
            assert (future.exception() is None) == (text == "sample")
        assert descriptors() == before
    with DecodePool(CONFIG, workers=1, decode=media_fakes.scripted) as pool:
        busy = pool.submit(order(f"wait {go}"))
        wait_until(lambda: len(multiprocessing.active_children()) == 1)
        before = descriptors()
        with Path(order("sample")).open("rb") as file:
            queued = [pool.submit(OpenFile(file.fileno(), "queued")) for _ in range(20)]
        assert descriptors() == before + 20
        for future in queued:
            future.cancel()
        assert descriptors() == before  # at once, not only when their turn comes
        go.touch()
        busy.result()
    with Path(order("sample")).open("rb") as file:
        before = descriptors()
        with pytest.raises(RuntimeError, match="closed"):
            pool.submit(OpenFile(file.fileno(), "late"))
        assert descriptors() == before


def test_an_open_pipe_or_folder_is_not_a_media_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with DecodePool(CONFIG, workers=1) as pool:
        for path in (tmp_path / "fifo", tmp_path, Path("/dev/zero")):
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            with pytest.raises(MediaNotFoundError, match="something"):
                pool.read(OpenFile(descriptor, "something"))
            os.close(descriptor)


def test_unreferenced_frames_are_freed_at_once(tmp_path: Path) -> None:
    path = make(tmp_path / "film.mp4", Film(frames=5))
    with DecodePool(CONFIG, workers=1) as pool, path.open("rb") as file:
        future = pool.submit(OpenFile(file.fileno(), "a film"))
        frames = future.result().frames
        assert frames is not None
        pixels = weakref.ref(frames.pixels)
        gc.collect()
        gc.disable()  # a collection would free reference cycles, but only later
        try:
            pool.read(str(path))  # the driver thread has dropped its earlier result
            assert pixels() is not None
            del frames, future
            assert pixels() is None
        finally:
            gc.enable()


def test_closing_ends_busy_workers_and_fails_waiting_jobs(tmp_path: Path, order: Order) -> None:
    pool = DecodePool(CONFIG, workers=2, decode=media_fakes.starting_hang)
    futures = [pool.submit(order("begin")) for _ in range(5)]
    wait_until(lambda: len(list(tmp_path.glob("*.begun"))) == 2)
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
    with DecodePool(CONFIG, workers=2, decode=media_fakes.scripted) as pool:

        def ask() -> None:
            for _ in range(5):
                good.append(pool.read(order("sample")).warnings[0])  # noqa: PERF401

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert good == ["sample"] * 20


@pytest.mark.slow
def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    (tmp_path / "film.mp4").write_text("hang")
    script.write_text(
        textwrap.dedent(f"""
        from tagging.config.media import MediaConfig
        from tagging.media.pool import DecodePool
        from tests.support import media_fakes

        if __name__ == "__main__":
            pool = DecodePool(MediaConfig(), workers=2, decode=media_fakes.starting_hang)
            futures = [pool.submit({str(tmp_path / "film.mp4")!r}) for _ in range(2)]
            futures[0].result()
        """)
    )
    with subprocess.Popen(
        [sys.executable, str(script)], env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(tmp_path)}
    ) as parent:
        wait_until(lambda: len(list(tmp_path.glob("*.begun"))) == 2)
        pids = [int(path.suffixes[-2].removeprefix(".")) for path in tmp_path.glob("*.begun")]
        assert all(alive(pid) for pid in pids)
        parent.kill()
    wait_until(lambda: not any(running(pid) for pid in pids))


@pytest.mark.slow
def test_a_folder_of_temporary_files_without_room_for_a_socket_is_one_error(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent("""
        from tagging.config.media import MediaConfig
        from tagging.errors import BackendUnavailableError
        from tagging.media.pool import DecodePool

        if __name__ == "__main__":
            with DecodePool(MediaConfig(), workers=1) as pool:
                try:
                    pool.read("film.mp4")
                except BackendUnavailableError as error:
                    print(error.message, error.hint, sep="; ")
        """)
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(folder)}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=True)
    assert "no decode process could be started" in done.stdout
    assert "set TMPDIR" in done.stdout


def running(pid: int) -> bool:
    """Return the processes that run. Orphans may remain as zombies until the init process reaps them."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
