"""Tables of videos with a category, for the benchmark of topics."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagging.errors import InvalidManifestError
from tagging.tools.benchmarks.datasets import Record, read_records, visible_tags
from tagging.tools.benchmarks.hashtags import cut_hashtags
from tagging.types import CategorisedVideo, VideoRef


@dataclass(frozen=True, slots=True)
class CategorisedTable:
    videos: list[CategorisedVideo]  # each with a category and a text
    counts: dict[str, int]  # rows read, and those left out by reason


def read_categorised_table(kind: str, path: Path) -> CategorisedTable:
    """Return the rows of a table of a kind named in CATEGORISED that have a category and a text.

    Raises InvalidManifestError for a file that is not such a table, and if no row is usable.
    """
    columns, convert = CATEGORISED[kind]
    counts = Counter(rows_read=0, left_out_without_category=0, left_out_without_text=0, without_tags=0)
    videos = []
    for record in read_records(path, columns):
        counts["rows_read"] += 1
        video = convert(record)
        if not video.category:
            counts["left_out_without_category"] += 1
        elif not video.video.text:
            counts["left_out_without_text"] += 1
        else:
            counts["without_tags"] += not video.tags
            videos.append(video)
    if not videos:
        raise InvalidManifestError(f"{path}: none of {counts['rows_read']} rows has a category and a text")
    return CategorisedTable(videos, dict(counts))


def _kuairec(record: Record) -> CategorisedVideo:
    """Use the caption as title and the words on the cover as description, with hashtags cut out of both."""
    tags = visible_tags(record)
    caption, cover = (cut_hashtags(record[name] or "", tags) for name in ("caption", "cover_text"))
    return CategorisedVideo(
        VideoRef(str(record["video_id"]), title=caption, description=cover),
        tags,
        category=record["category_1"] or "",
        subcategory=record["category_2"] or "",
    )


def _youtube(record: Record) -> CategorisedVideo:
    video = VideoRef(record["video_id"], title=record["title"] or "", uploader_id=record["channel_id"])
    return CategorisedVideo(
        video, visible_tags(record), category=record["category_name"] or "", language=record["audio_language"] or ""
    )


CATEGORISED: dict[str, tuple[Sequence[str], Callable[[Record], CategorisedVideo]]] = {
    "youtube": (("video_id", "title", "tags", "channel_id", "category_name", "audio_language"), _youtube),
    "kuairec": (("video_id", "caption", "cover_text", "tags", "category_1", "category_2"), _kuairec),
}
