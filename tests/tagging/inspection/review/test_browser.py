"""The page of a review in a real browser: keyboard, mouse, accessibility, and hostile texts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from tagging.inspection.review.decisions import VERDICTS
from tagging.inspection.review.feedback_lines import read_feedback
from tagging.inspection.review.server import serving
from tagging.inspection.review.session import ReviewSession
from tagging.types import VideoRef
from tests.support.explanations import beach_media
from tests.support.reviews import TableTagger, reviewing, videos

pytest.importorskip("playwright", reason="the extra browser is not installed")
pytest.importorskip("axe_playwright_python", reason="the extra browser is not installed")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.browser import DESKTOP, PHONE, OpenPage, chromium, listen

pytestmark = pytest.mark.browser

ANSWER = {"dog": 0.9, "beach": 0.62, "sea": 0.4, "cat": 0.2, "a new one": 0.1}
HOSTILE = (
    "</script><script>window.injected = 1</script>",
    "<img src=x onerror='window.injected = 1'>",
    "\" autofocus onfocus='window.injected = 1' \u2028 <!-- \u202e",
)
Scheme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@contextmanager
def visited(
    browser: Browser, session: ReviewSession, size: tuple[int, int] = DESKTOP, scheme: Scheme = "light"
) -> Iterator[OpenPage]:
    """Serve the session and open its page in a window of its own."""
    width, height = size
    with serving(0, session) as server:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
        )
        context.set_default_timeout(20_000)
        found = listen(context.new_page())
        found.page.goto(server.url)
        try:
            yield found
        finally:
            context.close()


@contextmanager
def opened(
    browser: Browser,
    path: Path,
    rows: list[VideoRef] | None = None,
    size: tuple[int, int] = DESKTOP,
    scheme: Scheme = "light",
) -> Iterator[OpenPage]:
    """Review three videos with pictures."""
    rows = videos(3) if rows is None else rows
    tagger = TableTagger({video.video_id: ANSWER for video in rows}, beach_media())
    with reviewing(path, rows, tagger) as session, visited(browser, session, size, scheme) as found:
        expect(found.page.locator("#video-heading")).to_be_visible()
        yield found


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "f.jsonl"


def row(page: Page, name: str) -> Locator:
    return page.locator(".tag-row").filter(has=page.locator(".name", has_text=name)).first


def violations(page: Page) -> str:
    results = Axe().run(page)
    report: str = results.generate_report() if results.violations_count else ""
    return report


def written(path: Path) -> list[dict[str, list[str]]]:
    return [
        {verdict: [made.tag.name for made in reviewed.draft.of_verdict(verdict)] for verdict in VERDICTS}
        for reviewed in read_feedback(path)
    ]


def test_the_keyboard_alone_reviews_a_video(browser: Browser, out: Path) -> None:
    with opened(browser, out) as found:
        page = found.page
        page.keyboard.press("a")  # dog, then the next tag is current
        expect(row(page, "dog").locator(".badge")).to_have_text("Accepted")
        expect(row(page, "beach")).to_have_attribute("aria-current", "true")
        page.keyboard.press("j")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("k")
        page.keyboard.press("r")  # sea
        expect(row(page, "sea").locator(".badge")).to_have_text("Rejected")
        page.keyboard.press("+")
        expect(page.get_by_role("combobox")).to_be_focused()
        page.keyboard.type("guit")
        expect(page.get_by_role("option", name="Guitar Hero")).to_be_visible()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(row(page, "Guitar Hero").locator(".badge")).to_have_text("Added")
        page.keyboard.type("a brand new tag")
        page.keyboard.press("Enter")
        expect(row(page, "a brand new tag").locator(".badge")).to_have_text("Added")
        page.keyboard.press("Escape")
        page.keyboard.press("u")
        expect(page.locator(".tag-row").filter(has_text="a brand new tag")).to_have_count(0)
        assert written(out) == []
        page.keyboard.press("Enter")
        expect(page.get_by_text("1 video confirmed")).to_be_visible()
        assert written(out) == [{"accepted": ["dog"], "rejected": ["sea"], "added": ["Guitar Hero"]}]
        assert found.errors == []


def test_fast_key_strokes_keep_their_order(browser: Browser, out: Path) -> None:
    with opened(browser, out) as found:
        for key in "aarau":
            found.page.keyboard.press(key)
        found.page.keyboard.press("Enter")
        expect(found.page.get_by_text("1 video confirmed")).to_be_visible()
        assert written(out) == [{"accepted": ["dog", "beach"], "rejected": ["sea"], "added": []}]


def test_undo_opens_the_last_video_again_with_its_decisions(browser: Browser, out: Path) -> None:
    with opened(browser, out) as found:
        page = found.page
        title = page.locator("#video-heading").inner_text()
        page.keyboard.press("a")
        page.keyboard.press("Enter")
        expect(page.locator("#video-heading")).not_to_have_text(title)
        page.keyboard.press("u")
        expect(page.locator("#video-heading")).to_have_text(title)
        expect(row(page, "dog").locator(".badge")).to_have_text("Accepted")
        assert written(out) == []


def test_the_mouse_works_too_and_shows_evidence(browser: Browser, out: Path) -> None:
    with opened(browser, out) as found:
        page = found.page
        page.get_by_role("button", name="Reject dog").click()
        expect(page.get_by_role("button", name="Reject dog")).to_have_attribute("aria-pressed", "true")
        expect(row(page, "dog").locator(".evidence")).to_contain_text("Seen in frame 4 of 8")
        assert page.locator(".frame.speaks").count() == 3  # of 1.5 s each, in the middle, within 3.0 to 7.5 s
        row(page, "dog").get_by_role("button", name="0:04").click()
        expect(page.locator(".preview figcaption")).to_have_text("Frame 3 of 8 at 0:03")
        page.get_by_role("button", name="Reject dog").click()
        expect(row(page, "dog").locator(".badge")).to_be_hidden()
        page.get_by_role("button", name="Confirm and next").click()
        expect(page.get_by_text("1 video confirmed")).to_be_visible()


def test_help_opens_and_keys_behind_it_do_nothing(browser: Browser, out: Path) -> None:
    with opened(browser, out) as found:
        page = found.page
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        assert violations(page) == ""
        page.keyboard.press("a")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        assert page.locator(".badge:visible").count() == 0


def test_tab_reaches_every_control_with_a_visible_focus(browser: Browser, out: Path) -> None:
    with opened(browser, out) as found:
        page = found.page
        reached = set()
        for _ in range(60):
            page.keyboard.press("Tab")
            name = page.evaluate(
                "document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText ?? ''"
            )
            reached.add(str(name).split("\n")[0].strip())
            if page.evaluate("document.activeElement !== document.body"):
                assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        for wanted in ("Accept dog", "Reject cat", "Accept a new one"):
            assert wanted in reached
        assert any(name.startswith("Confirm and next") for name in reached)
        assert any(name.startswith("Undo") for name in reached)


def test_a_second_page_follows_the_first(browser: Browser, out: Path) -> None:
    rows = videos(3)
    tagger = TableTagger({video.video_id: ANSWER for video in rows})
    with reviewing(out, rows, tagger) as session, visited(browser, session) as first:
        second = first.page.context.new_page()
        second.goto(first.page.url)
        expect(second.locator("#video-heading")).to_be_visible()
        first.page.bring_to_front()
        first.page.keyboard.press("Enter")
        expect(first.page.get_by_text("1 video confirmed")).to_be_visible()
        second.bring_to_front()
        second.keyboard.press("a")  # about the old video: refused, and the page shows the new one
        expect(second.get_by_text("1 video confirmed")).to_be_visible()
        assert second.locator(".badge:visible").count() == 0
        assert len(written(out)) == 1


def test_an_ended_review_is_reported(browser: Browser, out: Path) -> None:
    rows = videos(2)
    with reviewing(out, rows, TableTagger({video.video_id: ANSWER for video in rows})) as session:
        with serving(0, session) as server:
            context = browser.new_context()
            page = context.new_page()
            page.goto(server.url)
            expect(page.locator("#video-heading")).to_be_visible()
        page.keyboard.press("a")
        expect(page.get_by_role("alert")).to_contain_text("The review has ended")
        context.close()


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_is_run_whatever_it_holds(browser: Browser, out: Path, text: str) -> None:
    rows = [VideoRef("v0", None, text, f"{text}\n{text}" * 20)]
    tagger = TableTagger({"v0": {text: 0.9, f"{text} 2": 0.3}}, evidence=text)
    with reviewing(out, rows, tagger) as session, visited(browser, session) as found:
        page = found.page
        expect(page.locator("#video-heading")).to_be_visible()
        page.keyboard.press("a")
        page.keyboard.press("+")
        page.keyboard.insert_text(text)
        page.keyboard.press("Enter")
        expect(page.get_by_text("Accepted").first).to_be_visible()
        assert page.evaluate("window.injected ?? null") is None
        assert page.locator("script").count() == 2
        assert page.locator("svg, iframe, object, embed, form, a").count() == 0
        assert found.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_axe_finds_nothing(browser: Browser, out: Path, size: tuple[int, int], scheme: Scheme) -> None:
    with opened(browser, out, None, size, scheme) as found:
        page = found.page
        page.keyboard.press("a")
        page.keyboard.press("r")
        page.keyboard.press("+")
        page.keyboard.type("gu")
        expect(page.get_by_role("option", name="Guitar Hero")).to_be_visible()
        expect(row(page, "beach").locator(".badge")).to_have_text("Rejected")
        assert violations(page) == ""
        assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        assert found.errors == []


def test_a_finished_review_is_said_and_can_be_undone(browser: Browser, out: Path) -> None:
    with opened(browser, out, videos(1), PHONE) as found:
        page = found.page
        page.get_by_role("button", name="Confirm and next").click()
        expect(page.get_by_role("heading", name="Every video is reviewed")).to_be_visible()
        assert violations(page) == ""
        page.get_by_role("button", name="Undo").click()
        expect(page.locator("#video-heading")).to_be_visible()
