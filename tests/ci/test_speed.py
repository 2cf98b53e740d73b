"""The speed limits of CI, with reports of a benchmark that was not run."""

import importlib.util
import json
import sys
from types import ModuleType

import pytest

from tests.support.paths import REPOSITORY

GOOD = {
    "videos/s end to end / of encode alone": 0.9,
    "videos/s end to end / of encode frames alone": 0.8,
    "recall, rank and selection / encoding of a title": 0.4,
    "videotag --help / python -c pass": 15.0,
    "videotag tag --title / python -c pass": 250.0,
}


@pytest.fixture(scope="module")
def speed() -> ModuleType:
    spec = importlib.util.spec_from_file_location("speed", REPOSITORY / ".ci" / "speed.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reporting(ratios: dict[str, float], code: int = 0, repeated: dict[str, float] | None = None) -> list[str]:
    """Return a command that prints a report of these ratios; repeated: of the others if it is not to measure once."""
    once, more = (
        json.dumps(
            {
                "figures": [
                    {"ratio_of": name, "cpu_ratio": {"median": ratio}, "command": "videotag bench x"}
                    for name, ratio in found.items()
                ]
            }
        )
        for found in (ratios, repeated or ratios)
    )
    program = f"import sys; print({once!r} if sys.argv[1:] == ['--repeats', '1'] else {more!r}); sys.exit({code})"
    return [sys.executable, "-c", program]


def test_ratios_within_the_limits_pass(speed: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert speed.main(reporting(GOOD)) == 0
    assert capsys.readouterr().out.count("within") == len(GOOD)


@pytest.mark.parametrize(
    ("name", "ratio"),
    [
        ("videos/s end to end / of encode frames alone", 0.2),
        ("recall, rank and selection / encoding of a title", 1.2),
        ("videotag --help / python -c pass", 50.0),
        ("videotag tag --title / python -c pass", 750.0),
    ],
)
def test_a_ratio_beyond_its_limit_fails_and_names_the_command(
    speed: ModuleType, capsys: pytest.CaptureFixture[str], name: str, ratio: float
) -> None:
    assert speed.main(reporting({**GOOD, name: ratio})) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if "BEYOND" in line]
    assert len(lines) == 2  # measured twice
    assert all(line.startswith(name) and "videotag bench x" in line for line in lines)


def test_a_ratio_that_is_within_its_limit_with_more_repeats_passes(speed: ModuleType) -> None:
    slow = {**GOOD, "videotag --help / python -c pass": 50.0}
    assert speed.main(reporting(slow, repeated=GOOD)) == 0
    assert speed.main(reporting(slow, repeated=slow)) == 1


def test_a_figure_that_is_missing_or_failed_does_not_pass(speed: ModuleType) -> None:
    missing = {name: ratio for name, ratio in GOOD.items() if "--help" not in name}
    assert speed.main(reporting(missing)) == 2
    assert speed.main(reporting(GOOD, code=1)) == 2
