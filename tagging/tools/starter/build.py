"""The starter bundle: everyday tags and their names' vectors, and no labelled video.

It is what every command uses until somebody trained another, so it is built once and lies in the package.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagging import paths
from tagging.bundle.files import write_manifest
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.bundle.manifest import FORMAT, BundleManifest, NamesEntry, SourceEntry, TrainingEntry, file_sha256
from tagging.bundle.name_vectors import load_class_tags
from tagging.config.root import Config
from tagging.features.factory import check_weights, load_encoders
from tagging.files.atomic import atomic_folder, require_new
from tagging.ragged import TagLists
from tagging.tags.catalog import TagCatalog, tag_id
from tagging.text import normalise
from tagging.tools.starter.vocabulary import Entry, merge, read_anchors, read_lists
from tagging.training.name_sources import without_foreign_sources, write_name_sources
from tagging.training.run import PACKAGES, encoder_entries
from tagging.types import Modality

BUNDLE = paths.default_bundle()
CREATED = datetime(2026, 11, 21, tzinfo=UTC)  # of the vocabulary, so that the same input gives the same bytes
ANCHORS = Path(__file__).parents[1] / "distillation"


@dataclass(frozen=True, slots=True)
class StarterReport:
    bundle: str
    version: str
    tags: int
    seen: int  # of them, may be proposed for frames
    heard: int
    megabytes: float


def build(annotations: Path, out: Path, config: Config, anchors: Path = ANCHORS) -> StarterReport:
    """Write the starter bundle to `out`.

    annotations: the folder of label lists that `vocabulary.read_lists` names.
    anchors: the folder with classes_vision.csv and classes_audio.csv, the names of the encoders' classes.
    Raises OutputExistsError where `out` exists, MissingWeightsError where an encoder is not there.
    """
    require_new(out)
    check_weights(config.encoders)
    lists = read_lists(annotations)
    own = [read_anchors(anchors / f"classes_{kind}.csv") for kind in ("vision", "audio")]
    entries = merge(lists.values(), *own)
    catalog = to_catalog(entries)
    allowed: dict[Modality, NDArray[np.bool_]] = {
        "frames": np.array([entry.seen for entry in entries], np.bool_),
        "audio": np.array([entry.heard for entry in entries], np.bool_),
    }
    encoders = load_encoders(config.encoders)
    config = without_foreign_sources(config, encoders)
    with atomic_folder(out) as folder:
        catalog.save(folder / "catalog.parquet")
        names = write_name_sources(folder, catalog, encoders, config.recall.names, allowed)
        LabelledVideos.of([], TagLists.of([])).save(folder / "videos.parquet")
        draft = BundleManifest(
            format=FORMAT,
            version="",
            created=CREATED,
            files={},
            config=config,
            encoders=encoder_entries(encoders),
            channels={},
            names=names,
            learnt=None,
            ranker=None,
            counts={"videos": 0, "tags": len(catalog), "pairs": 0},
            training=TrainingEntry(
                sources=[_source(annotations, name) for name in lists],
                packages={name: version(name) for name in PACKAGES},
                videos_read=0,
                videos_held_out=0,
                videos_of_other_splits=0,
                videos_without_tags=0,
                videos_without_features=0,
            ),
        )
        manifest = write_manifest(folder, draft)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    told = {modality: _told(out, modality, names) for modality in allowed}
    return StarterReport(str(out), manifest.version, len(catalog), told["frames"], told["audio"], round(size / 1e6, 1))


def _told(out: Path, modality: Modality, names: NamesEntry | None) -> int:
    known = names is not None and modality in names.classes
    return len(np.unique(load_class_tags(out, modality, names).tag_rows)) if names and known else 0


def to_catalog(entries: Sequence[Entry]) -> TagCatalog:
    """Rows in the entries' order. An alias that is another tag's name is left to that tag."""
    names = {normalise(entry.name) for entry in entries}
    return TagCatalog(
        ids=tuple(tag_id(normalise(entry.name)) for entry in entries),
        names=tuple(entry.name for entry in entries),
        aliases=tuple(tuple(a for a in entry.aliases if normalise(a) not in names) for entry in entries),
        counts=np.zeros(len(entries), np.int64),
        hidden=np.zeros(len(entries), np.bool_),
    )


def _source(annotations: Path, name: str) -> SourceEntry:
    return SourceEntry(name=name, sha256=file_sha256(annotations / name), columns={})
