import json
import re
from dataclasses import replace
from typing import Any

import pytest

from tagging.topics.page import html
from tagging.topics.page.html import html_map
from tests.support.topic_maps import GROUPS, NAMES, drawn_centres, drawn_report


def data_of(page: str) -> dict[str, Any]:
    [block] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    found: dict[str, Any] = json.loads(block)
    return found


def test_the_data_have_each_topic_with_its_place_trends_and_examples() -> None:
    report = drawn_report()
    data = data_of(html_map(report, GROUPS, drawn_centres(len(NAMES))))
    assert (data["version"], data["previous"], data["cuts"]) == (report.version, report.previous, [])
    first = data["topics"][0]
    assert (first["id"], first["name"], first["videos"], first["group"]) == (1, NAMES[0], 900, "animals")
    assert first["uploads"] == {"before": 20, "after": 60, "change": 3.0, "q": 0.001, "direction": "rising"}
    assert first["examples"][0]["title"] == f"{NAMES[0]} in a title"
    assert [topic["fate"] for topic in data["topics"]] == ["continued"] * 5 + ["born"]
    assert all(0 <= topic[key] <= 1 for topic in data["topics"] for key in ("x", "y", "radius"))
    assert [topic["name"] for topic in data["ended"]] == ["fidget spinners"]


def test_the_page_is_the_same_each_time() -> None:
    pages = {html_map(drawn_report(), GROUPS, drawn_centres(len(NAMES))) for _ in range(3)}
    assert len(pages) == 1


def test_a_name_cannot_end_the_block_of_data() -> None:
    page = html_map(drawn_report(["</script><script>alert(1)</script>, x"]), GROUPS, drawn_centres(1))
    assert "<script>alert" not in page
    assert data_of(page)["topics"][0]["tags"][0] == "</script><script>alert(1)</script>"


def test_long_titles_are_cut_to_the_budget_and_the_cut_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "DATA_BYTES", 20_000)
    report = drawn_report(["x" * 50_000, *NAMES])
    data = data_of(html_map(report, GROUPS, drawn_centres(len(NAMES) + 1)))
    assert len(data["topics"]) == len(NAMES) + 1
    assert len(data["topics"][0]["name"]) < 5000
    assert {"field": "Topic.name", "shown": len(data["topics"][0]["name"]) - 1, "total": 50_000} in data["cuts"]


def test_a_model_without_topics_to_compare_is_a_page_with_notes() -> None:
    report = replace(drawn_report(with_trends=False), notes=("nothing to compare",), ended=())
    data = data_of(html_map(report, GROUPS, drawn_centres(len(NAMES))))
    assert data["notes"] == ["nothing to compare"]
    assert all(topic["uploads"] is None and topic["clicks"] is None for topic in data["topics"])
