"""The starter vocabulary: which names of the label lists become tags, and how they are merged."""

from pathlib import Path

import pytest

from tagging.tools.starter.vocabulary import Entry, Name, merge, read_anchors, read_lists


@pytest.fixture(scope="module")
def entries(label_lists: Path) -> dict[str, Entry]:
    merged = merge(read_lists(label_lists).values(), ["beagle", "dog", "sports car"], ["piano", "dog"])
    assert len({entry.name for entry in merged}) == len(merged)
    return {entry.name: entry for entry in merged}


def test_names_are_written_as_people_write_tags(entries: dict[str, Entry]) -> None:
    wanted = {"ice hockey", "pigeon", "sports car", "ice dancing", "brush hair", "beach soccer", "adult female singing"}
    assert wanted <= set(entries)
    assert {"chicken", "rooster", "keyboard", "fencing", "film", "animation", "egg", "iPhone"} <= set(entries)


def test_names_that_differ_in_number_or_case_are_one_tag(entries: dict[str, Entry]) -> None:
    assert entries["dog"].aliases == ("dogs",)
    assert entries["dog"].weight == 900 + 4  # the count of YouTube-8M, and one each for two encoders, AudioSet and HVU
    assert "Dog" not in entries


def test_uninformative_names_are_left_out(entries: dict[str, Entry]) -> None:
    assert not {"thud", "thump", "Human sounds", "putting"} & set(entries)
    assert not any("not baseball" in name for name in entries)


def test_proper_names_are_neither_seen_nor_heard(entries: dict[str, Entry]) -> None:
    for name in ("Cadillac", "Kawasaki motorcycles", "Battlefield 3", "iPhone", "audi r8"):
        assert (entries[name].seen, entries[name].heard) == (False, False), name
    assert entries["performance art"].seen
    assert entries["ice hockey"].seen


def test_a_work_named_by_an_everyday_word_is_left_out(entries: dict[str, Entry]) -> None:
    assert "Rust" not in entries


def test_actions_are_neither_seen_nor_heard_and_sounds_are_not_seen(entries: dict[str, Entry]) -> None:
    assert not entries["playing piano"].seen
    assert not entries["walking dog"].heard
    assert (entries["chicken"].seen, entries["chicken"].heard) == (False, True)
    assert (entries["dog"].seen, entries["dog"].heard) == (True, True)


def test_names_of_encoder_classes_are_common_names_regardless_of_the_lists() -> None:
    [entry] = merge([[Name("Golden Retriever", weight=9, proper=True)]], ["golden retriever"], [])
    assert entry == Entry("golden retriever", (), 10, seen=True, heard=True)


def test_entries_are_sorted_by_weight_then_name() -> None:
    merged = merge([[Name("b"), Name("bb", 5), Name("cc"), Name("aa")]], [], [])
    assert [entry.name for entry in merged] == ["bb", "aa", "cc"]  # "b" is a single letter and dropped


def test_classes_unfit_as_tags_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("name,words,tag\nspeech,people,yes\nthud,,no\nman speaking,man;people,yes\n")
    assert read_anchors(path) == ["speech", "people", "man speaking", "man"]
