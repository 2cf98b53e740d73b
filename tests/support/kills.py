"""Backlogs whose processes are killed: clips on a server that counts how often each is fetched, which is once a decode.

Every clip has its own address and the same bytes.
"""

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import psutil
import pyarrow.parquet as pq

from tests.support.media_files import Film, make

TEXTS_PER_CLIP = 2
ANSWER_S = 0.1  # as long as kills shall meet a worker that is busy


@dataclass
class Clips:
    """The server, and the fetches of each video id."""

    url: str
    fetched: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return sum(self.fetched.values())

    def write_manifest(self, path: Path, count: int) -> list[str]:
        """Write a manifest of clips, with rows of text between them; return the ids."""
        rows = []
        for number in range(count):
            rows.append({"video_id": f"clip{number}", "uri": f"{self.url}/clip{number}", "title": f"Cat {number}"})
            rows += [{"video_id": f"t{number}-{n}", "title": f"Dog {number} {n}"} for n in range(TEXTS_PER_CLIP)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return [row["video_id"] for row in rows]


@contextmanager
def serving_clips(folder: Path) -> Iterator[Clips]:
    content = make(folder / "clip.mp4", Film(frames=6)).read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            clips.fetched.update([self.path.removeprefix("/")])
            time.sleep(ANSWER_S)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Do not log requests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        clips = Clips(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield clips
        finally:
            server.shutdown()
            thread.join()


def tagged_ids(out: Path) -> list[str]:
    """Return the ids in the output, in the order of the parts."""
    parts = sorted((out / "tagged").glob("*.parquet"))
    return [
        video_id for part in parts for video_id in pq.read_table(part, columns=["video_id"])["video_id"].to_pylist()
    ]


class Finished:
    """The videos that were tagged at some moments, and how often each had been decoded then."""

    def __init__(self, clips: Clips, out: Path) -> None:
        self._clips = clips
        self._out = out
        self._seen: dict[str, int] = {}

    def note(self) -> None:
        for video_id in tagged_ids(self._out):
            self._seen.setdefault(video_id, self._clips.fetched[video_id])

    def check_not_repeated(self) -> None:
        assert {video_id: self._clips.fetched[video_id] for video_id in self._seen} == self._seen


def wait_for_moment(
    run: "subprocess.Popen[bytes]", clips: Clips, random: Random, most: int, timeout_s: float, pause_s: float = 1.0
) -> bool:
    """Wait until a random number of clips, at most `most`, and a random while more; return whether the run lives."""
    wanted, pause_s = clips.total + random.randint(0, most), random.uniform(0.0, pause_s)
    deadline = time.monotonic() + timeout_s
    while run.poll() is None and clips.total < wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(pause_s)
    return run.poll() is None


def descendants(process: psutil.Process, wanted: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Return the processes that a process started, and those that they started, as far as they are wanted."""
    found = []
    for child in process.children(recursive=True):
        try:
            if wanted(child):
                found.append(child)
        except psutil.Error:  # it has ended
            continue
    return sorted(found, key=lambda child: child.pid)


def finish(command: Sequence[str], timeout_s: float) -> dict[str, object]:
    """Run a command to its end; return the report that it prints as its last line."""
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=timeout_s)
    report: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return report
