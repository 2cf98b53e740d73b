"""A table of the outcome of every real clip, shown at the end of the session."""

import pytest

ROWS = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


@pytest.fixture(scope="session")
def table(request: pytest.FixtureRequest) -> list[str]:
    return request.config.stash[ROWS]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash.get(ROWS, [])
    if rows:
        terminalreporter.section("real clips: file, frames, size, sound, warnings or error")
        for row in rows:
            terminalreporter.line(row)
