"""The audit of dependencies distinguishes no, some and unknown vulnerabilities, with a real pip-audit."""

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
    "summary": "arbitrary code execution",
    "affected": [
        {
            "package": {"name": "numpy", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999.0"}]}],
        }
    ],
}


@contextmanager
def osv(status: int, vulnerable: str = "") -> Iterator[tuple[str, list[str]]]:
    """Run a service with one vulnerability of one package; yield its address and the packages queried."""
    queried = list[str]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = query["package"]["name"]
            queried.append(name)
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
            yield f"http://127.0.0.1:{server.server_port}/v1/query", queried
        finally:
            server.shutdown()
            thread.join()


def audit(url: str, cache: Path) -> tuple[int, list[str]]:
    command = [sys.executable, str(ROOT / ".ci" / "audit.py"), f"--osv-url={url}", f"--cache-dir={cache}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_every_locked_package_is_queried(tmp_path: Path) -> None:
    names = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    with osv(200) as (url, queried):
        assert audit(url, tmp_path) == (0, [f"audited: no known vulnerability in {len(names)} packages"])
    assert sorted(queried) == sorted(re.sub(r"[-_.]+", "-", name).lower() for name in names)


def test_a_vulnerability_is_reported_with_the_fixed_version(tmp_path: Path) -> None:
    with osv(200, "numpy") as (url, _):
        code, lines = audit(url, tmp_path)
    assert (code, lines[0]) == (1, "VULNERABLE")
    [line] = lines[1:]
    assert re.fullmatch(r"numpy [\d.]+: PYSEC-2026-1 \(CVE-2026-12345\), fixed in 999\.0", line)


@pytest.mark.parametrize("status", [404, 503])
def test_a_failing_service_does_not_pass_the_audit(tmp_path: Path, status: int) -> None:
    with osv(status) as (url, _):
        code, [line] = audit(url, tmp_path)
    assert (code, line[:11]) == (2, "NOT AUDITED")


def test_an_unreachable_service_does_not_pass_the_audit(tmp_path: Path) -> None:
    code, [line] = audit("http://127.0.0.1:9/v1/query", tmp_path)
    assert (code, line[:11]) == (2, "NOT AUDITED")
