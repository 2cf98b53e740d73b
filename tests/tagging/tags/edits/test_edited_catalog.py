"""Tag edits: their effect on a catalog, the edits of a request, and undo, which restores the state before."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tagging.errors import AlreadyExistsError, ConflictError, UnknownIdError, VideotagError
from tagging.tags.catalog import tag_id
from tagging.tags.edits.catalog_index import CatalogIndex
from tagging.tags.edits.edit_batch import EditBatch, TagUpdate
from tagging.tags.edits.history import EditHistory
from tagging.text.normalise import normalise
from tests.support.tag_edits import NAMES, Editor, base, state


def test_a_created_tag_follows_the_catalog_with_all_its_fields() -> None:
    editor = Editor()
    edits = editor.do(
        lambda c: c.create("Zebra  crossing", ["zebra  path"], [editor.id("car")], "en", "Where people cross a road.")
    )
    assert [edit.kind for edit in edits] == ["create", "alias", "parent", "describe"]
    row = editor.tags.find_spelling("ZEBRA CROSSING")
    assert row == len(NAMES) == editor.tags.find_spelling("Zebra path")
    catalog = editor.tags.catalog()
    assert (catalog.names[row], catalog.aliases[row], catalog.languages[row]) == (
        "Zebra crossing",
        ("zebra path",),
        "en",
    )
    assert catalog.ids[row] == tag_id("zebra crossing")
    assert catalog.names[:row] == base().names
    assert [catalog.names[parent] for parent in catalog.parents[row]] == ["car"]


@pytest.mark.parametrize("taken", ["dog", "DOG", "ｄｏｇ", "Kätzchen"])
def test_a_spelling_in_use_is_refused_with_the_id_of_its_tag(taken: str) -> None:
    editor = Editor()
    before = state(editor.tags)
    requests: list[Callable[[EditBatch], Any]] = [
        lambda c: c.create(taken),
        lambda c: c.create("new", [taken]),
        lambda c: c.update(editor.id("car"), TagUpdate(name=taken)),
        lambda c: c.update(editor.id("car"), TagUpdate(add_aliases=["motor", taken])),
    ]
    for apply in requests:
        with pytest.raises(AlreadyExistsError) as raised:
            editor.do(apply)
        assert raised.value.existing_id == editor.id(taken)
        assert state(editor.tags) == before


def test_a_renamed_tag_keeps_its_id_and_is_found_by_both_names() -> None:
    editor = Editor()
    dog = editor.id("dog")
    editor.do(lambda c: c.update(dog, TagUpdate(name="hound")))
    assert editor.id("hound") == editor.id("dog") == dog
    assert state(editor.tags)[dog][:2] == ("hound", ("dog",))
    editor.do(lambda c: c.update(dog, TagUpdate(name="dog")))
    assert state(editor.tags)[dog][:2] == ("dog", ("hound",))


def test_a_removed_spelling_can_be_given_to_another_tag() -> None:
    editor = Editor()
    dog = editor.id("dog")
    editor.do(lambda c: c.update(dog, TagUpdate(name="hound", remove_aliases=["DOG"])))
    assert editor.tags.find_spelling("dog") is None
    assert editor.tags.removed_spellings == {"dog"}
    with pytest.raises(ConflictError, match="is the name of the tag"):
        editor.do(lambda c: c.update(dog, TagUpdate(remove_aliases=["hound"])))
    editor.do(lambda c: c.create("dog"))
    assert editor.id("dog") != dog
    assert editor.id("hound") == dog


def test_a_change_that_is_already_in_place_makes_no_edit() -> None:
    editor = Editor()
    dog = editor.id("dog")

    def apply(batch: EditBatch) -> None:
        batch.update(
            dog,
            TagUpdate(
                name="dog", add_aliases=["hound"], remove_aliases=["puppy"], add_parent_ids=[editor.id("animal")],
                remove_parent_ids=[editor.id("car")], description="A dog.", hidden=False,
            ),
        )  # fmt: skip

    assert [edit.kind for edit in editor.do(apply)] == ["alias", "describe"]
    assert editor.do(apply) == []
    assert [edit.kind for edit in editor.do(lambda c: c.update(dog, TagUpdate(hidden=True)))] == ["hide"]
    assert editor.do(lambda c: c.update(dog, TagUpdate(hidden=True))) == []


def test_merged_tags_share_names_ids_children_and_later_edits() -> None:
    editor = Editor()
    cat, kitten, beagle, dog = (editor.id(name) for name in ("cat", "Kätzchen", "beagle", "dog"))
    editor.do(lambda c: c.update(beagle, TagUpdate(add_parent_ids=[kitten])))
    edits = editor.do(lambda c: c.merge(cat, [kitten, kitten, cat]))
    assert [(edit.kind, edit.tag_id, dict(edit.after)) for edit in edits] == [("merge", kitten, {"into": cat})]
    assert editor.do(lambda c: c.merge(cat, [kitten])) == []
    assert editor.id("kätzchen") == cat
    assert editor.tags.row_of(kitten) == editor.tags.row_of(cat)
    assert state(editor.tags)[beagle][2] == (dog, cat)
    editor.do(lambda c: c.update(kitten, TagUpdate(name="feline")))
    assert editor.id("feline") == cat
    editor.do(lambda c: c.merge(dog, [cat]))
    assert editor.tags.row_of(kitten) == editor.tags.row_of(dog)
    assert set(editor.tags.redirects.values()) == {editor.tags.row_of(dog)}


def test_a_tag_cannot_become_its_own_ancestor() -> None:
    editor = Editor()
    animal, dog, beagle = (editor.id(name) for name in ("animal", "dog", "beagle"))
    for apply in (
        lambda c: c.update(animal, TagUpdate(add_parent_ids=[beagle])),
        lambda c: c.update(animal, TagUpdate(add_parent_ids=[animal])),
        lambda c: c.merge(beagle, [animal]),  # an ancestor, through a child of it
    ):
        with pytest.raises(ConflictError, match="own ancestor"):
            editor.do(apply)
    editor.do(lambda c: c.merge(dog, [animal]))  # parent and child
    assert state(editor.tags)[dog][2] == ()
    assert state(editor.tags)[beagle][2] == (dog,)


def test_unknown_ids_are_refused() -> None:
    editor = Editor()
    for apply in (
        lambda c: c.update("0" * 16, TagUpdate(hidden=True)),
        lambda c: c.merge(editor.id("dog"), ["0" * 16]),
        lambda c: c.create("new", parent_ids=["0" * 16]),
    ):
        with pytest.raises(UnknownIdError):
            editor.do(apply)


def test_undo_restores_the_state_without_the_edit() -> None:
    editor = Editor()
    start = state(editor.tags)
    editor.do(lambda c: c.update(editor.id("dog"), TagUpdate(name="hound")))
    with_hound = state(editor.tags)
    editor.do(lambda c: c.update(editor.id("cat"), TagUpdate(hidden=True)))
    editor.undo(2)
    assert state(editor.tags) == with_hound
    editor.undo(1)
    assert state(editor.tags) == start
    assert [undo.number if (undo := editor.history.undo_of(number)) else None for number in (1, 2, 3)] == [4, 3, None]


def test_an_edit_that_others_depend_on_cannot_be_undone() -> None:
    editor = Editor()
    editor.do(lambda c: c.create("zebra"))
    editor.do(lambda c: c.update(editor.id("zebra"), TagUpdate(add_aliases=["quagga"])))
    with pytest.raises(ConflictError, match=r"edits \[2\] depend on it"):
        editor.undo(1)
    for number in (7, 0):
        with pytest.raises(UnknownIdError, match="does not exist"):
            editor.undo(number)
    editor.undo(2)
    editor.undo(1)
    with pytest.raises(UnknownIdError, match="is an undo itself"):
        editor.undo(3)
    assert state(editor.tags) == state(Editor().tags)


def test_rows_are_not_reused_after_a_creation_is_undone() -> None:
    editor = Editor()
    editor.do(lambda c: c.create("zebra"))
    editor.do(lambda c: c.create("yak"))
    yak = editor.tags.find_spelling("yak")
    editor.undo(1)
    assert editor.tags.find_spelling("yak") == yak
    assert editor.tags.is_gone(len(NAMES))
    editor.do(lambda c: c.create("zebra"))
    assert editor.tags.find_spelling("zebra") == len(NAMES) + 2
    assert editor.tags.catalog().hidden[len(NAMES)]


def test_edits_that_do_not_apply_to_a_later_catalog_are_skipped() -> None:
    editor = Editor()
    editor.do(lambda c: c.create("zebra"))
    editor.do(lambda c: c.update(editor.id("zebra"), TagUpdate(add_aliases=["quagga"])))
    editor.do(lambda c: c.update(editor.id("car"), TagUpdate(hidden=True)))
    editor.do(lambda c: c.update(editor.id("dog"), TagUpdate(add_aliases=["hound"])))
    later = EditHistory.over(CatalogIndex(base(["dog", "zebra", "hound"])), editor.history.edits)
    assert later.skipped == {1, 3, 4}  # zebra exists, the car does not, the hound is a tag of its own
    row = later.tags.find_spelling("quagga")
    assert row is not None
    assert row == later.tags.row_of(tag_id("zebra")) < 3
    assert later.last == 4


def test_parents_of_merged_tags_make_no_cycle() -> None:
    editor = Editor()
    beagle, dog, animal, car = map(editor.id, ("beagle", "dog", "animal", "car"))
    editor.do(lambda batch: batch.merge(car, [dog]))
    editor.do(lambda batch: batch.update(animal, TagUpdate(add_parent_ids=[beagle])))  # a child of car by now
    catalog = editor.tags.catalog()
    row = dict(zip(catalog.names, range(len(catalog)), strict=True))
    assert catalog.parents[row["beagle"]] == (row["car"],)
    assert catalog.parents[row["animal"]] == (row["beagle"],)


def test_an_alias_that_differs_from_the_name_only_in_case_can_be_removed() -> None:
    editor = Editor()
    dog = editor.id("dog")
    editor.do(lambda batch: batch.update(dog, TagUpdate(add_aliases=["DOG", "Dog", "hound"])))
    editor.do(lambda batch: batch.update(dog, TagUpdate(remove_aliases=[" DOG "])))
    assert editor.tags.aliases_of(editor.tags.row_of(dog)) == ("Dog", "hound")
    assert editor.id("DOG") == dog
    for name in ("dog", "DOG"):
        with pytest.raises(ConflictError, match="is the name"):
            editor.do(lambda batch, name=name: batch.update(dog, TagUpdate(remove_aliases=[name])))  # type: ignore[misc]


def test_an_undo_is_the_last_edit_of_the_tags_that_it_touched() -> None:
    editor = Editor()
    dog, cat, car = map(editor.id, ("dog", "cat", "car"))
    editor.do(lambda batch: batch.update(car, TagUpdate(hidden=True)))
    editor.do(lambda batch: batch.merge(cat, [dog]))
    editor.undo(2)
    last = {name: editor.tags.last_edit_of(editor.tags.row_of(editor.id(name))) for name in ("dog", "cat", "car")}
    assert last == {"dog": 3, "cat": 3, "car": 1}
    edit = editor.history.edit(2)
    assert edit is not None
    assert edit.touched == (dog, cat)


def random_requests(tag: str, other: str, word: str, alias: str) -> list[Callable[[EditBatch], Any]]:
    return [
        lambda c: c.create(word, [alias]),
        lambda c: c.update(tag, TagUpdate(name=word)),
        lambda c: c.update(tag, TagUpdate(add_aliases=[word])),
        lambda c: c.update(tag, TagUpdate(remove_aliases=[word])),
        lambda c: c.update(tag, TagUpdate(add_parent_ids=[other])),
        lambda c: c.update(tag, TagUpdate(remove_parent_ids=[other])),
        lambda c: c.update(tag, TagUpdate(hidden=True)),
        lambda c: c.merge(tag, [other]),
    ]


def test_random_edits_and_undos_equal_a_replay_of_the_remaining_edits() -> None:
    """Many random requests; after each, the state equals that of replaying the remaining edits over the catalog."""
    rng = np.random.default_rng(5)
    words = [*NAMES, "zebra", "yak", "Dog", "hound", "moped"]
    done: dict[str, int] = {}
    for _ in range(25):
        editor = Editor()
        for _ in range(30):
            ids = list(state(editor.tags))
            tag, other = rng.choice(ids, 2).tolist()
            word, alias = rng.choice(words, 2).tolist()
            requests = random_requests(tag, other, word, alias)
            before = state(editor.tags)
            try:
                if editor.history.edits and rng.random() < 0.3:
                    number = int(rng.integers(1, editor.history.last + 1))
                    if editor.history.undo_of(number) is None:
                        editor.undo(number)
                        done["undo"] = done.get("undo", 0) + 1
                else:
                    for edit in editor.do(requests[int(rng.integers(len(requests)))]):
                        done[edit.kind] = done.get(edit.kind, 0) + 1
            except VideotagError:
                assert state(editor.tags) == before
            assert state(EditHistory.over(editor.tags.index, editor.history.edits).tags) == state(editor.tags)
            for tag_state in state(editor.tags).values():
                assert all(tag_state[-1].values()), tag_state  # each spelling belongs to its tag
            forms = [normalise(s) for tag_state in state(editor.tags).values() for s in tag_state[-1]]
            by_tag = [{normalise(s) for s in tag_state[-1]} for tag_state in state(editor.tags).values()]
            assert len(set(forms)) == sum(map(len, by_tag))  # and to no other
    assert all(count >= 3 for count in done.values()), done
    assert {"create", "rename", "alias", "unalias", "parent", "unparent", "hide", "merge", "undo"} <= set(done)
