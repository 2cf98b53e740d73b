"""The HTML document: nothing in the data can end the data block, and the policy names exactly what is in the file."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib.resources import files

from tagging.inspection.page import document
from tagging.inspection.page.html import SCRIPTS, STYLES

HOSTILE = "</script><script>alert(1)</script><!--<img src=x onerror=alert(1)>&amp;\u2028\u2029\u0000 \"'`$title"


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text of the last element of each name."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        self.texts[self._open] = data

    def handle_endtag(self, tag: str) -> None:
        self._open = ""


def hostile_page() -> str:
    return document.html_document(HOSTILE, STYLES, SCRIPTS, {"title": HOSTILE, HOSTILE: [HOSTILE]})


def test_data_come_back_as_they_were_and_hold_no_character_of_markup() -> None:
    data = {"title": HOSTILE, "tags": [HOSTILE, 0.5, None]}
    block = document.json_block(data)
    assert json.loads(block) == data
    assert not set("<>&\u2028\u2029") & set(block)


def test_hostile_texts_add_no_element() -> None:
    harmless = document.html_document("x", STYLES, SCRIPTS, {})
    names = [name for name, _ in Elements(harmless).found]
    assert [name for name, _ in Elements(hostile_page()).found] == names
    assert names.count("script") == 2


def test_the_policy_allows_the_style_and_the_script_of_the_file_and_nothing_else() -> None:
    page = hostile_page()
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(style) == len(script) == 1

    def digest(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"

    [policy] = [
        attributes["content"]
        for name, attributes in Elements(page).found
        if name == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    assert dict(part.split(" ", 1) for part in policy.split("; ")) == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": digest(style[0]),
        "script-src": digest(script[0]),
        "connect-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_the_policy_stands_before_all_that_it_rules() -> None:
    names = [name for name, attributes in Elements(hostile_page()).found if "charset" not in attributes]
    assert names[:3] == ["html", "head", "meta"]
    assert names.index("meta") < names.index("style") < names.index("script")


def test_no_element_names_anything_outside_of_the_file() -> None:
    for name, attributes in Elements(hostile_page()).found:
        for key in ("src", "href", "action", "srcset", "data"):
            assert (attributes.get(key) or "data:").startswith("data:"), (name, attributes)


def test_scripts_make_no_markup_of_strings_and_styles_load_nothing() -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|setTimeout\(\s*[\"'`]"
    for name in SCRIPTS:
        text = document.read_asset(name)
        assert not re.search(forbidden, text), name
        assert not re.search(r"</?script|<!--", text, re.IGNORECASE), name
    for name in STYLES:
        assert not re.search(r"url\(|@import|</style", document.read_asset(name), re.IGNORECASE), name


def test_every_asset_is_part_of_the_page() -> None:
    assets = {item.name for item in (files("tagging.inspection.page") / "assets").iterdir()}
    assert assets == {*STYLES, *SCRIPTS, "page.html"}
