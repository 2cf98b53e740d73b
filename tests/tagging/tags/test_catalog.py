from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tagging import paths
from tagging.tags.catalog import TagCatalog, build_catalog, tag_id
from tagging.text.normalise import normalise


@pytest.mark.parametrize(
    ("raw", "form"),
    [
        ("  Hip\u00a0 Hop\t", "hip hop"),
        ("ＨＩＰ", "hip"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("  ", ""),
        ("ﬁlm", "film"),
    ],
)
def test_spellings_are_compared_after_compatibility_case_and_white_space(raw: str, form: str) -> None:
    assert normalise(raw) == form


def test_the_catalog_keeps_the_commonest_spelling_and_the_others_as_aliases() -> None:
    catalog, tags = build_catalog([["Rock", "pop"], ["rock", "ROCK", " "], ["Rock"], []])
    assert catalog.names == ("Rock", "pop")
    assert catalog.aliases == (("rock",), ())  # "ROCK" repeats a tag inside its video, so it has no vote
    assert catalog.counts.tolist() == [3, 1]
    assert [tags.at(v).tolist() for v in range(4)] == [[0, 1], [0], [0], []]


def test_rare_tags_are_left_out_of_the_catalog_and_of_the_videos() -> None:
    catalog, tags = build_catalog([["a", "b"], ["a"], ["b", "c"]], min_count=2)
    assert catalog.names == ("a", "b")
    assert [tags.at(v).tolist() for v in range(3)] == [[0, 1], [0], [1]]


def test_a_tag_has_the_same_id_in_every_catalog() -> None:
    small, _ = build_catalog([["Jazz"]])
    large, _ = build_catalog([["blues"], ["blues", "JAZZ"]])
    assert small.ids[0] == large.ids[large.rows_by_spelling["jazz"]] == tag_id("jazz")


def test_a_catalog_is_read_back_unchanged(tmp_path: Path) -> None:
    catalog, _ = build_catalog([["Rock", "ロック"], ["rock"], []])
    catalog.save(tmp_path / "c.parquet")
    loaded = TagCatalog.load(tmp_path / "c.parquet")
    assert (loaded.ids, loaded.names, loaded.aliases) == (catalog.ids, catalog.names, catalog.aliases)
    np.testing.assert_array_equal(loaded.counts, catalog.counts)


def test_parents_languages_and_hidden_flags_are_read_back_unchanged(tmp_path: Path) -> None:
    catalog, _ = build_catalog([["dog", "animal", "perro"]])
    changed = replace(
        catalog,
        parents=((), (0,), (0, 1)),
        languages=("en", "", "es"),
        hidden=np.array([False, True, False]),
    )
    changed.save(tmp_path / "c.parquet")
    loaded = TagCatalog.load(tmp_path / "c.parquet")
    assert (loaded.parents, loaded.languages) == (changed.parents, changed.languages)
    assert loaded.hidden.tolist() == [False, True, False]


def test_a_catalog_without_parent_and_language_columns_is_read(tmp_path: Path) -> None:
    catalog, _ = build_catalog([["Rock", "pop"]])
    catalog.save(tmp_path / "c.parquet")
    pq.write_table(pq.read_table(tmp_path / "c.parquet").drop(["parents", "language"]), tmp_path / "old.parquet")
    loaded = TagCatalog.load(tmp_path / "old.parquet")
    assert loaded.names == catalog.names
    assert (loaded.parents, loaded.languages) == (((), ()), ("", ""))


def test_the_catalog_of_the_package_loads() -> None:
    catalog = TagCatalog.load(paths.default_bundle() / "catalog.parquet")
    assert len(catalog.parents) == len(catalog.languages) == len(catalog) > 5000


@pytest.mark.parametrize("parents", [((0,), ()), ((2,), ()), ((-1,), ())])
def test_a_parent_is_another_tag_of_the_catalog(parents: tuple[tuple[int, ...], ...]) -> None:
    catalog, _ = build_catalog([["a", "b"]])
    with pytest.raises(ValueError, match="parents"):
        replace(catalog, parents=parents)


def test_columns_of_different_lengths_are_refused() -> None:
    catalog, _ = build_catalog([["a", "b"]])
    with pytest.raises(ValueError, match="different lengths"):
        replace(catalog, languages=("en",))


def test_aliases_are_merged_into_their_tag_before_counting() -> None:
    videos = [["Mario Bros", "nes"], ["mariobros"], ["mariobros", "mario bros"], ["MarioBros"], ["rare"]]
    catalog, tags = build_catalog(videos, 2, {"mariobros": "mario bros"})
    assert catalog.names == ("Mario Bros",)
    assert catalog.counts.tolist() == [4]
    assert catalog.aliases == (("mariobros", "MarioBros"),)
    assert catalog.ids == (tag_id("mario bros"),)
    assert [tags.at(v).tolist() for v in range(5)] == [[0], [0], [0], [0], []]
    rows = catalog.rows_by_spelling
    assert rows["mariobros"] == rows["mario bros"] == 0


def test_a_tag_keeps_its_name_even_if_its_alias_is_more_frequent() -> None:
    catalog, _ = build_catalog([["lol"], ["LoL"], ["lol"], ["League of Legends"]], 1, {"lol": "league of legends"})
    assert catalog.names == ("League of Legends",)
    assert catalog.aliases == (("lol", "LoL"),)
    assert catalog.counts.tolist() == [4]


def test_counts_agree_with_a_plain_loop(shared_data: Path) -> None:
    import pandas as pd

    lists = [list(tags) for tags in pd.read_parquet(shared_data / "metadata/ted_talks.parquet").tags]
    catalog, tags = build_catalog(lists)
    plain: dict[str, int] = {}
    for video_tags in lists:
        for form in {normalise(t) for t in video_tags}:
            plain[form] = plain.get(form, 0) + 1
    assert {normalise(n): int(c) for n, c in zip(catalog.names, catalog.counts, strict=True)} == plain
    assert len(tags) == len(lists)


def test_no_tag_is_its_own_ancestor() -> None:
    catalog, _ = build_catalog([["cat", "pet", "animal"]])
    with pytest.raises(ValueError, match=r"their own ancestors: .*(animal|cat|pet) < "):
        replace(catalog, parents=((1,), (2,), (0,)))


def test_some_of_the_tags_keep_their_columns_and_the_parents_among_them() -> None:
    catalog, _ = build_catalog([["Dog", "dog", "pet", "cat"], ["pet", "DOG"], ["pet"]])
    catalog = replace(catalog, parents=((), (0,), (1, 0)))
    found = catalog.only(np.array([2, 0]))
    assert found.names == (catalog.names[2], catalog.names[0])
    assert found.aliases == (catalog.aliases[2], catalog.aliases[0])
    assert found.counts.tolist() == [catalog.counts[2], catalog.counts[0]]
    assert found.parents == ((1,), ())
    assert found.ids == (catalog.ids[2], catalog.ids[0])
