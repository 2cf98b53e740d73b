"""Compaction of labelled updates: write a bundle that contains the added videos of a log, with its indexes rebuilt.

Towers, classifier, fusion and ranker are copied unchanged. The labelled videos change, and with them the channels'
indexes of the videos, their texts, and the number of videos of each tag.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from scipy import sparse

from recall.index.factory import build_index
from tagging.bundle.files import copy_missing_files
from tagging.bundle.indexes import ViewIndex
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.bundle.manifest import BUNDLE, BundleManifest, ChannelEntry, FoldingEntry, SourceEntry
from tagging.files.atomic import atomic_folder, require_new
from tagging.pipeline.labelled_updates import apply_updates
from tagging.pipeline.load import stated_fingerprints
from tagging.pipeline.recall_parts import RecallParts
from tagging.pipeline.recall_stage import RecallStage
from tagging.progress import Progress
from tagging.store.labelled_log import read_labelled_log


@dataclass(frozen=True, slots=True)
class FoldReport:
    bundle: str
    version: str
    joined: int  # added videos
    left: int  # removed videos
    voteless: int  # added videos without a tag of the catalog, which cannot vote
    videos: int  # labelled videos of the new bundle


def fold_labelled(bundle: Path, log: Path, out: Path, progress: Progress, *, created: datetime) -> FoldReport:
    """Write to `out` the bundle with the updates of a log applied and its indexes rebuilt.

    created: the time that the new bundle states, with a time zone.
    The log is not changed. Applying it to the new bundle has no effect, so it may be removed when no older bundle is
    served. Raises OutputExistsError before any work if `out` exists.
    """
    require_new(out)
    manifest, updates = BUNDLE.read(bundle), read_labelled_log(log)
    parts = RecallParts.load(bundle, manifest)
    recall_stage = RecallStage.of(parts, None, manifest.config.recall)
    report = apply_updates(recall_stage, updates, stated_fingerprints(manifest))
    with atomic_folder(out) as folder:
        labelled = _labelled_videos(recall_stage)
        labelled.save(folder / "videos.parquet")
        counts = np.bincount(labelled.tags.values, minlength=len(parts.catalog)).astype(np.int64)
        replace(parts.catalog, counts=counts).save(folder / "catalog.parquet")
        channels = {**manifest.channels, **_rebuild_indexes(folder, recall_stage, manifest, progress)}
        _write_texts(folder, recall_stage)
        copy_missing_files(bundle, folder, manifest)
        folding = FoldingEntry(
            bundle=manifest.version, joined=report.added, left=report.removed, source=SourceEntry.of(log, {})
        )
        changed = {
            "created": created,
            "channels": channels,
            "counts": {**manifest.counts, "videos": len(labelled.ids), "pairs": len(labelled.tags.values)},
            "foldings": [*manifest.foldings, folding],
        }
        written = BUNDLE.seal(folder, manifest.model_copy(update=changed))
    return FoldReport(str(out), written.version, report.added, report.removed, report.without_votes, len(labelled.ids))


def _labelled_videos(recall_stage: RecallStage) -> LabelledVideos:
    """Return the videos that take part in neighbour voting after the updates."""
    table = recall_stage.neighbour_store.table
    live = table.live()
    rows = live.tolist()
    return LabelledVideos(
        tuple(table.id_of(row) for row in rows),
        tuple(table.title_of(row) for row in rows),
        tuple(table.uploader_of(row) for row in rows),
        table.tags_of(live),
    )


def _write_texts(folder: Path, recall_stage: RecallStage) -> None:
    """Write the n-grams of the labelled texts, if the bundle has a recall model."""
    store = recall_stage.neighbour_store
    if store.texts is not None:
        (folder / "learnt").mkdir()
        texts = store.texts.rows(store.table.live())
        sparse.save_npz(folder / "learnt" / "texts.npz", texts, compressed=False)


def _rebuild_indexes(
    folder: Path, recall_stage: RecallStage, manifest: BundleManifest, progress: Progress
) -> dict[str, ChannelEntry]:
    """Write the index of each neighbour channel; its rows refer to the videos of the new table."""
    store = recall_stage.neighbour_store
    live = store.table.live()
    new_rows = np.full(len(store.table), -1)
    new_rows[live] = np.arange(len(live))
    entries = {}
    with progress.track("build indexes", len(store.searches)) as advance:
        for channel, search in store.searches.items():
            vectors, video_rows = search.live()
            if len(vectors) or channel in manifest.channels:
                index = build_index(vectors, manifest.config.recall.index, manifest.config.training.seed)
                # The space stays, as the fusion was fitted with it.
                view = ViewIndex(index, new_rows[video_rows], search.space)
                view.save(folder / "channels" / channel)
                entries[channel] = view.entry()
            advance(1)
    return entries
