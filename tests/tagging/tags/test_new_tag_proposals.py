"""New tags of a batch, grouped, counted and judged by the rule."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagging.errors import InvalidResultsError, InvalidTagsError
from tagging.jobs.tables import TAGGED
from tagging.maintenance.batch_results import read_new_tags
from tagging.maintenance.new_tag_table import read_accepted_tags, write_new_tag_table
from tagging.tags.catalog import build_catalog
from tagging.tags.new_tag_proposals import NewTag, PromotionRule, propose
from tagging.types import VideoRef
from tests.support.new_tags import PROPOSAL

CATALOG, _ = build_catalog([["Hip Hop", "lo-fi"], ["HIP HOP"], ["Hip Hop"]])


def video(video_id: str, uploader: str | None) -> VideoRef:
    return VideoRef(video_id, title=f"title of {video_id}", uploader_id=uploader)


def test_names_are_grouped_by_their_normalised_form_under_the_most_used_spelling() -> None:
    tagged = {
        "a": [("Padel Tennis", 0.75), ("padel  tennis", 0.5)],  # a video counts once, with the higher confidence
        "b": [("padel tennis", 0.5)],
        "c": [("PADEL TENNIS", 0.25)],
        "d": [("padel tennis", 0.5)],
    }
    videos = {key: video(key, uploader) for key, uploader in zip("abcd", ["ann", "ann", "bob", None], strict=True)}
    [tag] = propose(tagged, videos, CATALOG)
    assert tag == NewTag(
        tag="padel tennis",
        videos=4,
        uploaders=3,
        confidence=(0.75 + 0.5 + 0.25 + 0.5) / 4,
        spelling_of="",
        video_ids=("a", "d", "c"),  # not b, which is also by ann
        titles=("title of a", "title of d", "title of c"),
    )


def test_without_a_manifest_every_video_is_another_uploaders() -> None:
    [tag] = propose({"a": [("padel", 0.9)], "b": [("padel", 0.8)]}, {}, CATALOG)
    assert (tag.videos, tag.uploaders, tag.video_ids, tag.titles) == (2, 2, ("a", "b"), ())


def test_names_in_the_catalog_in_any_spelling_are_left_out() -> None:
    assert propose({"a": [("HIP hop", 0.9), ("ＨＩＰ ＨＯＰ", 0.9), ("Lo-Fi", 0.9), (" ", 0.9)]}, {}, CATALOG) == []


def test_possible_spellings_of_other_tags_are_marked_for_review() -> None:
    tagged = {"a": [("hip-hop", 0.9), ("padel", 0.9), ("padels", 0.9)], "b": [("padel", 0.9)], "c": [("lofi", 0.9)]}
    found = {tag.tag: tag.spelling_of for tag in propose(tagged, {}, CATALOG)}
    assert found == {"padel": "", "hip-hop": "Hip Hop", "lofi": "lo-fi", "padels": "padel"}
    assert not PromotionRule().accepts(replace(PROPOSAL, videos=99, uploaders=99, spelling_of="lo-fi"))


@pytest.mark.parametrize(
    ("videos", "uploaders", "confidence", "accepted"),
    [(3, 2, 0.5, True), (2, 2, 0.9, False), (9, 1, 0.9, False), (9, 9, 0.49, False)],
)
def test_the_rule_requires_videos_uploaders_and_confidence(
    videos: int, uploaders: int, confidence: float, accepted: bool
) -> None:
    rule = PromotionRule(videos=3, uploaders=2, confidence=0.5)
    assert rule.accepts(replace(PROPOSAL, videos=videos, uploaders=uploaders, confidence=confidence)) is accepted


def test_a_table_is_read_back_with_the_decisions_of_the_rule(tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    write_new_tag_table(
        path,
        [replace(PROPOSAL, videos=9, uploaders=9, confidence=0.9), replace(PROPOSAL, tag="x", videos=1)],
        PromotionRule(),
    )
    assert path.read_text().splitlines() == [
        "accept,tag,by,videos,uploaders,confidence,spelling_of,video_ids,titles",
        "yes,padel,rule,9,9,0.9,,a,t",
        ",x,,1,2,0.5,,a,t",
    ]
    assert read_accepted_tags(path) == ["padel"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["no,a"], "no tag is accepted"),
        (["yes, "], "line 2: an accepted row needs a tag"),
        (["sure,a"], "line 2: accept: expected yes, no or nothing, found 'sure'"),
        (["yes,a,b"], "line 2: expected 2 cells as in the header, found 3"),
    ],
)
def test_an_invalid_table_is_one_error(tmp_path: Path, rows: list[str], message: str) -> None:
    path = tmp_path / "new.csv"
    path.write_text("\n".join(["accept,tag", *rows]))
    with pytest.raises(InvalidTagsError, match=message):
        read_accepted_tags(path)


def write_part(folder: Path, number: int, rows: Sequence[dict[str, object]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), TAGGED), folder / f"part-{number:05d}.parquet")


def test_results_are_read_part_by_part_without_dead_letters(tmp_path: Path) -> None:
    tags = [
        {"name": "new", "confidence": 0.5, "id": "1", "is_new": True},
        {"name": "old", "confidence": 0.5, "id": "2", "is_new": False},
    ]
    write_part(tmp_path / "tagged", 0, [{"video_id": "a", "tags": tags}])
    write_part(tmp_path / "tagged", 1, [{"video_id": "b", "tags": []}])
    write_part(tmp_path / "dead_letters", 0, [{"video_id": "c", "tags": tags}])
    assert list(read_new_tags(tmp_path)) == [("a", [("new", 0.5)]), ("b", [])]


def test_a_folder_without_results_and_a_damaged_part_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidResultsError, match="holds no results"):
        list(read_new_tags(tmp_path))
    write_part(tmp_path / "tagged", 0, [])
    (tmp_path / "tagged/part-00000.parquet").write_bytes(b"nothing")
    with pytest.raises(InvalidResultsError, match=r"part-00000\.parquet cannot be read"):
        list(read_new_tags(tmp_path))
    pq.write_table(pa.table({"video_id": ["a"]}), tmp_path / "tagged/part-00000.parquet")
    with pytest.raises(InvalidResultsError, match=r"part-00000\.parquet cannot be read"):
        list(read_new_tags(tmp_path))
