"""The tables of class names: complete, and in lower case."""

import re

import pytest

from tagging.tools.distillation.classes import Classes, audio_classes, vision_classes


@pytest.mark.parametrize(("classes", "teachers"), [(vision_classes(), 1000), (audio_classes(), 527)])
def test_the_classes_of_the_teacher_come_first_and_complete(classes: Classes, teachers: int) -> None:
    rows = [row for key, row in classes.rows.items() if key.startswith("teacher:")]
    assert rows == list(range(teachers))
    assert len(classes.names) == len(classes.words) > teachers


@pytest.mark.parametrize("classes", [vision_classes(), audio_classes()])
def test_names_and_words_are_plain_lower_case(classes: Classes) -> None:
    for name, words in zip(classes.names, classes.words, strict=True):
        for spelling in (name, *words):
            assert re.fullmatch(r"[a-z0-9][a-z0-9 .'&-]*", spelling), spelling
        assert name not in words


def test_a_label_with_the_meaning_of_a_teacher_class_implies_it() -> None:
    vision = vision_classes()
    assert vision.rows["cifar100:orange"] == vision.names.index(vision.names[vision.rows["cifar100:orange"]])
    audio = audio_classes()
    dog = audio.implied["sounds:dog"]
    assert "dog" in {audio.names[row] for row in dog}
    assert all(row < 527 for row in dog[1:])
