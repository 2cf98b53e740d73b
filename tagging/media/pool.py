"""Decode pool of worker processes: a file that hangs or crashes a decoder costs one worker, never the program.

A thread of the parent drives each worker, so decoding overlaps with the caller's work. Nothing is decoded in
vain: cancelling a future ends its worker, the only way to stop a decoder.
"""

import os
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Self

from tagging.config.media import MediaConfig
from tagging.errors import DecodeMemoryError
from tagging.media.decode import decode
from tagging.media.source import OpenFile
from tagging.media.worker import Decoder, NotWantedError, Wanted, Worker
from tagging.types import MediaSample

GRACE_S = 5.0  # after decode_timeout_s, for the worker to report the timeout itself


class DecodePool:
    """`with DecodePool(config) as pool: pool.read(uri)`; many threads may share one pool."""

    def __init__(
        self,
        config: MediaConfig,
        workers: int | None = None,  # None: config.workers
        *,
        decode: Decoder = decode,  # must be importable by name in another process
        grace_s: float = GRACE_S,
    ) -> None:
        self._config = config
        self._decode = decode
        self._grace_s = grace_s
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._alive: set[Worker] = set()
        self.killed = 0  # workers that hung, died or were cancelled
        count = config.workers if workers is None else workers
        if count < 1:
            raise ValueError(f"{count} decode workers, expected at least 1")
        self._drivers = [threading.Thread(target=self._drive, name=f"decode-{n}", daemon=True) for n in range(count)]
        for driver in self._drivers:
            driver.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, source: str | OpenFile) -> MediaSample:
        """Decode one path, URL or open file.

        Raises the errors of open_source and decode, DecodeTimeoutError, DecodeMemoryError, DecodeCrashError, and
        BackendUnavailableError if no worker could be started.
        """
        return self.submit(source).result()

    def submit(self, source: str | OpenFile) -> Future[MediaSample]:
        """Start decoding; see `read`. An open file may be closed as soon as this returns.

        Until the answer is there, `cancel` of the future always succeeds; in asyncio, so does that of a task which
        awaits `asyncio.wrap_future` of it. A worker that had begun is killed, and the next job gets a new one.
        """
        job = _Job(source)
        with self._lock:
            if self._closed:
                job.future.cancel()
                raise RuntimeError("the decode pool is closed")
            self._jobs.put(job)
        return job.future

    @property
    def workers(self) -> int:
        """The number of sources that are decoded at once."""
        return len(self._drivers)

    @property
    def alive(self) -> int:
        """Return the number of live workers."""
        return len(self._alive)

    def close(self) -> None:
        """End the workers, busy ones too, and wait for them; unread jobs raise CancelledError."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for _ in self._drivers:
                    self._jobs.put(None)
        for driver in self._drivers:
            driver.join()

    def _drive(self) -> None:
        """Run one driver thread: its worker is started with the first job, and again whenever it has died."""
        worker: Worker | None = None
        try:
            while (job := self._jobs.get()) is not None:
                worker = self._do(job, worker)
                del job  # an idle driver must not keep the frames of its last file
        finally:
            self._stop(worker)

    def _do(self, job: "_Job", worker: Worker | None) -> Worker | None:
        """Run one job on the given worker, or a new one, and return the worker for the next job."""

        def wanted() -> bool:
            return not self._closed and not job.future.cancelled()

        answer: MediaSample | Exception
        if not wanted():
            answer = NotWantedError()
        else:
            try:
                if worker is None or not worker.is_alive():
                    self._kill(worker)
                    worker = None
                    worker = self._start(wanted)
                with job.source() as source:
                    answer = worker.ask(source, wanted)
            except Exception as error:  # raised where the result is awaited
                answer = error
                self._kill(worker)
                worker = None
        if isinstance(answer, DecodeMemoryError):  # its memory may be fragmented
            self._kill(worker)
            worker = None
        if isinstance(answer, NotWantedError):
            answer = CancelledError("the decode pool was closed")
        # From here on it cannot be cancelled: a running future cannot be.
        if job.future.set_running_or_notify_cancel():
            if isinstance(answer, MediaSample):
                job.future.set_result(answer)
            else:
                job.future.set_exception(answer)
        return worker

    def _start(self, wanted: Wanted) -> Worker:
        worker = Worker(self._config, self._decode, self._grace_s)
        try:
            worker.wait_until_ready(wanted)
        except BaseException:  # no other reference to the process exists
            worker.stop()
            raise
        with self._lock:
            self._alive.add(worker)
        return worker

    def _kill(self, worker: Worker | None) -> None:
        if worker is not None:
            with self._lock:
                self.killed += 1
        self._stop(worker)

    def _stop(self, worker: Worker | None) -> None:
        if worker is not None:
            with self._lock:
                self._alive.discard(worker)
            worker.stop()


class _Job:
    """One source and the future of its result. It holds a descriptor of its own for an open file until the source is
    taken or the job is cancelled, so a cancelled job in the queue keeps no file on the disk."""

    def __init__(self, source: str | OpenFile) -> None:
        self.future: Future[MediaSample] = Future()
        self._source = source
        self._descriptor: _Descriptor | None = None
        if isinstance(source, OpenFile):
            self._descriptor = _Descriptor(os.dup(source.descriptor))
            # Not a method of the job: the job holds the future, and such a cycle would keep the frames alive.
            self.future.add_done_callback(self._descriptor.close)

    @contextmanager
    def source(self) -> Iterator[str | OpenFile]:
        """The source; use once. Raises NotWantedError if the job was cancelled."""
        if isinstance(self._source, str):
            yield self._source
            return
        assert self._descriptor is not None
        descriptor = self._descriptor.take()
        if descriptor is None:
            raise NotWantedError
        try:
            yield replace(self._source, descriptor=descriptor)
        finally:
            os.close(descriptor)


class _Descriptor:
    """A file descriptor that is closed or taken exactly once: its number may be reused afterwards."""

    def __init__(self, number: int) -> None:
        self._number: int | None = number
        self._lock = threading.Lock()

    def take(self) -> int | None:
        """Return the descriptor for the caller to close; None if it was closed already."""
        with self._lock:
            number, self._number = self._number, None
            return number

    def close(self, _: object = None) -> None:
        number = self.take()
        if number is not None:
            os.close(number)
