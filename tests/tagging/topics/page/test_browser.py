"""The map in a real browser, headless and offline: what it shows, mouse, keyboard, accessibility, and injection."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import pytest

from tagging.topics.page.html import html_map
from tests.support.topic_maps import GROUPS, NAMES, drawn_centres, drawn_report

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
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def write(folder: Path, names: Sequence[str] = NAMES, *, with_trends: bool = True) -> Path:
    file = folder / "map.html"
    report = drawn_report(names, with_trends=with_trends)
    file.write_text(html_map(report, GROUPS, drawn_centres(len(names))), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("map"))


@pytest.fixture
def desktop(browser: Browser, drawn: Path) -> Iterator[OpenPage]:
    with opened(browser, drawn) as found:
        yield found


def heading(page: Page) -> str:
    return str(page.locator("#topic-heading").inner_text())


def listed(page: Page) -> list[str]:
    """Return the first tags of the visible topics of the list, in its order."""
    names = page.locator("[role=option]:visible .name bdi").all_inner_texts()
    return [name.split(", ")[0] for name in names]


def empty_space(page: Page) -> float:
    """Return the height of the page below its footer, in px."""
    height = page.evaluate("document.documentElement.scrollHeight")
    footer = page.locator("footer").bounding_box()
    assert footer is not None
    return float(height - footer["y"] - footer["height"])


def test_the_map_opens_without_network_and_shows_the_largest_topic(desktop: OpenPage, drawn: Path) -> None:
    assert heading(desktop.page) == NAMES[0]
    assert desktop.page.locator(".map circle").count() == len(NAMES)
    expect(desktop.page.locator(".topic-details .badge")).to_have_text("Rising")
    expect(desktop.page.locator(".examples").first).to_contain_text(f"{NAMES[0]} in a title")
    expect(desktop.page.locator(".trends tbody tr").first).to_contain_text("× 3.00")
    expect(desktop.page.locator(".legend")).to_contain_text("Rising (2)")
    expect(desktop.page.locator(".ended")).to_contain_text("fidget spinners")
    assert [url for url in desktop.requests if not url.startswith("data:")] == [drawn.as_uri()]
    assert desktop.errors == []


def test_larger_topics_have_larger_circles_and_none_overlap(desktop: OpenPage) -> None:
    boxes = [circle.bounding_box() for circle in desktop.page.locator(".map circle").all()]
    shown = desktop.page.locator(".map .topic").evaluate_all("(nodes) => nodes.map((node) => Number(node.dataset.id))")
    widths = {topic: box["width"] for topic, box in zip(shown, boxes, strict=True) if box is not None}
    assert [topic for topic, _ in sorted(widths.items(), key=lambda item: -item[1])] == [1, 2, 3, 4, 5, 6]


def test_labels_fit_into_their_circles(browser: Browser, tmp_path: Path) -> None:
    names = ["ЖЩЖЩЖЩЖЩЖЩ", "horse", "馬" * 40, "m" * 300, *(f"topic number {n}" for n in range(30))]
    with opened(browser, write(tmp_path, names)) as found:
        for topic in found.page.locator(".map .topic:has(text)").all():
            circle, label = topic.locator("circle").bounding_box(), topic.locator("text").bounding_box()
            assert circle is not None
            assert label is not None
            assert label["width"] <= circle["width"]
        labels = found.page.locator(".map text").all_text_contents()
        assert "horse" in " ".join(labels)
        assert any(label.endswith("…") for label in labels)


def test_a_click_on_a_circle_selects_its_topic_in_the_list(desktop: OpenPage) -> None:
    desktop.page.locator(".map [data-id='2'] circle").click()
    assert heading(desktop.page) == NAMES[1]
    expect(desktop.page.locator(".topic-details .badge")).to_have_text("Falling")
    expect(desktop.page.locator("[role=option][aria-selected=true]")).to_contain_text("dogs")
    assert desktop.page.locator(".topic.chosen").get_attribute("data-id") == "2"


def test_the_list_is_one_tab_stop_and_arrows_move_through_it(desktop: OpenPage) -> None:
    page = desktop.page
    page.locator("#order").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert heading(page) == NAMES[1]
    page.keyboard.press("End")
    assert heading(page) == NAMES[-1]
    expect(page.locator(".topic-details .facts")).to_contain_text("Born with this fit")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "topic-heading"


def test_search_narrows_list_and_map(desktop: OpenPage) -> None:
    page = desktop.page
    page.get_by_label("Search").fill("КИНО")
    assert listed(page) == ["кино"]
    assert page.locator(".topic:not(.dim)").count() == 1
    expect(page.locator(".search-status")).to_have_text("1 topic found")
    page.get_by_label("Search").fill("")
    assert len(listed(page)) == len(NAMES)
    assert page.locator(".topic.dim").count() == 0


def test_the_order_brings_rising_or_falling_topics_to_the_top(desktop: OpenPage) -> None:
    page = desktop.page
    assert listed(page)[:2] == ["cats", "dogs"]
    page.get_by_label("Order").select_option("Rising first")
    assert listed(page)[:2] == ["cats", "trailers"]
    page.get_by_label("Order").select_option("Falling first")
    assert listed(page)[0] == "dogs"


def test_without_trends_there_is_no_order_and_no_legend_of_them(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, write(tmp_path, with_trends=False)) as found:
        assert found.page.get_by_label("Order").count() == 0
        assert found.page.locator(".trends").count() == 0
        expect(found.page.locator(".legend")).to_have_text("Born (1)")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(
    browser: Browser, drawn: Path, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    with opened(browser, drawn, size, scheme) as found:
        results = Axe().run(found.page)
        assert results.violations_count == 0, results.generate_report()
        assert not found.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")


def test_names_and_titles_are_text_and_never_markup(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, write(tmp_path, INJECTIONS)) as found:
        for number, name in enumerate(INJECTIONS, 1):
            found.page.locator(f"[role=option][data-id='{number}']").click()
            assert heading(found.page) == name
        assert found.page.evaluate("window.injected") is None
        assert found.page.locator("img").count() == 0
        assert found.errors == []


def test_a_map_of_a_thousand_topics_opens_on_a_phone(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, write(tmp_path, [f"topic {number}" for number in range(1000)]), PHONE) as found:
        assert found.page.locator(".map circle").count() == 1000
        assert empty_space(found.page) < 100
        assert found.errors == []
