import numpy as np

from tagging.ragged import Ragged
from tagging.topics.tasks import shares_of, task_of_names, task_of_tags, tasks_of


def lists(tags: Ragged) -> list[list[int]]:
    return [tags.at(video).tolist() for video in range(len(tags))]


def test_every_name_is_a_class_and_a_missing_one_is_no_label() -> None:
    task = task_of_names(["music", "", "cars", "music"])
    assert task.classes == 2
    assert lists(task.labels) == [[1], [], [0], [1]]


def test_the_most_used_tags_are_classes() -> None:
    tags = Ragged.of([[0, 1, 2], [0, 2], [], [1, 0], [3]])
    counts = np.array([3, 2, 2, 1])
    assert lists(task_of_tags(tags, counts, 10, 2).labels) == [[0, 1, 2], [0, 2], [], [1, 0], []]
    assert lists(task_of_tags(tags, counts, 1, 2).labels) == [[0], [0], [], [0], []]


def test_equal_names_below_two_categories_are_two_classes() -> None:
    tags = task_of_names(["a", "b", "a"])
    tasks = tasks_of(["x", "y", "x"], ["other", "other", ""], tags)
    assert list(tasks) == ["category", "subcategory", "tags"]
    assert tasks["subcategory"].classes == 2


def test_a_task_of_one_class_teaches_nothing() -> None:
    assert list(tasks_of(["x", "x"], ["", ""], task_of_names(["a", "b"]))) == ["tags"]


def test_shares_leave_out_what_is_not_stated() -> None:
    assert shares_of(["en", "", "de", "en"]) == {"en": 2 / 3, "de": 1 / 3}
    assert shares_of([""]) == {}
