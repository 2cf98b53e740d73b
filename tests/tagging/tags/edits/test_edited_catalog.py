"""What edits make of a catalog, what requests lead to, and that taking back is as if nothing had been."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tagging.errors import AlreadyExistsError, ConflictError, UnknownIdError, VideotagError
from tagging.tags.catalog import TagCatalog, build_catalog, tag_id
from tagging.tags.edits.edit import Edit, NumberedEdit
from tagging.tags.edits.edit_batch import EditBatch
from tagging.tags.edits.edited_catalog import CatalogIndex, EditedCatalog
from tagging.tags.edits.history import EditHistory
from tagging.text import normalise

NAMES = ["animal", "dog", "beagle", "cat", "Kätzchen", "car"]


def base(names: Sequence[str] = NAMES) -> TagCatalog:
    catalog, _ = build_catalog([[name] for name in names])
    order = {name: row for row, name in enumerate(catalog.names)}
    parents: list[tuple[int, ...]] = [()] * len(catalog)
    for child, parent in (("dog", "animal"), ("beagle", "dog")):
        if child in order and parent in order:
            parents[order[child]] = (order[parent],)
    return TagCatalog(
        catalog.ids, catalog.names, catalog.aliases, catalog.counts, catalog.hidden, tuple(parents)
    )  # fmt: skip


class Book:
    """Requests one after the other, as a service takes them."""

    def __init__(self, names: Sequence[str] = NAMES) -> None:
        self.history = EditHistory.over(CatalogIndex(base(names)))

    @property
    def tags(self) -> EditedCatalog:
        return self.history.tags

    def do(self, ask: Callable[[EditBatch], Any]) -> list[Edit]:
        change = EditBatch(self.tags, self.history.last + 1)
        ask(change)
        edits = [NumberedEdit(self.history.last + 1 + place, edit) for place, edit in enumerate(change.edits)]
        self.history = self.history.then(edits)
        assert state(self.tags) == state(change.tags)
        return change.edits

    def undo(self, number: int) -> None:
        self.history = self.history.without(number)

    def id(self, spelling: str) -> str:
        row = self.tags.find_spelling(spelling)
        assert row is not None, spelling
        return self.tags.id_of(row)


def state(tags: EditedCatalog) -> dict[str, Any]:
    """All that can be seen of every tag, by its id."""
    catalog = tags.catalog()
    rows = [row for row in range(len(tags)) if not tags.is_gone(row)]
    assert [bool(catalog.hidden[row]) for row in rows] == [tags.is_hidden(row) for row in rows]
    assert all(catalog.hidden[row] for row in range(len(tags)) if tags.is_gone(row))
    return {
        tags.id_of(row): (
            catalog.names[row], catalog.aliases[row], tuple(tags.id_of(one) for one in tags.parents_of(row)),
            tags.is_hidden(row), tags.description_of(row), catalog.languages[row],
            {s: tags.find_spelling(s) == row for s in (catalog.names[row], *catalog.aliases[row])},
        )
        for row in rows
    }  # fmt: skip


def test_a_created_tag_stands_behind_the_catalog_with_all_that_was_asked() -> None:
    book = Book()
    edits = book.do(
        lambda c: c.create("Zebra  crossing", ["zebra  path"], [book.id("car")], "en", "Where people cross a road.")
    )
    assert [one.kind for one in edits] == ["create", "alias", "parent", "describe"]
    row = book.tags.find_spelling("ZEBRA CROSSING")
    assert row == len(NAMES) == book.tags.find_spelling("Zebra path")
    catalog = book.tags.catalog()
    assert (catalog.names[row], catalog.aliases[row], catalog.languages[row]) == (
        "Zebra crossing",
        ("zebra path",),
        "en",
    )
    assert catalog.ids[row] == tag_id("zebra crossing")
    assert catalog.names[:row] == base().names
    assert [catalog.names[one] for one in catalog.parents[row]] == ["car"]


@pytest.mark.parametrize("taken", ["dog", "DOG", "ｄｏｇ", "Kätzchen"])
def test_a_spelling_that_is_taken_is_refused_with_whose_it_is(taken: str) -> None:
    book = Book()
    before = state(book.tags)
    asks: list[Callable[[EditBatch], Any]] = [
        lambda c: c.create(taken),
        lambda c: c.create("new", [taken]),
        lambda c: c.update(book.id("car"), name=taken),
        lambda c: c.update(book.id("car"), add_aliases=["motor", taken]),
    ]
    for ask in asks:
        with pytest.raises(AlreadyExistsError) as raised:
            book.do(ask)
        assert raised.value.existing_id == book.id(taken)
        assert state(book.tags) == before


def test_a_renamed_tag_keeps_its_id_and_is_found_by_both_names() -> None:
    book = Book()
    dog = book.id("dog")
    book.do(lambda c: c.update(dog, name="hound"))
    assert book.id("hound") == book.id("dog") == dog
    assert state(book.tags)[dog][:2] == ("hound", ("dog",))
    book.do(lambda c: c.update(dog, name="dog"))
    assert state(book.tags)[dog][:2] == ("dog", ("hound",))


def test_a_spelling_that_was_taken_away_may_be_another_tags_and_its_id_another_too() -> None:
    book = Book()
    dog = book.id("dog")
    book.do(lambda c: c.update(dog, name="hound", remove_aliases=["DOG"]))
    assert book.tags.find_spelling("dog") is None
    assert book.tags.removed_spellings == {"dog"}
    with pytest.raises(ConflictError, match="is the name of the tag"):
        book.do(lambda c: c.update(dog, remove_aliases=["hound"]))
    book.do(lambda c: c.create("dog"))
    assert book.id("dog") != dog
    assert book.id("hound") == dog


def test_what_is_already_as_asked_makes_no_edit() -> None:
    book = Book()
    dog = book.id("dog")

    def ask(change: EditBatch) -> None:
        change.update(
            dog, name="dog", add_aliases=["hound"], remove_aliases=["puppy"], add_parent_ids=[book.id("animal")],
            remove_parent_ids=[book.id("car")], description="A dog.", hidden=False,
        )  # fmt: skip

    assert [one.kind for one in book.do(ask)] == ["alias", "describe"]
    assert book.do(ask) == []
    assert [one.kind for one in book.do(lambda c: c.update(dog, hidden=True))] == ["hide"]
    assert book.do(lambda c: c.update(dog, hidden=True)) == []


def test_merged_tags_are_one_in_name_id_children_and_further_edits() -> None:
    book = Book()
    cat, kitten, beagle, dog = (book.id(name) for name in ("cat", "Kätzchen", "beagle", "dog"))
    book.do(lambda c: c.update(beagle, add_parent_ids=[kitten]))
    edits = book.do(lambda c: c.merge(cat, [kitten, kitten, cat]))
    assert [(one.kind, one.tag_id, dict(one.after)) for one in edits] == [("merge", kitten, {"into": cat})]
    assert book.do(lambda c: c.merge(cat, [kitten])) == []
    assert book.id("kätzchen") == cat
    assert book.tags.row_of(kitten) == book.tags.row_of(cat)
    assert state(book.tags)[beagle][2] == (dog, cat)
    book.do(lambda c: c.update(kitten, name="feline"))
    assert book.id("feline") == cat
    book.do(lambda c: c.merge(dog, [cat]))
    assert book.tags.row_of(kitten) == book.tags.row_of(dog)
    assert set(book.tags.redirects.values()) == {book.tags.row_of(dog)}


def test_no_tag_becomes_its_own_ancestor() -> None:
    book = Book()
    animal, dog, beagle = (book.id(name) for name in ("animal", "dog", "beagle"))
    for ask in (
        lambda c: c.update(animal, add_parent_ids=[beagle]),
        lambda c: c.update(animal, add_parent_ids=[animal]),
        lambda c: c.merge(beagle, [animal]),  # whose child is between them
    ):
        with pytest.raises(ConflictError, match="own ancestor"):
            book.do(ask)
    book.do(lambda c: c.merge(dog, [animal]))  # parent and child
    assert state(book.tags)[dog][2] == ()
    assert state(book.tags)[beagle][2] == (dog,)


def test_ids_that_mean_nothing_are_refused() -> None:
    book = Book()
    for ask in (
        lambda c: c.update("0" * 16, hidden=True),
        lambda c: c.merge(book.id("dog"), ["0" * 16]),
        lambda c: c.create("new", parent_ids=["0" * 16]),
    ):
        with pytest.raises(UnknownIdError):
            book.do(ask)


def test_an_edit_that_was_taken_back_is_as_if_it_had_not_been() -> None:
    book = Book()
    start = state(book.tags)
    book.do(lambda c: c.update(book.id("dog"), name="hound"))
    with_hound = state(book.tags)
    book.do(lambda c: c.update(book.id("cat"), hidden=True))
    book.undo(2)
    assert state(book.tags) == with_hound
    book.undo(1)
    assert state(book.tags) == start
    assert (book.history.undone_by(1), book.history.undone_by(2), book.history.undone_by(3)) == (4, 3, None)


def test_an_edit_that_others_rest_on_stays() -> None:
    book = Book()
    book.do(lambda c: c.create("zebra"))
    book.do(lambda c: c.update(book.id("zebra"), add_aliases=["quagga"]))
    with pytest.raises(ConflictError, match=r"edits \[2\] rest on it"):
        book.undo(1)
    for number, wrong in ((7, "is not there"), (0, "is not there")):
        with pytest.raises(UnknownIdError, match=wrong):
            book.undo(number)
    book.undo(2)
    book.undo(1)
    with pytest.raises(UnknownIdError, match="is an undo itself"):
        book.undo(3)
    assert state(book.tags) == state(Book().tags)


def test_rows_stay_whose_they_were_when_a_creation_is_taken_back() -> None:
    book = Book()
    book.do(lambda c: c.create("zebra"))
    book.do(lambda c: c.create("yak"))
    yak = book.tags.find_spelling("yak")
    book.undo(1)
    assert book.tags.find_spelling("yak") == yak
    assert book.tags.is_gone(len(NAMES))
    book.do(lambda c: c.create("zebra"))
    assert book.tags.find_spelling("zebra") == len(NAMES) + 2
    assert book.tags.catalog().hidden[len(NAMES)]


def test_edits_go_over_a_later_catalog_as_far_as_it_has_a_place_for_them() -> None:
    book = Book()
    book.do(lambda c: c.create("zebra"))
    book.do(lambda c: c.update(book.id("zebra"), add_aliases=["quagga"]))
    book.do(lambda c: c.update(book.id("car"), hidden=True))
    book.do(lambda c: c.update(book.id("dog"), add_aliases=["hound"]))
    later = EditHistory.over(CatalogIndex(base(["dog", "zebra", "hound"])), book.history.edits)
    assert later.passed_over == {1, 3, 4}  # zebra is there, the car is not, the hound is a tag of its own
    row = later.tags.find_spelling("quagga")
    assert row is not None
    assert row == later.tags.row_of(tag_id("zebra")) < 3
    assert later.last == 4


def test_a_catalog_that_parents_of_merged_tags_are_in_is_no_circle() -> None:
    book = Book()
    beagle, dog, animal, car = map(book.id, ("beagle", "dog", "animal", "car"))
    book.do(lambda change: change.merge(car, [dog]))
    book.do(lambda change: change.update(animal, add_parent_ids=[beagle]))  # which is a kind of car by now
    catalog = book.tags.catalog()
    row = dict(zip(catalog.names, range(len(catalog)), strict=True))
    assert catalog.parents[row["beagle"]] == (row["car"],)
    assert catalog.parents[row["animal"]] == (row["beagle"],)


def test_a_spelling_that_differs_from_the_name_in_case_alone_is_taken_away_again() -> None:
    book = Book()
    dog = book.id("dog")
    book.do(lambda change: change.update(dog, add_aliases=["DOG", "Dog", "hound"]))
    book.do(lambda change: change.update(dog, remove_aliases=[" DOG "]))
    assert book.tags.aliases_of(book.tags.row_of(dog)) == ("Dog", "hound")
    assert book.id("DOG") == dog
    for name in ("dog", "DOG"):
        with pytest.raises(ConflictError, match="is the name"):
            book.do(lambda change, name=name: change.update(dog, remove_aliases=[name]))  # type: ignore[misc]


def test_taking_an_edit_back_is_the_last_edit_of_the_tags_that_it_touched() -> None:
    book = Book()
    dog, cat, car = map(book.id, ("dog", "cat", "car"))
    book.do(lambda change: change.update(car, hidden=True))
    book.do(lambda change: change.merge(cat, [dog]))
    book.undo(2)
    last = {name: book.tags.last_edit_of(book.tags.row_of(book.id(name))) for name in ("dog", "cat", "car")}
    assert last == {"dog": 3, "cat": 3, "car": 1}
    edit = book.history.edit(2)
    assert edit is not None
    assert edit.touched == (dog, cat)


def requests(one: str, other: str, word: str, alias: str) -> list[Callable[[EditBatch], Any]]:
    return [
        lambda c: c.create(word, [alias]),
        lambda c: c.update(one, name=word),
        lambda c: c.update(one, add_aliases=[word]),
        lambda c: c.update(one, remove_aliases=[word]),
        lambda c: c.update(one, add_parent_ids=[other]),
        lambda c: c.update(one, remove_parent_ids=[other]),
        lambda c: c.update(one, hidden=True),
        lambda c: c.merge(one, [other]),
    ]


def test_any_edits_and_takings_back_end_as_the_edits_that_remain_do_from_the_start() -> None:
    """Many random requests; after each, the state is that of applying what remains to a new catalog."""
    rng = np.random.default_rng(5)
    words = [*NAMES, "zebra", "yak", "Dog", "hound", "moped"]
    done: dict[str, int] = {}
    for _ in range(25):
        book = Book()
        for _ in range(30):
            ids = list(state(book.tags))
            one, other = rng.choice(ids, 2).tolist()
            word, alias = rng.choice(words, 2).tolist()
            asks = requests(one, other, word, alias)
            before = state(book.tags)
            try:
                if book.history.edits and rng.random() < 0.3:
                    number = int(rng.integers(1, book.history.last + 1))
                    if book.history.undone_by(number) is None:
                        book.undo(number)
                        done["undo"] = done.get("undo", 0) + 1
                else:
                    for edit in book.do(asks[int(rng.integers(len(asks)))]):
                        done[edit.kind] = done.get(edit.kind, 0) + 1
            except VideotagError:
                assert state(book.tags) == before
            assert state(EditHistory.over(book.tags.index, book.history.edits).tags) == state(book.tags)
            for tag in state(book.tags).values():
                assert all(tag[-1].values()), tag  # every spelling is its tag's
            forms = [normalise(s) for tag in state(book.tags).values() for s in tag[-1]]
            by_tag = [{normalise(s) for s in tag[-1]} for tag in state(book.tags).values()]
            assert len(set(forms)) == sum(map(len, by_tag))  # and no other's
    assert all(count >= 3 for count in done.values()), done
    assert {"create", "rename", "alias", "unalias", "parent", "unparent", "hide", "merge", "undo"} <= set(done)
