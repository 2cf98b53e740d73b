"""Vulnerability audit of constraints.txt against OSV by pip-audit; arguments are passed on to pip-audit.

Exit codes: 0 no known vulnerability, 1 some, 2 unknown because OSV cannot be reached or pip-audit failed. pip-audit
itself returns 1 in both of the last two cases, and with PyPI, its default service, 0 if a mirror has no data on any
package.
"""

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "constraints.txt"
FLAGS = ("--no-deps", "--disable-pip", "--vulnerability-service=osv", "--format=json", "--desc=off", "--aliases=on")


def main(arguments: list[str]) -> int:
    command = [sys.executable, "-m", "pip_audit", *FLAGS, "--progress-spinner=off", "-r", str(LOCK), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return tell(2, f"NOT AUDITED, the vulnerability service gave no answer: {last[:300]}")
    skipped = [one["name"] for one in found if "skip_reason" in one]
    if skipped:
        return tell(2, f"NOT AUDITED: {', '.join(skipped[:5])} and so on, {len(skipped)} of {len(found)} packages")
    known = [
        f"{one['name']} {one['version']}: {vulnerability['id']} ({', '.join(vulnerability['aliases']) or 'no alias'}), "
        f"fixed in {', '.join(vulnerability['fix_versions']) or 'no release'}"
        for one in found
        for vulnerability in one["vulns"]
    ]
    if known:
        return tell(1, "VULNERABLE", *known)
    return tell(0, f"audited: no vulnerability is known of {len(found)} packages")


def tell(code: int, *lines: str) -> int:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
