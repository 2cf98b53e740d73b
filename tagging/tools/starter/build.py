"""The starter bundle: everyday tags with the vectors of their names, and an extractor of names in titles.

Every command uses it until another bundle is trained, so it is built once and shipped in the package. It holds no
labelled video: of the titles that the extractor was fitted on it keeps networks, counts of hashed phrases, and the
words of templates that several uploaders share.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recall.extract.extractor import TagExtractor
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.bundle.manifest import BUNDLE, BundleManifest, ExtractorEntry, NamesEntry, SourceEntry, TrainingEntry
from tagging.bundle.name_vectors import load_class_tags
from tagging.bundle.sealed import file_sha256
from tagging.config.random_streams import Stream
from tagging.config.root import Config
from tagging.features.factory import Encoders, check_weights, load_encoders
from tagging.files.atomic import atomic_folder, require_new
from tagging.manifests.read import read_labelled
from tagging.ragged import Ragged
from tagging.tags.catalog import TagCatalog, tag_id
from tagging.text.normalise import normalise
from tagging.text.words import split_words
from tagging.tools.starter.everyday import read_everyday, with_everyday
from tagging.tools.starter.vocabulary import Entry, merge, read_anchors, read_lists
from tagging.training.name_sources import without_foreign_sources, write_name_sources
from tagging.training.run import PACKAGES, encoder_entries
from tagging.types import Modality

LEAST_CONFIDENCE = 0.15  # of an answered tag: lower ones are right too seldom for readers
SHARED_BY = 2  # uploaders
CREATED = datetime(2026, 11, 21, tzinfo=UTC)  # fixed with the vocabulary, so that the same input gives the same bytes


@dataclass(frozen=True, slots=True)
class ClassTables:
    """Tables of the encoders' classes, whose names belong to the vocabulary."""

    seen: tuple[Path, ...]
    heard: tuple[Path, ...]


_PACKAGE = Path(__file__).parents[2]
OFFLINE_CLASSES = ClassTables(
    seen=(_PACKAGE / "features" / "imagenet_classes.csv", _PACKAGE / "features" / "frame_words.csv"),
    heard=(_PACKAGE / "tools" / "distillation" / "classes_audio.csv",),
)


@dataclass(frozen=True, slots=True)
class StarterReport:
    bundle: str
    version: str
    tags: int
    seen: int  # tags that may be proposed for frames
    heard: int  # tags that may be proposed for sound
    titles: int  # that the extractor was fitted on
    megabytes: float


def build(
    annotations: Path,
    titles: Path,
    columns: Mapping[str, str],
    out: Path,
    config: Config,
    classes: ClassTables = OFFLINE_CLASSES,
) -> StarterReport:
    """Write the starter bundle to `out`.

    annotations: the folder of label lists that `vocabulary.read_lists` names.
    titles: a manifest of videos with titles and tags, whose columns are renamed by `columns` (field -> column).
    Raises OutputExistsError if `out` exists, MissingWeightsError if the weights of an encoder are missing.
    """
    require_new(out)
    check_weights(config.encoders)
    lists = read_lists(annotations)
    own = [[name for table in tables for name in read_anchors(table)] for tables in (classes.seen, classes.heard)]
    entries = with_everyday(merge(lists.values(), *own), read_everyday())
    catalog = to_catalog(entries)
    allowed: dict[Modality, NDArray[np.bool_]] = {
        "frames": np.array([entry.seen for entry in entries], np.bool_),
        "audio": np.array([entry.heard for entry in entries], np.bool_),
    }
    encoders = load_encoders(config.encoders)
    config = without_foreign_sources(config, encoders)
    config = config.model_copy(update={"select": config.select.model_copy(update={"min_confidence": LEAST_CONFIDENCE})})
    with atomic_folder(out) as folder:
        catalog.save(folder / "catalog.parquet")
        names = write_name_sources(folder, catalog, encoders, config.recall.names, allowed)
        LabelledVideos.of([], Ragged.of([])).save(folder / "videos.parquet")
        extractor = _fit_extractor(titles, columns, config.training.seed, folder / "extract")
        sources = [*(_source(annotations, name) for name in lists), SourceEntry.of(titles, columns)]
        draft = _draft(config, encoders, names, extractor, len(catalog), sources)
        manifest = BUNDLE.seal(folder, draft)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    counts = {modality: _tags_with_classes(out, modality, names) for modality in allowed}
    return StarterReport(
        str(out), manifest.version, len(catalog), counts["frames"], counts["audio"], extractor.titles,
        round(size / 1e6, 1),
    )  # fmt: skip


def _fit_extractor(titles: Path, columns: Mapping[str, str], seed: int, folder: Path) -> ExtractorEntry:
    """Fit the extractor on labelled titles and write it; the seed is that of a training."""
    videos = [row for row in read_labelled([titles], columns) if row.tags and row.video.title]
    texts = [row.video.title for row in videos]
    uploaders = [row.video.uploader_id or row.video.video_id for row in videos]
    tags = informative_tags(texts, [row.tags for row in videos], uploaders)
    generator = np.random.default_rng([seed, Stream.TAG_EXTRACTION])
    TagExtractor.fit(texts, tags, uploaders, generator).save(folder)
    return ExtractorEntry(titles=len(videos))


def informative_tags(titles: Sequence[str], tags: Sequence[Sequence[str]], uploaders: Sequence[str]) -> list[list[str]]:
    """Return the tags of each title without those that repeat the whole title, unless SHARED_BY uploaders have them.

    Many creators give the title as a tag, which tells a reader nothing new; "Minecraft" is a tag all the same.
    """
    pairs = {(normalise(tag), uploader) for of_title, uploader in zip(tags, uploaders, strict=True) for tag in of_title}
    shared = Counter(tag for tag, _ in pairs)
    return [
        [tag for tag in of_title if split_words(tag) != split_words(title) or shared[normalise(tag)] >= SHARED_BY]
        for title, of_title in zip(titles, tags, strict=True)
    ]


def _draft(
    config: Config,
    encoders: Encoders,
    names: NamesEntry | None,
    extractor: ExtractorEntry,
    tags: int,
    sources: list[SourceEntry],
) -> BundleManifest:
    return BundleManifest(
        created=CREATED,
        config=config,
        encoders=encoder_entries(encoders),
        readers=encoders.reader_fingerprints(),
        channels={},
        names=names,
        learnt=None,
        extractor=extractor,
        ranker=None,
        counts={"videos": 0, "tags": tags, "pairs": 0},
        training=TrainingEntry(
            sources=sources,
            packages={name: version(name) for name in PACKAGES},
            videos_read=0,
            videos_held_out=0,
            videos_of_other_splits=0,
            videos_without_tags=0,
            videos_without_features=0,
        ),
    )


def _tags_with_classes(out: Path, modality: Modality, names: NamesEntry | None) -> int:
    known = names is not None and modality in names.classes
    return len(np.unique(load_class_tags(out, modality, names).tag_rows)) if names and known else 0


def to_catalog(entries: Sequence[Entry]) -> TagCatalog:
    """Return a catalog with one row per entry, in order. An alias that is another tag's name is dropped."""
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
