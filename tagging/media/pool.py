"""Decoding in worker processes: a file that hangs or kills the decoder costs one worker, never the program.

A thread of the parent drives each worker, so decoding overlaps with whatever the caller does.
"""

import multiprocessing
import queue
import threading
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tagging.config import MediaConfig
from tagging.errors import VideotagError
from tagging.media.decode import decode
from tagging.media.worker import Decoder, PoolClosingError, Worker
from tagging.types import MediaSample

GRACE_S = 5.0  # past decode_timeout_s, for the worker to say itself that time is over


@dataclass(frozen=True, slots=True)
class _Job:
    uri: str
    future: Future[MediaSample]


class DecodePool:
    """`with DecodePool(config) as pool: pool.read(uri)`; many threads may share one pool."""

    def __init__(
        self,
        config: MediaConfig,
        workers: int | None = None,  # None: config.workers
        *,
        decode: Decoder = decode,  # a function that another process can import by its name
        grace_s: float = GRACE_S,
    ) -> None:
        self._config = config
        self._decode = decode
        self._grace_s = grace_s
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        # Closing one end wakes every driver that waits on the other.
        self._closing, self._close = multiprocessing.Pipe(duplex=False)
        self._lock = threading.Lock()
        self._closed = False
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

    def read(self, uri: str) -> MediaSample:
        """One path or URL. Raises the errors of open_source and decode, DecodeTimeoutError and DecodeCrashError."""
        return self.submit(uri).result()

    def submit(self, uri: str) -> Future[MediaSample]:
        """As `read`, without waiting."""
        job = _Job(uri, Future())
        with self._lock:
            if self._closed:
                raise RuntimeError("the decode pool is closed")
            self._jobs.put(job)
        return job.future

    def close(self) -> None:
        """Ends the workers, busy ones too, and waits until they are gone; unread jobs raise CancelledError."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._close.close()
                for _ in self._drivers:
                    self._jobs.put(None)
        for driver in self._drivers:
            driver.join()
        self._closing.close()

    def _drive(self) -> None:
        """The life of one driver: its worker is started with the first job, and again after every death."""
        worker: Worker | None = None
        try:
            while (job := self._jobs.get()) is not None:
                if not job.future.set_running_or_notify_cancel():
                    continue
                try:
                    if worker is None or not worker.is_alive():
                        _stop(worker)
                        worker = None
                        worker = self._start()
                    answer = worker.ask(job.uri, self._closing)
                except Exception as error:  # whatever it is, it is raised where the answer is waited for
                    _stop(worker)
                    worker = None
                    closed = CancelledError("the decode pool was closed")
                    job.future.set_exception(closed if isinstance(error, PoolClosingError) else error)
                else:
                    if isinstance(answer, VideotagError):
                        job.future.set_exception(answer)
                    else:
                        job.future.set_result(answer)
                    del answer, job  # an idle driver must not keep the frames of its last file
        finally:
            _stop(worker)

    def _start(self) -> Worker:
        if self._closed:
            raise PoolClosingError
        worker = Worker(self._config, self._decode, self._grace_s)
        try:
            worker.wait_until_ready(self._closing)
        except BaseException:  # nobody else knows of the process
            worker.stop()
            raise
        return worker


def _stop(worker: Worker | None) -> None:
    if worker is not None:
        worker.stop()
