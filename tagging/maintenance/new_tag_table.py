"""New tags on disk: a CSV whose column `accept` an editor fills in, and the names that were accepted in it."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path

from tagging.bundle.files import read_manifest
from tagging.errors import InvalidManifestError, InvalidTagsError
from tagging.maintenance.batch_results import read_new_tags
from tagging.maintenance.review_table import accepted_rows, write_table
from tagging.manifest import read_videos
from tagging.tags.catalog import TagCatalog
from tagging.tags.new_tag_proposals import NewTag, PromotionRule, propose
from tagging.types import VideoRef

logger = logging.getLogger(__name__)

DECISION = ("accept", "tag")  # the columns that are read
EVIDENCE = tuple(field.name for field in fields(NewTag) if field.name not in DECISION)


def write_new_tag_table(path: Path, tags: Iterable[NewTag], rule: PromotionRule) -> None:
    """One row a tag. Where the rule says yes, `accept` says so already and `by` says that it was the rule."""
    write_table(path, DECISION, EVIDENCE, tags, rule.accepts)


def read_accepted_tags(path: Path) -> list[str]:
    """The names of the accepted rows, as they are written there.

    Raises InvalidTagsError for a file that is no such table, an accepted row without a name, and no accepted row.
    """
    names: list[str] = []
    for place, row in accepted_rows(path, DECISION, InvalidTagsError, "tags new"):
        if not row["tag"].strip():
            raise InvalidTagsError(f"{place}: an accepted row needs a tag")
        names.append(row["tag"])
    if not names:
        raise InvalidTagsError(f"{path}: no tag is accepted", "fill in `accept` with yes where a tag is wanted")
    return names


def propose_new_tags(
    results: Path, bundle: Path, manifest: Path | None = None, columns: Mapping[str, str] | None = None
) -> list[NewTag]:
    """The new tags of a batch that the bundle's catalog does not have, the most used first.

    manifest: of the batch, for uploaders and titles; without it every video counts as an uploader's only one.
    columns: field -> column of the manifest, where they differ.
    Raises InvalidResultsError, InvalidManifestError, and ArtifactError for a bundle that is missing or damaged.
    """
    read_manifest(bundle)
    catalog = TagCatalog.load(bundle / "catalog.parquet")
    tagged = {video_id: tags for video_id, tags in read_new_tags(results) if tags}
    return propose(tagged, _named_in(manifest, columns or {}, tagged) if manifest else {}, catalog)


def _named_in(manifest: Path, columns: Mapping[str, str], tagged: Mapping[str, object]) -> dict[str, VideoRef]:
    """Those of the tagged videos that the manifest has."""
    videos: dict[str, VideoRef] = {}
    unreadable: list[InvalidManifestError] = []
    for row in read_videos(manifest, columns):
        if isinstance(row, InvalidManifestError):
            unreadable.append(row)
        elif row.video_id in tagged:
            videos[row.video_id] = row
    if unreadable:
        logger.warning("%d rows of %s were left out: %s", len(unreadable), manifest.name, unreadable[0].message)
    if missing := len(tagged) - len(videos):
        logger.warning("%d of %d videos with a new tag are not in %s", missing, len(tagged), manifest.name)
    return videos
