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
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        return report(2, f"NOT AUDITED: no response from the vulnerability service: {last[:300]}")
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if skipped:
        return report(
            2, f"NOT AUDITED: {len(skipped)} of {len(packages)} packages were skipped, e.g. {', '.join(skipped[:5])}"
        )
    vulnerable = [
        f"{package['name']} {package['version']}: {vulnerability['id']} "
        f"({', '.join(vulnerability['aliases']) or 'no alias'}), "
        f"fixed in {', '.join(vulnerability['fix_versions']) or 'no release'}"
        for package in packages
        for vulnerability in package["vulns"]
    ]
    if vulnerable:
        return report(1, "VULNERABLE", *vulnerable)
    return report(0, f"audited: no known vulnerability in {len(packages)} packages")


def report(code: int, *lines: str) -> int:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
