"""Lease of a driver on its share of an output: at most one driver tags a share at a time.

A file names the driver and is renewed while it lives. A lease that was not renewed for EXPIRES_S belongs to a driver
that died, as does one of a process of this machine that is gone, so the same command may follow a kill at once. flock
would not do: it does not hold on network file systems. A lease saves work that would be done twice; no row would be
doubled without it, because parts have fixed names.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil

from tagging.errors import ArtifactNotFoundError, OutputExistsError, VideotagError
from tagging.files.storage import Storage
from tagging.jobs.job import Share

RENEWED_EVERY_S = 10.0
EXPIRES_S = 60.0


class Lease:
    """A held lease; `check` is called before each step that only its holder may take."""

    def __init__(self, storage: Storage, name: str) -> None:
        self._storage = storage
        self._name = name
        self._owner = uuid.uuid4().hex
        self._stopped = threading.Event()
        self._lost = False
        self._thread = threading.Thread(target=self._renew_until_stopped, name="lease", daemon=True)

    def check(self) -> None:
        """Raise OutputExistsError if another driver took the lease over."""
        if self._lost:
            raise OutputExistsError(
                f"another run took over {self._storage}, because this one gave no sign of life for {EXPIRES_S:g} s",
                "let that run finish",
            )

    def start(self) -> bool:
        """Take the lease and renew it from now on; False if another driver has it."""
        if not self._storage.create(self._name, self._content()):
            return False
        self._thread.start()
        return True

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        if not self._lost:
            self._storage.remove(self._name)

    def _renew_until_stopped(self) -> None:
        while not self._stopped.wait(RENEWED_EVERY_S):
            with suppress(VideotagError):  # storage that is away for a moment; the work itself will report it
                holder = _holder(self._storage, self._name)
                if holder is not None and holder["owner"] != self._owner:
                    self._lost = True
                    return
                self._storage.write(self._name, self._content())

    def _content(self) -> bytes:
        about = {
            "owner": self._owner,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": _started(psutil.Process()),
            "renewed": time.time(),
        }
        return json.dumps(about).encode("ascii")


@contextmanager
def leased(storage: Storage, share: Share) -> Iterator[Lease]:
    """Hold the lease of a share. Raises OutputExistsError while another driver holds it, or one of another division."""
    name = f"_lease-{share}.json"
    for other in storage.names():
        if other.startswith("_lease-"):
            divided_alike = other.endswith(f"-of-{share.drivers}.json")
            holder = _holder(storage, other)
            if holder is not None and (other == name or not divided_alike) and _is_alive(holder):
                raise OutputExistsError(
                    f"another run is writing into {storage}: process {holder['pid']} on {holder['host']}"
                    + ("" if divided_alike else ", with another --share"),
                    "wait for it to end",
                )
            if other == name:
                storage.remove(name)  # of a driver that died
    lease = Lease(storage, name)
    if not lease.start():
        raise OutputExistsError(f"another run is writing into {storage}: it began just now", "wait for it to end")
    try:
        yield lease
    finally:
        lease.stop()


def _holder(storage: Storage, name: str) -> dict[str, Any] | None:
    """Return the content of a lease; None for one that is gone or was not written by this."""
    try:
        holder = json.loads(storage.read(name))
    except (ArtifactNotFoundError, ValueError):
        return None
    return holder if isinstance(holder, dict) and {"owner", "host", "pid", "renewed"} <= holder.keys() else None


def _is_alive(holder: dict[str, Any]) -> bool:
    if holder["host"] == socket.gethostname():
        try:
            return _started(psutil.Process(holder["pid"])) == holder.get("started")
        except psutil.NoSuchProcess:
            return False
    return time.time() - float(holder["renewed"]) < EXPIRES_S


def _started(process: psutil.Process) -> float:
    """Return when a process started, in seconds since the boot: setting the clock changes its time of day."""
    return round(process.create_time() - psutil.boot_time(), 2)
