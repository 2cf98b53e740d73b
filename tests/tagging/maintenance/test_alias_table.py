import csv
from pathlib import Path

import pytest

from tagging.errors import InvalidAliasesError, OutputExistsError
from tagging.maintenance.alias_table import read_accepted_aliases, require_known, write_alias_table
from tagging.tags.alias_proposals import AliasRule, Proposal

SURE = Proposal("Spider-Man", "spider man", ("hyphen",), 9, 5, 2, 3, 1, 0, 0.123456, "one\r\ntitle", 'of "two"')
UNSURE = Proposal("now here", "nowhere", ("hashtag", "spacing"), 7, 5, 2, 3, 1, 0, 0.0, "a", "b")


def table(path: Path, *rows: str) -> Path:
    path.write_text("".join(f"{row}\n" for row in ("accept,tag,alias", *rows)), encoding="utf-8")
    return path


def test_a_table_is_read_back_with_the_rows_that_the_rule_accepted(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_alias_table(path, [SURE, UNSURE], AliasRule())
    with path.open(encoding="utf-8", newline="") as lines:
        sure, unsure = csv.DictReader(lines)
    assert (sure["accept"], sure["by"], unsure["accept"], unsure["by"]) == ("yes", "rule", "", "")
    assert (sure["tag"], sure["alias"]) == ("Spider-Man", "spider man")
    assert (sure["tag_title"], sure["alias_title"], sure["similarity"]) == ("one title", 'of "two"', "0.123")
    assert (unsure["differences"], unsure["tag_videos"], unsure["alias_uploaders"]) == ("hashtag spacing", "5", "1")
    assert read_accepted_aliases(path) == {"spider man": "spider-man"}


def test_an_edited_table_is_never_overwritten(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "yes,a,b")
    with pytest.raises(OutputExistsError):
        write_alias_table(path, [SURE], AliasRule())
    assert read_accepted_aliases(path) == {"b": "a"}


def test_only_accepted_rows_count_and_names_are_normalised(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "yes,  Hip  Hop ,HIPHOP", " YES ,Jazz,jass", "no,x,y", ",x,z", "", "yes,jazz,JASS")
    assert read_accepted_aliases(path) == {"hiphop": "hip hop", "jass": "jazz"}


def test_columns_may_come_in_any_order_and_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\ufeffalias,note,accept,tag\nb,,yes,a\n", encoding="utf-8")
    assert read_accepted_aliases(path) == {"b": "a"}


def test_a_chain_of_aliases_leads_to_its_last_tag(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "yes,cats,#cats", "yes,cat,cats", "yes,cat,kat")
    assert read_accepted_aliases(path) == {"#cats": "cat", "cats": "cat", "kat": "cat"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["yes,a,b", "yes,c,b"], "line 3: 'b' is made an alias of 'a' and of 'c'"),
        (["yes,a,b", "yes,b,c", "yes,c,a"], "aliases form a cycle: b -> a -> c -> b"),
        (["yes,a,A"], "aliases form a cycle: a -> a"),
        (["maybe,a,b"], "line 2: accept: expected yes, no or nothing, found 'maybe'"),
        (["yes,a, "], "line 2: an accepted row needs a tag and an alias"),
        (["yes,a"], "line 2: expected 3 cells as in the header, found 2"),
        (['yes,a,"b'], "cannot be read"),
    ],
)
def test_a_table_that_contradicts_itself_is_one_clear_error(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(InvalidAliasesError) as caught:
        read_accepted_aliases(table(tmp_path / "a.csv", *rows))
    assert message in caught.value.message
    assert "a.csv" in caught.value.message


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "no columns"), (b"tag,alias\n", "'accept'"), (b"\xff", "UTF-8")]
)
def test_a_file_that_is_not_a_review_table_is_one_clear_error(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InvalidAliasesError) as caught:
        read_accepted_aliases(tmp_path / "a.csv")
    assert message in caught.value.message + caught.value.hint


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidAliasesError, match="cannot be read"):
        read_accepted_aliases(tmp_path / "none.csv")


def test_names_that_no_video_has_are_reported(tmp_path: Path) -> None:
    path, videos = tmp_path / "a.csv", [["Hip Hop", "HIPHOP"], ["jazz"]]
    require_known(path, {"hiphop": "hip hop"}, videos)
    with pytest.raises(InvalidAliasesError, match=r"no video to learn from has the tag 'jass'$"):
        require_known(path, {"jass": "jazz"}, videos)
    with pytest.raises(InvalidAliasesError, match="the tag 'blues', nor 1 more of its names"):
        require_known(path, {"hiphop": "rap", "jazz": "blues"}, videos)
