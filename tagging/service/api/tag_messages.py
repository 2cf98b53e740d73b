"""From values of tags, edits, bundles and churn to their messages."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from videotag.v1 import tagging_pb2 as pb

from tagging.service.api.video_messages import MODALITY, timestamp
from tagging.service.bundles.loaded_bundle import LoadedBundle
from tagging.service.calls.churn import Churn
from tagging.service.calls.shadow import ShadowCounts
from tagging.service.errors.text_limits import sendable
from tagging.store.database.log import Numbered
from tagging.store.database.tag_edits import TagEdit
from tagging.tags.edits.edit import EditKind
from tagging.tags.edits.edited_catalog import EditedCatalog

KIND: Mapping[EditKind, pb.TagEditKind.ValueType] = {
    "create": pb.TAG_EDIT_KIND_CREATE,
    "rename": pb.TAG_EDIT_KIND_RENAME,
    "alias": pb.TAG_EDIT_KIND_ADD_ALIAS,
    "unalias": pb.TAG_EDIT_KIND_REMOVE_ALIAS,
    "merge": pb.TAG_EDIT_KIND_MERGE,
    "hide": pb.TAG_EDIT_KIND_HIDE,
    "show": pb.TAG_EDIT_KIND_SHOW,
    "parent": pb.TAG_EDIT_KIND_ADD_PARENT,
    "unparent": pb.TAG_EDIT_KIND_REMOVE_PARENT,
    "describe": pb.TAG_EDIT_KIND_DESCRIBE,
    "undo": pb.TAG_EDIT_KIND_UNDO,
}
# What of `before` and `after` is told; the rest of a creation is in the tag.
TOLD = ("name", "alias", "into", "parent_id", "description")


def tag_message(tags: EditedCatalog, row: int) -> pb.Tag:
    counts = tags.index.catalog.counts
    return pb.Tag(
        id=tags.id_of(row),
        name=sendable(tags.name_of(row)),
        aliases=map(sendable, tags.aliases_of(row)),
        parent_ids=[tags.id_of(parent) for parent in tags.parents_of(row)],
        language=sendable(tags.language_of(row)),
        description=sendable(tags.description_of(row)),
        videos=int(counts[row]) if row < len(counts) else 0,
        status=pb.TAG_STATUS_HIDDEN if tags.is_hidden(row) else pb.TAG_STATUS_ACTIVE,
        last_edit=tags.last_edit_of(row),
    )


def edit_message(entry: Numbered[TagEdit]) -> pb.TagEdit:
    record = entry.record
    return pb.TagEdit(
        number=entry.number,
        kind=KIND[record.kind],
        tag_id=record.tag_id,
        before=_told(record.before),
        after=_told(record.after),
        undoes=record.undoes,
        undone_by=record.undone_by,
        client=sendable(record.who),
        made_at=timestamp(record.at),
    )


def edit_messages(entries: Sequence[Numbered[TagEdit]]) -> list[pb.TagEdit]:
    return [edit_message(entry) for entry in entries]


def bundle_message(held: LoadedBundle | None) -> pb.Bundle | None:
    if held is None:
        return None
    manifest = held.manifest
    return pb.Bundle(
        version=manifest.version,
        folder=sendable(held.name),
        created_at=timestamp(manifest.created),
        counts=manifest.counts,
        encoders=[
            pb.Encoder(modality=MODALITY[modality], fingerprint=entry.fingerprint, dim=entry.dim)
            for modality in MODALITY
            if (entry := manifest.encoders.get(modality)) is not None
        ],
        since=timestamp(held.since),
    )


def churn_message(churn: Churn, counts: ShadowCounts, active: str, shadow: str, since: datetime) -> pb.GetChurnResponse:
    return pb.GetChurnResponse(
        bundle_version=active,
        shadow_version=shadow,
        since=timestamp(since),
        compared=churn.compared,
        same=churn.same,
        mean_overlap=churn.mean_overlap,
        mean_tags=churn.mean_tags,
        mean_shadow_tags=churn.mean_shadow_tags,
        shadow_failures=counts.failures,
        tags=[
            pb.TagChurn(tag_id=one.tag_id, name=sendable(one.name), gained=one.gained, lost=one.lost)
            for one in churn.tags
        ],
    )


def _told(said: Mapping[str, object]) -> str:
    return next((sendable(str(said[name])) for name in TOLD if name in said), "")
