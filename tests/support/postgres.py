"""A PostgreSQL server for tests, from Debian's package, run as a user other than root."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.ports import free_port

OWNER = "postgres"  # a user that Debian's package makes
PASSWORD = "s3cr3t/@:?"  # with characters that a URL must escape
ESCAPED = "s3cr3t%2F%40%3A%3F"
START_TIMEOUT_S = 60


def binaries() -> Path | None:
    """Return the folder of the newest installed release; None if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


class PostgresServer:
    """A server that ends with the process that started it, even if that is killed."""

    def __init__(self) -> None:
        found = binaries()
        assert found is not None
        self._binaries = found
        self.folder = Path(tempfile.mkdtemp(prefix="videotag-postgres-"))  # short: a socket's path has 107 characters
        password = self.folder / "password"
        password.write_text(PASSWORD)
        if os.geteuid() == 0:
            shutil.chown(self.folder, OWNER, OWNER)
            shutil.chown(password, OWNER, OWNER)
        self._data = self.folder / "data"
        options = ("--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C", "--no-sync")
        self._run("initdb", "-D", self._data, "-U", OWNER, *options)
        self.port = free_port()
        self._databases = 0
        self.start()

    def start(self) -> None:
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.folder,
            "fsync": "off",  # safe for crashes of the server, unlike crashes of the machine
            "max_connections": 50,
        }
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_owner(), self._binaries / "postgres", "-D", self._data, *arguments], stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        ready = [str(self._binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(ready, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    @contextlib.contextmanager
    def crashed(self) -> Iterator[None]:
        self._crash()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def hung(self) -> Iterator[None]:
        """Stop its processes: connections stay open but get no answer."""
        os.kill(self._process.pid, signal.SIGSTOP)  # the parent first, so that it starts no others
        while state_of(self._process.pid) != "T":  # until then it may start one, which would answer
            time.sleep(0.001)
        pids = [self._process.pid, *self._children()]
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def remove(self) -> None:
        self._crash()
        shutil.rmtree(self.folder)

    @contextlib.contextmanager
    def new_database(self, options: str = "") -> Iterator[str]:
        """Create an empty database, yield its URL, and drop it."""
        self._databases += 1
        name = f"t{self._databases}"
        self.sql(f"CREATE DATABASE {name} {options}")
        yield self.url(name)
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def url(self, database: str, password: str = ESCAPED) -> str:
        return f"postgresql://{OWNER}:{password}@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def sql(self, *statements: str, database: str = OWNER) -> str:
        """Return the output of psql; each statement is a transaction."""
        arguments = [part for statement in statements for part in ("-c", statement)]
        command = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port), "-U", OWNER]
        return self._run(*command, "-d", database, *arguments)

    def _crash(self) -> None:
        """Stop immediately, without writing anything (SIGQUIT)."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._process.poll() is None:
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not stop: {(self.folder / 'log').read_text()[-2000:]}")
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(1)
            except subprocess.TimeoutExpired:  # it waits for children, and one that waits for its client does not end
                for pid in self._children():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    def _children(self) -> list[int]:
        return [*map(int, Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split())]

    def _run(self, program: str, *arguments: object) -> str:
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        command = [*self._as_owner(), self._binaries / program, *map(str, arguments)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd="/")
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")
        return done.stdout.strip()

    def _as_owner(self) -> list[str | Path]:
        drop = [f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups"] if os.geteuid() == 0 else []
        return ["setpriv", "--pdeathsig", "QUIT", *drop]


def state_of(pid: int) -> str:
    """Return the state of a process as the kernel names it: "T" if it is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
