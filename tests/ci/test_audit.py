"""The audit of dependencies tells "none known" from "some known" from "nobody knows", over a real pip-audit."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

ROOT = REPOSITORY
ADVISORY = {
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-12345"],
    "summary": "anybody may",
    "affected": [
        {
            "package": {"name": "numpy", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999.0"}]}],
        }
    ],
}


@contextmanager
def osv(status: int, vulnerable: str = "") -> Iterator[tuple[str, list[str]]]:
    """The address of a service that knows one vulnerability of one package, and the packages that it was asked for."""
    asked = list[str]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = query["package"]["name"]
            asked.append(name)
            body = json.dumps({"vulns": [ADVISORY]} if name == vulnerable else {}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query", asked
        finally:
            server.shutdown()
            thread.join()


def audit(url: str, cache: Path) -> tuple[int, list[str]]:
    command = [sys.executable, str(ROOT / ".ci" / "audit.py"), f"--osv-url={url}", f"--cache-dir={cache}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_every_package_of_the_lock_is_asked_for(tmp_path: Path) -> None:
    names = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    with osv(200) as (url, asked):
        assert audit(url, tmp_path) == (0, [f"audited: no vulnerability is known of {len(names)} packages"])
    assert sorted(asked) == sorted(re.sub(r"[-_.]+", "-", name).lower() for name in names)


def test_a_vulnerability_is_named_with_what_fixes_it(tmp_path: Path) -> None:
    with osv(200, "numpy") as (url, _):
        code, lines = audit(url, tmp_path)
    assert (code, lines[0]) == (1, "VULNERABLE")
    [line] = lines[1:]
    assert re.fullmatch(r"numpy [\d.]+: PYSEC-2026-1 \(CVE-2026-12345\), fixed in 999\.0", line)


@pytest.mark.parametrize("status", [404, 503])
def test_a_service_that_does_not_answer_is_no_clean_bill(tmp_path: Path, status: int) -> None:
    with osv(status) as (url, _):
        code, [line] = audit(url, tmp_path)
    assert (code, line[:11]) == (2, "NOT AUDITED")


def test_a_service_that_is_not_there_is_no_clean_bill(tmp_path: Path) -> None:
    code, [line] = audit("http://127.0.0.1:9/v1/query", tmp_path)
    assert (code, line[:11]) == (2, "NOT AUDITED")
