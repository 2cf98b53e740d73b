from pathlib import Path

import numpy as np
import pytest

from tagging.catalog import TagCatalog, build_catalog, tag_id
from tagging.words import normalise


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
    assert [tags.of(v).tolist() for v in range(4)] == [[0, 1], [0], [0], []]


def test_rare_tags_are_left_out_of_the_catalog_and_of_the_videos() -> None:
    catalog, tags = build_catalog([["a", "b"], ["a"], ["b", "c"]], min_count=2)
    assert catalog.names == ("a", "b")
    assert [tags.of(v).tolist() for v in range(3)] == [[0, 1], [0], [1]]


def test_a_tag_has_the_same_id_in_every_catalog() -> None:
    one, _ = build_catalog([["Jazz"]])
    two, _ = build_catalog([["blues"], ["blues", "JAZZ"]])
    assert one.ids[0] == two.ids[two.rows_by_normalised()["jazz"]] == tag_id("jazz")


def test_a_catalog_survives_the_disk(tmp_path: Path) -> None:
    catalog, _ = build_catalog([["Rock", "ロック"], ["rock"], []])
    catalog.save(tmp_path / "c.parquet")
    loaded = TagCatalog.load(tmp_path / "c.parquet")
    assert (loaded.ids, loaded.names, loaded.aliases) == (catalog.ids, catalog.names, catalog.aliases)
    np.testing.assert_array_equal(loaded.counts, catalog.counts)


def test_counts_agree_with_a_plain_count(shared_data: Path) -> None:
    import pandas as pd

    lists = [list(tags) for tags in pd.read_parquet(shared_data / "metadata/ted_talks.parquet").tags]
    catalog, tags = build_catalog(lists)
    plain: dict[str, int] = {}
    for one in lists:
        for form in {normalise(t) for t in one}:
            plain[form] = plain.get(form, 0) + 1
    assert {normalise(n): int(c) for n, c in zip(catalog.names, catalog.counts, strict=True)} == plain
    assert len(tags) == len(lists)
