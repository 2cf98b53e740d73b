"""A headless Chromium without network, and pages opened in it from a file."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
LOUD = ("error", "warning")  # types of console messages
DESKTOP, PHONE = (1280, 900), (390, 844)  # px


@dataclass(slots=True)
class OpenPage:
    """A page in the browser, and what it did that a test asks about."""

    page: Page
    requests: list[str] = field(default_factory=list)  # URLs
    errors: list[str] = field(default_factory=list)  # uncaught, or printed as errors or warnings


def listen(page: Page) -> OpenPage:
    """Return the page with lists that fill while it runs."""
    found = OpenPage(page)
    page.on("request", lambda request: found.requests.append(request.url))
    page.on("pageerror", lambda error: found.errors.append(str(error)))
    page.on("console", lambda message: found.errors.append(message.text) if message.type in LOUD else None)
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the installed Chromium; skip the test where there is none."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser, file: Path, size: tuple[int, int] = DESKTOP, scheme: Literal["light", "dark"] = "light"
) -> Iterator[OpenPage]:
    """Open a file in a window of its own, offline, with reduced motion."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, offline=True, reduced_motion="reduce"
    )
    context.set_default_timeout(10_000)
    found = listen(context.new_page())
    found.page.goto(file.as_uri())
    yield found
    context.close()
