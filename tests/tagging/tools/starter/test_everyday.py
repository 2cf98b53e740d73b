"""The everyday word list completes the vocabulary without changing what its names mean."""

from collections import Counter

from tagging.text.names import not_found_warning
from tagging.text.normalise import normalise
from tagging.tools.starter.build import informative_tags
from tagging.tools.starter.everyday import read_everyday, with_everyday
from tagging.tools.starter.vocabulary import Entry

BICYCLE = Entry("bicycle", ("bike",), weight=9, seen=True, heard=False)
CAR = Entry("car", (), weight=8, seen=True, heard=True)


def test_a_subject_joins_the_entry_that_has_one_of_its_spellings() -> None:
    got = with_everyday([BICYCLE, CAR], [("bike", "pushbike"), ("tyre", "tire"), ("Car", "auto")])
    assert [(entry.name, entry.aliases) for entry in got] == [
        ("bicycle", ("bike", "pushbike")), ("car", ("auto",)), ("tyre", ("tire",)),
    ]  # fmt: skip
    assert [(entry.seen, entry.heard) for entry in got] == [(True, False), (True, True), (False, False)]


def test_a_spelling_keeps_its_first_meaning() -> None:
    got = with_everyday([CAR], [("wheel", "tyre"), ("tyre", "tire"), ("auto", "car")])
    assert [(entry.name, entry.aliases) for entry in got] == [("car", ("auto",)), ("wheel", ("tyre", "tire"))]


def test_every_subject_of_the_list_is_found_in_titles_and_is_listed_once() -> None:
    subjects = read_everyday()
    assert len(subjects) > 500
    forms = Counter(form for spellings in subjects for form in {normalise(form) for form in spellings})
    assert [form for form, count in forms.items() if count > 1] == []
    assert [name for name, *_ in subjects if not_found_warning([name])] == []


def test_tags_that_repeat_the_title_teach_nothing_unless_others_use_them() -> None:
    titles = ["Minecraft", "My trip to Turkey", "my Minecraft trip", "DSC00123"]
    tags = [["minecraft"], ["My trip, to Turkey!", "turkey"], ["Minecraft", "trip"], ["DSC00123"]]
    assert informative_tags(titles, tags, ["a", "b", "c", "d"]) == [
        ["minecraft"], ["turkey"], ["Minecraft", "trip"], [],
    ]  # fmt: skip
