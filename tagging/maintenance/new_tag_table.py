"""New-tag review table: new tags of a batch as a CSV, and the names that an editor accepted in it."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path

from tagging.bundle.manifest import BUNDLE
from tagging.errors import InvalidManifestError, InvalidTagsError
from tagging.maintenance.batch_results import read_new_tags
from tagging.maintenance.review_table import accepted_rows, write_table
from tagging.manifests.read import read_videos
from tagging.tags.catalog import TagCatalog
from tagging.tags.new_tag_proposals import NewTag, PromotionRule, propose
from tagging.types import VideoRef

logger = logging.getLogger(__name__)

DECISION = ("accept", "tag")  # the columns that are read back
EVIDENCE = tuple(field.name for field in fields(NewTag) if field.name not in DECISION)


def propose_new_tags(
    results: Path, bundle: Path, manifest: Path | None = None, columns: Mapping[str, str] | None = None
) -> list[NewTag]:
    """Return the new tags of a batch that the bundle's catalog does not have, most used first.

    manifest: of the batch, for uploaders and titles; without it every video counts as one of a different uploader.
    columns: field -> column of the manifest, if they differ.
    Raises InvalidResultsError, InvalidManifestError, and ArtifactError for a bundle that is missing or damaged.
    """
    BUNDLE.read(bundle)
    catalog = TagCatalog.load(bundle / "catalog.parquet")
    tagged = {video_id: tags for video_id, tags in read_new_tags(results) if tags}
    videos = _read_tagged_videos(manifest, columns or {}, tagged) if manifest else {}
    return propose(tagged, videos, catalog)


def write_new_tag_table(path: Path, tags: Iterable[NewTag], rule: PromotionRule) -> None:
    """Write one row per tag, with `accept` filled in where the rule accepts it."""
    write_table(path, DECISION, EVIDENCE, tags, rule.accepts)


def read_accepted_tags(path: Path) -> list[str]:
    """Return the names of the accepted rows as they are written there.

    Raises InvalidTagsError for a file that is not such a table, an accepted row without a name, and no accepted row.
    """
    names: list[str] = []
    for location, row in accepted_rows(path, DECISION, InvalidTagsError, "tags new"):
        if not row["tag"].strip():
            raise InvalidTagsError(f"{location}: an accepted row needs a tag")
        names.append(row["tag"])
    if not names:
        raise InvalidTagsError(f"{path}: no tag is accepted", "enter yes in `accept` for each tag to add")
    return names


def _read_tagged_videos(
    manifest: Path, columns: Mapping[str, str], tagged: Mapping[str, object]
) -> dict[str, VideoRef]:
    """Return the tagged videos that the manifest contains, by id; log unreadable rows and missing videos."""
    videos: dict[str, VideoRef] = {}
    unreadable: list[InvalidManifestError] = []
    for row in read_videos(manifest, columns):
        if isinstance(row, InvalidManifestError):
            unreadable.append(row)
        elif row.video_id in tagged:
            videos[row.video_id] = row
    if unreadable:
        logger.warning("%d rows of %s were skipped: %s", len(unreadable), manifest.name, unreadable[0].message)
    if missing := len(tagged) - len(videos):
        logger.warning("%d of %d videos with a new tag are not in %s", missing, len(tagged), manifest.name)
    return videos
