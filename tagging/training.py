"""Training a bundle: manifests → features → catalog and channel indexes → bundle."""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rank.likely import Likely
from recall.channels.learnt import LikeNames
from tagging.catalog import TagCatalog, build_catalog
from tagging.config import Config, NamesConfig, RecallConfig
from tagging.errors import InvalidManifestError
from tagging.features.base import TellsClasses
from tagging.features.extract import Extraction, extract
from tagging.features.factory import Encoders, check_weights, load_encoders
from tagging.features.names import class_words, link, name_vectors
from tagging.features.weights import bert_folder
from tagging.learning import Learning, index_views, learn_recall
from tagging.manifest import read_labelled
from tagging.pipeline import encoder_fingerprints, only
from tagging.progress import Progress
from tagging.ranking import held_out_answers, learn_rank
from tagging.recaller import Indexed, named_channels
from tagging.splits import is_held_out
from tagging.store.aliases import read_accepted, require_known
from tagging.store.atomic import new_folder, require_new
from tagging.store.bundle import (
    BundleManifest,
    ChannelEntry,
    EncoderEntry,
    LearntEntry,
    NamesEntry,
    SourceEntry,
    TrainingEntry,
    write_manifest,
)
from tagging.store.features import FeatureStore
from tagging.store.labelled import LabelledVideos
from tagging.store.names import load_names, save_links, save_names
from tagging.types import MODALITIES, LabelledVideo, Modality, VideoRef

logger = logging.getLogger(__name__)

PACKAGES = (
    "videotag",
    "numpy",
    "torch",
    "sentence-transformers",
    "transformers",
    "faiss-cpu",
    "scikit-learn",
    "lightgbm",
    "av",
)
FAILURES_NAMED = 10
# The direct sources and whose encoder they were fitted for.
SOURCES: dict[str, Modality] = {
    "literal": "text",
    "described": "text",
    "written": "text",
    "seen": "frames",
    "heard": "audio",
}


@dataclass(frozen=True, slots=True)
class TrainingReport:
    bundle: str
    version: str
    counts: Mapping[str, int]
    seconds: Mapping[str, float]  # where the time went, stage by stage


@dataclass(slots=True)
class _Stopwatch:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - started, 2)


def train(
    manifests: Sequence[Path],
    columns: Mapping[str, str],
    out: Path,
    config: Config,
    store: FeatureStore,
    progress: Progress,
    aliases: Path | None = None,
    checkpoint: Path | None = None,
) -> TrainingReport:
    """Learn a bundle from the labelled videos of the manifests and write it to `out`.

    aliases: a table of accepted aliases, which are merged into their tags.
    checkpoint: a file that the ranker's training is kept in, and goes on from; it is left there.
    Rows of another split than "train" (or none) and the held-out uploaders are read and left alone. Raises
    InvalidManifestError where no labelled video remains, InvalidAliasesError, and OutputExistsError before any work
    where `out` exists.
    """
    require_new(out)
    same_as = read_accepted(aliases) if aliases else {}
    check_weights(config.encoders)  # before minutes of reading
    if config.recall.learnt is not None and config.rank.ranker is not None:
        bert_folder(config.rank.ranker.bert)
    watch = _Stopwatch()
    with watch("read manifests"):
        rows = list(_counted(read_labelled(manifests, columns), progress))
        kept, skipped = _choose(rows, config)
    if not kept:
        raise InvalidManifestError("no video with a tag is left to learn from", _left_out(skipped))
    if aliases:
        require_known(aliases, same_as, (row.tags for row in kept))
    with watch("load encoders"):
        encoders = load_encoders(config.encoders)
    with watch("extract features"):
        with_tokens = config.recall.learnt is not None and config.rank.ranker is not None
        extraction = extract(
            [row.video for row in kept], encoders, config.media, store, progress, with_tokens=with_tokens
        )
        _name_failures(extraction, len(kept))
    learnt = [place for place, embeddings in enumerate(extraction.embeddings) if embeddings.rows]
    skipped["videos_without_features"] = len(kept) - len(learnt)
    if not learnt:
        raise InvalidManifestError("no video that could be looked at is left to learn from", _left_out(skipped))
    with new_folder(out) as folder:
        with watch("build catalog"):
            tag_lists = [kept[place].tags for place in learnt]
            catalog, tags = build_catalog(tag_lists, config.training.min_tag_count, same_as)
            if not len(catalog):
                raise InvalidManifestError(
                    f"no tag is on {config.training.min_tag_count} videos or more", "lower training.min_tag_count"
                )
            catalog.save(folder / "catalog.parquet")
            labelled = LabelledVideos.of([kept[place].video for place in learnt], tags)
            labelled.save(folder / "videos.parquet")
        config = fitting(config, encoders)
        names = None
        if _reads_names(config.recall):
            with watch("encode names"):
                names = write_names(folder, catalog, encoders, config.recall.names)
        seen = Extraction(
            tuple(extraction.embeddings[place] for place in learnt), (), only(extraction.tokens, np.array(learnt))
        )
        videos = [kept[place].video for place in learnt]
        parts = _learn(folder, videos, seen, labelled, catalog, names, config, progress, watch, checkpoint)
        with watch("write bundle"):
            manifest = write_manifest(
                folder,
                created=datetime.now(UTC).replace(microsecond=0),
                config=config,
                encoders=encoder_entries(encoders),
                names=names,
                **parts,
                counts={"videos": len(learnt), "tags": len(catalog), "pairs": len(tags.tag_rows)},
                training=TrainingEntry(
                    sources=[
                        *(SourceEntry.of(path, columns) for path in manifests),
                        *([SourceEntry.of(aliases, {})] if aliases else []),
                    ],
                    packages={name: version(name) for name in PACKAGES},
                    videos_read=len(rows),
                    **skipped,
                ),
            )
    return _report(out, manifest, watch)


def _learn(
    folder: Path,
    videos: Sequence[VideoRef],
    extraction: Extraction,
    labelled: LabelledVideos,
    catalog: TagCatalog,
    names: NamesEntry | None,
    config: Config,
    progress: Progress,
    watch: "_Stopwatch",
    checkpoint: Path | None,
) -> dict[str, Any]:
    """Write what recall and rank learn from V videos, and the indexes; what the manifest says of them."""
    embeddings = extraction.embeddings
    with watch("learn recall"):
        named = named_channels(folder, names, config.recall, catalog)
        vectors = load_names(folder, names) if names else None
        learning = learn_recall(embeddings, labelled, catalog, vectors, named, config, progress)
        if learning is not None:
            _write_learning(folder / "learnt", learning)
    ranking = None
    if learning is not None:
        with watch("learn rank"):
            ranking = learn_rank(videos, extraction.tokens, labelled, catalog, learning, config, progress, checkpoint)
            if ranking is not None:
                ranking.save(folder)
            ranker = Likely() if ranking is None else ranking.ranker
            answers = held_out_answers(ranker, videos, extraction.tokens, labelled, catalog, learning.promised)
            if answers is not None:
                answers.save(folder / "answers.parquet")
    with watch("build indexes"):
        indexes = index_views(
            embeddings if learning is None else learning.embeddings, config.recall, config.training.seed
        )
        if learning is not None and learning.parts.tags is not None:
            indexes[LikeNames.name] = learning.parts.tags
        channels = write_channels(folder, indexes)
    return {
        "channels": channels,
        "learnt": _learnt_entry(learning),
        "ranker": ranking.entry() if ranking is not None else None,
    }


def _counted(rows: Iterator[LabelledVideo], progress: Progress) -> Iterator[LabelledVideo]:
    with progress.track("read manifests", None) as advance:
        for row in rows:
            yield row
            advance(1)


def _choose(rows: Sequence[LabelledVideo], config: Config) -> tuple[list[LabelledVideo], Counter[str]]:
    """The rows to learn from, and how many were left out for which reason."""
    kept: list[LabelledVideo] = []
    skipped: Counter[str] = Counter(videos_held_out=0, videos_of_other_splits=0, videos_without_tags=0)
    for row in rows:
        if row.split not in ("", "train"):
            skipped["videos_of_other_splits"] += 1
        elif is_held_out(row.video, config.training.holdout, config.training.seed):
            skipped["videos_held_out"] += 1
        elif not any(tag.strip() for tag in row.tags):
            skipped["videos_without_tags"] += 1
        else:
            kept.append(row)
    return kept, skipped


def _left_out(skipped: Mapping[str, int]) -> str:
    return "; ".join(f"{name.replace('_', ' ')}: {count}" for name, count in skipped.items())


def _name_failures(extraction: Extraction, videos: int) -> None:
    for failure in extraction.failures[:FAILURES_NAMED]:
        logger.warning("%s: media left out: %s", failure.video.video_id, failure.error.message)
    if len(extraction.failures) > FAILURES_NAMED:
        logger.warning("media of %d of %d videos were left out", len(extraction.failures), videos)


def write_channels(folder: Path, indexes: Mapping[str, Indexed]) -> dict[str, ChannelEntry]:
    channels: dict[str, ChannelEntry] = {}
    for name, one in indexes.items():
        place = folder / "channels" / name
        place.mkdir(parents=True)
        one.index.save(place)
        np.save(place / "rows.npy", one.rows, allow_pickle=False)
        channels[name] = ChannelEntry(metric="inner product", dim=one.index.dim, count=len(one.index))
    return channels


def _reads_names(config: RecallConfig) -> bool:
    """Whether the text encoder is to read the tags' names, for the direct sources or for the tag tower."""
    learns = config.learnt is not None and "text" in config.learnt.tag_views
    return learns or any(getattr(config.names, source) for source in SOURCES)


def _write_learning(folder: Path, learning: Learning) -> None:
    folder.mkdir()
    learning.parts.learnt.save(folder)
    save_tag_rows(folder, learning.tags)
    sparse.save_npz(folder / "texts.npz", learning.parts.texts.astype(np.float32), compressed=False)
    learning.blend.save(folder / "blend.txt")
    if learning.parts.extractor is not None:
        learning.parts.extractor.save(folder / "extract")


def save_tag_rows(folder: Path, rows: NDArray[np.float32]) -> None:
    """rows: (N, D) of the tag tower, zeros where nothing of a name is known."""
    np.save(folder / "tags.npy", rows.astype(np.float16), allow_pickle=False)


def _learnt_entry(learning: Learning | None) -> LearntEntry | None:
    if learning is None:
        return None
    learnt = learning.parts.learnt
    return LearntEntry(
        labels=len(learnt.labels),
        ngrams=learnt.features.width,
        videos=len(learning.learnt_from),
        blended_on=len(learning.blended.rows),
        kept_for_promises=len(learning.promised.rows),
        extracts=learning.parts.extractor is not None,
    )


def fitting(config: Config, encoders: Encoders) -> Config:
    """The configuration without the direct sources that were fitted for other encoders than these."""
    names, present = config.recall.names, encoder_fingerprints(encoders)
    stated = [source for source in SOURCES if getattr(names, source) is not None]
    unfit = [
        source
        for source in stated
        if (modality := SOURCES[source]) not in present
        or names.fitted_for.get(modality, present[modality]) != present[modality]
    ]
    if not unfit:
        return config
    if told := [source for source in unfit if SOURCES[source] in present]:
        logger.warning("no direct source %s: it was fitted for another encoder", ", ".join(told))
    kept = names.model_copy(update=dict.fromkeys(unfit))
    return config.model_copy(update={"recall": config.recall.model_copy(update={"names": kept})})


def write_names(
    folder: Path,
    catalog: TagCatalog,
    encoders: Encoders,
    config: NamesConfig,
    allowed: Mapping[Modality, NDArray[np.bool_]] = MappingProxyType({}),
) -> NamesEntry | None:
    """Write what the direct sources need; None, and nothing written, without a text encoder that reads the names.

    allowed: (N,) True for the tags that the modality's encoder may speak for; all, where it is not given.
    """
    if encoders.text is None:
        return None
    vectors = name_vectors(catalog.names[: config.tags], encoders.text)
    save_names(folder, vectors)
    classes: dict[str, int] = {}
    for modality in MODALITIES:
        encoder = getattr(encoders, modality)
        if isinstance(encoder, TellsClasses):
            may = allowed.get(modality, np.ones(len(catalog), np.bool_))[: len(vectors)]
            links = link(class_words(encoder), vectors, may, encoders.text, config.near)
            save_links(folder, modality, links)
            classes[modality] = links.classes
    return NamesEntry(dim=vectors.shape[1], count=len(vectors), classes=classes)


def encoder_entries(encoders: Encoders) -> dict[str, EncoderEntry]:
    present = {modality: getattr(encoders, modality) for modality in MODALITIES}
    return {
        modality: EncoderEntry(fingerprint=encoder.fingerprint, dim=encoder.dim)
        for modality, encoder in present.items()
        if encoder is not None
    }


def _report(out: Path, manifest: BundleManifest, watch: _Stopwatch) -> TrainingReport:
    training = manifest.training.model_dump(exclude={"sources", "packages"})
    return TrainingReport(str(out), manifest.version, {**manifest.counts, **training}, watch.seconds)
