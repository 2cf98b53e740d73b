"""Labelled videos that came after a bundle was made, folded into another bundle: its indexes are built anew.

Towers, classifier, blend and ranker are copied. What changes is who votes: the videos, the channels' indexes of them,
their texts, and how many videos use each tag.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from scipy import sparse

from recall.index.factory import build_index
from tagging.bundle.files import copy_missing_files, read_manifest, write_manifest
from tagging.bundle.indexes import RowIndex
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.bundle.manifest import BundleManifest, ChannelEntry, FoldingEntry, SourceEntry
from tagging.files.atomic import new_folder, require_new
from tagging.pipeline.labelled_updates import apply_updates
from tagging.pipeline.load import stated_fingerprints
from tagging.pipeline.recall_parts import RecallParts
from tagging.pipeline.recall_stage import RecallStage
from tagging.progress import Progress
from tagging.ragged import TagLists
from tagging.store.labelled_log import read_labelled_log

KEPT = ("config", "encoders", "names", "learnt", "ranker", "training", "additions")  # of the manifest


@dataclass(frozen=True, slots=True)
class FoldReport:
    bundle: str
    version: str
    joined: int
    left: int
    voteless: int
    videos: int  # that vote now


def fold_labelled(bundle: Path, log: Path, out: Path, progress: Progress, *, created: datetime) -> FoldReport:
    """Write to `out` the bundle with the videos of a log among those that vote, its indexes built anew.

    The log stays as it is. Applied to the new bundle it changes nothing, so it may be removed once no bundle before
    this one serves any more. Raises OutputExistsError before any work where `out` exists.
    """
    require_new(out)
    manifest, entries = read_manifest(bundle), read_labelled_log(log)
    parts = RecallParts.load(bundle, manifest)
    recall_stage = RecallStage(parts, None, manifest.config.recall)
    report = apply_updates(recall_stage, entries, stated_fingerprints(manifest))
    with new_folder(out) as folder:
        labelled = _voting(recall_stage)
        labelled.save(folder / "videos.parquet")
        counts = np.bincount(labelled.tags.tag_rows, minlength=len(parts.catalog)).astype(np.int64)
        replace(parts.catalog, counts=counts).save(folder / "catalog.parquet")
        channels = {**manifest.channels, **_index_anew(folder, recall_stage, manifest, progress)}
        if recall_stage.neighbour_store.texts is not None:
            texts = recall_stage.neighbour_store.texts.rows(recall_stage.neighbour_store.voters.live())
            (folder / "learnt").mkdir()
            sparse.save_npz(folder / "learnt" / "texts.npz", texts, compressed=False)
        copy_missing_files(bundle, folder, manifest)
        folding = FoldingEntry(
            bundle=manifest.version, joined=report.joined, left=report.left, source=SourceEntry.of(log, {})
        )
        written = write_manifest(
            folder,
            created=created,
            channels=channels,
            counts={**manifest.counts, "videos": len(labelled.ids), "pairs": len(labelled.tags.tag_rows)},
            foldings=[*manifest.foldings, folding],
            **{name: getattr(manifest, name) for name in KEPT},
        )
    return FoldReport(str(out), written.version, report.joined, report.left, report.voteless, len(labelled.ids))


def _voting(recall_stage: RecallStage) -> LabelledVideos:
    """The videos that vote, as a bundle keeps them."""
    voters = recall_stage.neighbour_store.voters
    rows = voters.live().tolist()
    lists = [voters.tags_of(row) for row in rows]
    starts = np.concatenate([[0], np.cumsum([len(one) for one in lists])]).astype(np.int64)
    return LabelledVideos(
        tuple(voters.id_of(row) for row in rows),
        tuple(voters.title_of(row) for row in rows),
        tuple(voters.uploader_of(row) for row in rows),
        TagLists(starts, np.concatenate([np.zeros(0, np.int64), *lists])),
    )


def _index_anew(
    folder: Path, recall_stage: RecallStage, manifest: BundleManifest, progress: Progress
) -> dict[str, ChannelEntry]:
    live = recall_stage.neighbour_store.voters.live()
    place = np.full(len(recall_stage.neighbour_store.voters), -1)
    place[live] = np.arange(len(live))
    entries = {}
    with progress.track("build indexes", len(recall_stage.neighbour_store.near)) as advance:
        for name, near in recall_stage.neighbour_store.near.items():
            rows, videos = near.live()
            if len(rows) or name in manifest.channels:
                index = build_index(rows, manifest.config.recall.index, manifest.config.training.seed)
                one = RowIndex(index, place[videos])
                one.save(folder / "channels" / name)
                entries[name] = one.entry()
            advance(1)
    return entries
