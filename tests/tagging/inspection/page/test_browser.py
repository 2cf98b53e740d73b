"""The page in a real browser, headless and offline: what it shows, mouse, keyboard, accessibility, and injection."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest

from tagging.inspection.explanation import Explanation, TagQuestion
from tagging.inspection.page.html import html_page
from tagging.types import MediaSample
from tests.support.explanations import beach_explanation, beach_media, beach_questions, many_tags, title_explanation

pytest.importorskip("playwright", reason="the extra browser is not installed")
pytest.importorskip("axe_playwright_python", reason="the extra browser is not installed")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import DESKTOP, PHONE, OpenPage, chromium, opened

pytestmark = pytest.mark.browser

INJECTIONS = (
    "</script><script>window.injected = 1</script>",
    "<img src=x onerror='window.injected = 1'>",
    "</title></style><svg onload='window.injected = 1'>",
    "javascript:window.injected=1",
    "\" autofocus onfocus='window.injected = 1' \u2028 <!-- ",
)
LONG_TITLE = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz " * 5 + "x" * 400


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def write(
    folder: Path,
    explanation: Explanation,
    media: MediaSample | None = None,
    questions: tuple[TagQuestion, ...] = (),
) -> Path:
    file = folder / "page.html"
    file.write_text(html_page(explanation, media, questions), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def beach(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("beach"), beach_explanation(), beach_media(), beach_questions())


@pytest.fixture
def desktop(browser: Browser, beach: Path) -> Iterator[OpenPage]:
    with opened(browser, beach) as found:
        yield found


def heading(page: Page) -> str:
    return str(page.locator("#subject-heading").inner_text())


def scrolls_sideways(page: Page) -> bool:
    found: bool = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    return found


def visible_pictures(page: Page) -> int:
    """Return the number of pictures that are decoded and have room on the page."""
    found: int = page.evaluate("[...document.images].filter((i) => i.naturalWidth > 1 && i.clientHeight > 10).length")
    return found


def violations(page: Page) -> str:
    """Return axe-core's report; "" if it finds nothing."""
    results = Axe().run(page)
    report: str = results.generate_report() if results.violations_count else ""
    return report


def test_the_page_opens_without_network_and_requests_only_itself(desktop: OpenPage, beach: Path) -> None:
    expect(desktop.page.get_by_role("heading", name="A dog at the beach")).to_be_visible()
    assert [url for url in desktop.requests if not url.startswith("data:")] == [beach.as_uri()]
    assert desktop.errors == []


def test_it_opens_with_the_first_question_and_its_reason(desktop: OpenPage) -> None:
    assert heading(desktop.page) == "beach"
    expect(desktop.page.locator(".reason")).to_have_text("Its confidence of 0.44 is below the least of 0.50.")
    expect(desktop.page.locator(".requirement")).to_have_text("0.06 more would have been enough.")
    ablations = desktop.page.locator(".ablations tbody tr")
    assert [row.split()[0] for row in ablations.all_inner_texts()] == ["text", "shown", "Puppy"]


def test_a_click_on_a_tag_shows_its_way_through_the_stages(desktop: OpenPage) -> None:
    page = desktop.page
    page.get_by_role("option", name="dog").click()
    assert heading(page) == "dog"
    assert page.locator(".stage.passed").count() == 5
    best = "1st of 4 candidates with enough confidence. Proposed by written, seen, text and heard."
    expect(page.locator(".reason")).to_have_text(best)
    expect(page.locator(".channels .others")).to_contain_text("Had no input: audio")
    expect(page.locator(".ablations")).to_contain_text('--why "dog"')
    page.get_by_role("option", name="puppy").click()
    assert page.locator(".stage.dropped .stage-name").inner_text().startswith("Answered")
    expect(page.locator(".reason")).to_contain_text("dog")
    page.get_by_role("option", name="sea").click()
    expect(page.locator(".reason")).to_contain_text("4th of 4 candidates, but 0.45 short of the confidence")
    assert page.locator(".stage.passed").count() == 3
    assert page.locator(".stage.dropped .stage-name").inner_text().startswith("Confident")


def test_the_seconds_that_speak_for_a_tag_are_marked_where_they_are(desktop: OpenPage) -> None:
    page = desktop.page
    page.get_by_role("option", name="dog").click()
    for lane, (start_s, end_s) in {"frames": (3.0, 7.5), "audio": (4.8, 5.76), "speech": (6.5, 8.0)}.items():
        track = page.locator(f".lane.{lane} .track").bounding_box()
        mark = page.locator(f".lane.{lane} .marks span").bounding_box()
        assert track is not None
        assert mark is not None
        assert (mark["x"] - track["x"]) / track["width"] == pytest.approx(start_s / 12.0, abs=0.01)
        assert mark["width"] / track["width"] == pytest.approx((end_s - start_s) / 12.0, abs=0.01)
    assert page.locator(".lane.screen .marks span").count() == 0
    dim = [cell.get_attribute("class") != "cell" for cell in page.locator(".cell").all()]
    assert dim == [True, True, False, False, False, True, True, True]  # frames of 1.5 s; the span is 3.0 to 7.5


def test_frames_and_spectrogram_are_drawn(desktop: OpenPage) -> None:
    assert visible_pictures(desktop.page) == 8 + 1 + 1  # the strip, the large frame, the spectrogram


def test_a_moment_shows_its_frame(desktop: OpenPage) -> None:
    page = desktop.page
    page.get_by_role("option", name="dog").click()
    page.get_by_role("button", name="Said 0:06").click()
    expect(page.locator(".preview figcaption")).to_have_text("Frame 5 of 8 at 0:06")
    page.get_by_role("slider", name="Time in the video").press("End")
    expect(page.locator(".preview figcaption")).to_have_text("Frame 8 of 8 at 0:11")


def test_words_that_speak_for_a_tag_are_marked_and_no_others(desktop: OpenPage) -> None:
    page = desktop.page
    assert page.locator(".words mark").all_inner_texts() == ["beach", "BEACH"]
    page.get_by_role("option", name="dog").click()
    assert page.locator(".words mark").all_inner_texts() == ["dog", "dog", "dog"]
    assert page.locator(".neighbours .vote .neighbour-title").all_inner_texts() == ["Puppy runs into the sea"]


def test_why_not_is_answered_for_ranked_proposed_and_asked_tags(desktop: OpenPage) -> None:
    page = desktop.page
    search = page.get_by_role("combobox")
    for query, label in {"SEA": "Confidence too low", "wol": "Not ranked", "zebra": "Unknown"}.items():
        search.fill(query)
        search.press("Enter")
        expect(page.locator(".verdict .badge").first).to_have_text(label)
    expect(page.locator(".reason")).to_have_text("No tag is spelt zebra.")


def test_a_text_that_no_stage_saw_is_reported_with_the_command_that_asks(desktop: OpenPage) -> None:
    desktop.page.get_by_role("combobox").fill("quokka")
    expect(desktop.page.get_by_role("status").first).to_contain_text('--why "quokka"')
    assert desktop.page.get_by_role("listbox", name="Matching tags").count() == 0


def test_the_keyboard_alone_reaches_everything(desktop: OpenPage) -> None:
    page = desktop.page
    page.keyboard.press("Tab")
    expect(page.get_by_role("combobox")).to_be_focused()
    page.keyboard.type("s")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    chosen = heading(page)
    expect(page.locator("#subject-heading")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("option", name=chosen)).to_be_focused()
    page.keyboard.press("Home")
    assert heading(page) == "dog"
    page.keyboard.press("ArrowDown")
    assert heading(page) == "beach"
    page.keyboard.press("Enter")
    expect(page.locator("#subject-heading")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="On screen")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("slider")).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def poisoned(value: Any, text: str) -> Any:
    """Return a copy of an explanation in which every text that a person or a model wrote is `text`."""
    if is_dataclass(value) and not isinstance(value, type):
        kept = ("outcome", "kind", "channel", "modality", "modalities", "tag_id")
        return replace(
            value,
            **{item.name: poisoned(getattr(value, item.name), text) for item in fields(value) if item.name not in kept},
        )
    if isinstance(value, str):
        return text
    if isinstance(value, tuple):
        return tuple(poisoned(item, text) for item in value)
    if isinstance(value, dict):
        return {key: poisoned(item, text) for key, item in value.items()}
    return value


@pytest.mark.parametrize("text", INJECTIONS)
def test_no_text_is_run_whatever_it_holds(browser: Browser, tmp_path: Path, text: str) -> None:
    questions = poisoned(beach_questions(), text)
    with opened(browser, write(tmp_path, poisoned(beach_explanation(), text), beach_media(), questions)) as found:
        page = found.page
        for option in page.get_by_role("option").all():
            option.click()
        page.get_by_role("combobox").fill(text[:12])
        page.get_by_role("combobox").fill(text + " that no tag has")
        assert text.split() == page.locator("h1").inner_text().split()
        assert page.evaluate("window.injected ?? null") is None
        assert page.locator("script").count() == 2
        assert page.locator("svg, iframe, object, embed, form, a").count() == 0
        assert found.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_axe_finds_nothing(
    browser: Browser, beach: Path, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    with opened(browser, beach, size, scheme) as found:
        found.page.get_by_role("combobox").fill("s")
        expect(found.page.get_by_role("listbox", name="Matching tags")).to_be_visible()
        assert violations(found.page) == ""
        assert not scrolls_sideways(found.page)
        assert found.errors == []


def test_on_a_phone_a_chosen_tag_scrolls_to_its_explanation(browser: Browser, beach: Path) -> None:
    with opened(browser, beach, PHONE) as found:
        found.page.get_by_role("option", name="dog").click()
        expect(found.page.locator("#subject-heading")).to_be_in_viewport()
        assert visible_pictures(found.page) == 6 + 1 + 1  # as many frames as a finger can tell apart


EXPLANATIONS = {
    "no tags": title_explanation("A title that nothing is known about"),
    "no title": title_explanation(""),
    "many tags": title_explanation("Many", many_tags(200)),
    "long title": title_explanation(LONG_TITLE, many_tags(3), LONG_TITLE),
    "right to left": title_explanation("כלב על חוף הים (dog) 2024", many_tags(3)),
    "unreachable precision": replace(title_explanation("x", many_tags(3)[1:2]), min_confidence=1.01),
}


@pytest.mark.parametrize("name", EXPLANATIONS)
def test_every_kind_of_video_is_shown_on_a_phone(browser: Browser, tmp_path: Path, name: str) -> None:
    explanation = EXPLANATIONS[name]
    with opened(browser, write(tmp_path, explanation), PHONE) as found:
        page = found.page
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert not scrolls_sideways(page)
        assert violations(page) == ""
        assert page.get_by_role("slider").count() == 0
        assert found.errors == []


def test_all_candidates_are_shown_on_request(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, write(tmp_path, EXPLANATIONS["many tags"])) as found:
        page = found.page
        shown = page.locator(".option:visible").count()
        assert 3 < shown < 20
        page.get_by_role("button", name="Show all 200 candidates").click()
        assert page.locator(".option:visible").count() == 200
        page.get_by_role("button", name="Show fewer").click()
        assert page.locator(".option:visible").count() == shown
        page.get_by_role("combobox").fill("tag 199")
        page.keyboard.press("Enter")
        assert heading(page) == "tag 199"


def test_frames_of_unknown_times_are_shown_without_a_time_line(browser: Browser, tmp_path: Path) -> None:
    explanation = beach_explanation()
    looked_at = replace(explanation.looked_at, duration_s=None, frame_times_s=(), passages={})
    unknown = replace(explanation, looked_at=looked_at, tags=tuple(replace(tag, spans=()) for tag in explanation.tags))
    media = beach_media()
    assert media.frames is not None
    frames = replace(media.frames, times_s=media.frames.times_s * float("nan"))
    with opened(browser, write(tmp_path, unknown, replace(media, frames=frames, sound=None))) as found:
        page = found.page
        expect(page.locator(".timeline")).to_contain_text("times of the frames are unknown")
        page.get_by_role("button", name="Frame 3", exact=True).click()
        expect(page.locator(".preview figcaption")).to_have_text("Frame 3 of 8")
        assert page.get_by_role("slider").count() == 0
        assert found.errors == []


def test_without_media_the_seconds_are_marked_all_the_same(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, write(tmp_path, beach_explanation())) as found:
        assert found.page.locator(".marks span").count() == 3
        assert visible_pictures(found.page) == 0
        assert found.errors == []
