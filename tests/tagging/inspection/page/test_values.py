"""JSON values of dataclasses: everything is there, and what is cut is counted."""

import json
import math
from types import MappingProxyType

import pytest

from tagging.inspection.page import values
from tagging.inspection.page.values import Cut, Cutter, fitted
from tagging.types import Passage, TimeSpan


def test_dataclasses_mappings_and_sequences_become_objects_and_lists() -> None:
    span = TimeSpan(1.0, 2.123456, "audio", 0.5)
    found = Cutter(10, 100).value({"spans": (span,), "scores": MappingProxyType({"text": 1}), "none": None}, "x")
    assert found == {
        "spans": [{"start_s": 1.0, "end_s": 2.1235, "modality": "audio", "strength": 0.5}],
        "scores": {"text": 1},
        "none": None,
    }


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_none(value: float) -> None:
    assert Cutter(10, 100).value([value], "x") == [None]


def test_a_text_that_is_no_unicode_becomes_one() -> None:
    assert Cutter(10, 100).value("a\ud800b", "x") == "a?b"


def test_long_lists_and_texts_are_cut_and_counted() -> None:
    cutter = Cutter(2, 5)
    passage = Passage("12345678", 0.0, 1.0, 1.0)
    assert cutter.value(passage, "x")["text"] == "12345…"
    assert cutter.value(["a", "b", "c"], "tags") == ["a", "b"]
    assert cutter.value(["a", "b", "c", "d"], "tags") == ["a", "b"]
    assert cutter.value(["a"], "tags") == ["a"]
    assert list(cutter.cuts.values()) == [Cut("Passage.text", 5, 8), Cut("tags", 2, 4)]


def test_the_largest_limits_that_fit_are_taken() -> None:
    texts = ["x" * 100] * 300
    sizes = []

    def make(cutter: Cutter) -> list[str]:
        sizes.append(cutter.items)
        found: list[str] = cutter.value(texts, "texts")
        return found

    found = fitted(make, lambda made: len(json.dumps(made)) <= 15_000)
    assert sizes == [values.FIRST_ITEMS // 2**step for step in range(len(sizes))]
    assert len(found) == sizes[-1] <= 15_000 // 104 < sizes[-2]
