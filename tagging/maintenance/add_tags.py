"""Tags added to a bundle without training: another bundle, whose catalog goes on where the first one's ended.

No row changes its number, so labelled videos, indexes, classifier and blend stay as they are and are copied. Made anew
is what holds a row a tag: the names' vectors, what classes say of them, both tag towers' rows with recall's index of
them, and the bias of each.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rank.contrastive import Contrastive, save_tags
from recall.added import with_unused
from recall.channels.tag_similarity import TagSimilarity
from recall.model import RecallModel, save_tag_rows
from tagging.bundle.files import copy_missing_files, read_manifest, write_manifest
from tagging.bundle.indexes import build_tag_index
from tagging.bundle.manifest import AdditionEntry, BundleManifest, ChannelEntry, NamesEntry, SourceEntry
from tagging.bundle.name_vectors import load_class_tags, load_name_vectors, save_class_tags, save_name_vectors
from tagging.config.root import Config
from tagging.errors import InvalidTagsError
from tagging.features.base import TellsClasses
from tagging.features.factory import Encoders, load_encoders
from tagging.features.names import Linker, class_words, name_vectors
from tagging.files.atomic import new_folder, require_new
from tagging.maintenance.new_tag_table import read_accepted_tags
from tagging.manifest import is_unicode
from tagging.pipeline.load import check_encoders, load_ranker
from tagging.tags.catalog import TagCatalog
from tagging.text import normalise
from tagging.types import MODALITIES, ClassTags, Modality

logger = logging.getLogger(__name__)

KEPT = ("config", "encoders", "learnt", "ranker", "training", "foldings")  # of the manifest


@dataclass(frozen=True, slots=True)
class AdditionReport:
    bundle: str
    version: str
    added: int
    seen: int  # of the added, those that a class of the vision encoder speaks for
    heard: int
    tags: int  # of the catalog now


def add_tags(
    bundle: Path, names: Sequence[str], out: Path, table: Path | None = None, *, created: datetime
) -> AdditionReport:
    """Write to `out` the bundle with more tags: of these names, and of those that are accepted in the table.

    created: the time that the new bundle states, with a time zone.
    table: a CSV that `tagging.maintenance.new_tag_table` wrote and an editor judged.
    Raises OutputExistsError before any work where `out` exists; InvalidTagsError for a name that is empty, given twice
    or there already; ArtifactError for a bundle that is missing, damaged or made with other encoders.
    """
    require_new(out)
    names = [*names, *(read_accepted_tags(table) if table else ())]
    manifest = read_manifest(bundle)
    before = TagCatalog.load(bundle / "catalog.parquet")
    added = new_names(names, before)
    encoders = load_encoders(manifest.config.encoders)
    check_encoders(manifest, encoders)
    vectors = None if encoders.text is None else name_vectors(added, encoders.text)
    with new_folder(out) as folder:
        catalog = before.with_added(added)
        catalog.save(folder / "catalog.parquet")
        entry = manifest.names
        if entry is not None and vectors is not None:
            entry = _extend_names(bundle, folder, manifest, entry, len(before), vectors, encoders)
        channels = manifest.channels
        if manifest.learnt is not None:
            channels = {**channels, **_extend_learnt(bundle, folder, manifest.config, added, vectors)}
        if manifest.ranker is not None:
            _extend_rank(bundle, folder, manifest, added)
        copy_missing_files(bundle, folder, manifest)
        spoken = {m: _spoken_for(folder, m, entry, len(before)) for m in MODALITIES}
        addition = AdditionEntry(
            bundle=manifest.version, tags=len(added), sources=[SourceEntry.of(table, {})] if table else []
        )
        written = write_manifest(
            folder,
            created=created,
            channels=channels,
            names=entry,
            counts={**manifest.counts, "tags": len(catalog)},
            additions=[*manifest.additions, addition],
            **{name: getattr(manifest, name) for name in KEPT},
        )
    if not _finds_names(manifest):
        logger.warning("%s has no channel that finds a tag by its name in a text", bundle)
    return AdditionReport(str(out), written.version, len(added), spoken["frames"], spoken["audio"], len(catalog))


def new_names(names: Sequence[str], catalog: TagCatalog) -> list[str]:
    """The names, single spaces between their words; InvalidTagsError for the first that cannot be a new tag's."""
    known = catalog.rows_by_normalised()
    given: dict[str, str] = {}
    for name in names:
        form = normalise(name)
        if not form or not is_unicode(name):
            raise InvalidTagsError(f"{name!a} is no name of a tag: it is {'no text' if form else 'empty'}")
        if form in given:
            raise InvalidTagsError(f"the tag {given[form]!r} is given twice, the second time as {name!r}")
        if form in known:
            row = known[form]
            of, is_own = catalog.names[row], normalise(catalog.names[row]) == form
            status = "hidden tag" if catalog.hidden[row] else "tag"
            what = f"as the {status} {of!r}" if is_own else f"as an alias of the {status} {of!r}"
            raise InvalidTagsError(f"{name!r} is in the catalog already, {what}", "leave it out")
        given[form] = " ".join(name.split())
    return list(given.values())


def _extend_names(
    bundle: Path,
    folder: Path,
    manifest: BundleManifest,
    entry: NamesEntry,
    tags: int,
    vectors: NDArray[np.float32],
    encoders: Encoders,
) -> NamesEntry:
    """Write names and links with those of the added tags, whose vectors (A, D) these are, behind `tags` others."""
    start, end = entry.unnamed
    if entry.count + end - start < tags:  # the catalog goes on beyond `names.tags`
        start, end = entry.count, tags
    more = entry.model_copy(update={"count": entry.count + len(vectors), "unnamed": (start, end)})
    save_name_vectors(folder, np.concatenate([load_name_vectors(bundle, entry), vectors]))
    for modality in MODALITIES:
        encoder = getattr(encoders, modality)
        if modality not in entry.classes or not isinstance(encoder, TellsClasses) or encoders.text is None:
            continue
        links = load_class_tags(bundle, modality, entry)
        if manifest.learnt is not None and not len(links.tag_rows):
            continue  # there would be a channel that the blend has not met
        every = np.ones(len(vectors), np.bool_)
        new = Linker(class_words(encoder), encoders.text, manifest.config.recall.names.near).link(vectors, every)
        save_class_tags(folder, modality, _joined(links, new, tags))
    return more


def _extend_learnt(
    bundle: Path, folder: Path, config: Config, added: Sequence[str], vectors: NDArray[np.float32] | None
) -> dict[str, ChannelEntry]:
    """Write the weights and the tag tower's rows, and the index of these, with the added tags behind the others."""
    (folder / "learnt").mkdir()
    learnt = with_unused(RecallModel.load(bundle / "learnt"), len(added))
    learnt.save(folder / "learnt")
    known = {} if vectors is None else {"text": vectors}  # and no place in the tag graph
    before = np.load(bundle / "learnt" / "tags.npy", allow_pickle=False).astype(np.float32)
    rows = np.concatenate([before, learnt.tag_rows(added, known)])
    save_tag_rows(folder / "learnt", rows)
    index = build_tag_index(learnt, rows, config.recall, config.training.seed)
    if index is None:
        return {}
    index.save(folder / "channels" / TagSimilarity.name)
    return {TagSimilarity.name: index.entry()}


def _extend_rank(bundle: Path, folder: Path, manifest: BundleManifest, added: Sequence[str]) -> None:
    """Write the catalog as the tag tower sees it, with the added tags, which it knows by their names alone, behind."""
    ranker = load_ranker(bundle, manifest)
    assert isinstance(ranker, Contrastive)
    tags = np.concatenate([ranker.matching.tags, ranker.matching.reading.names(added)])
    (folder / "rank").mkdir()
    save_tags(folder / "rank", tags)


def _joined(links: ClassTags, new: ClassTags, tags: int) -> ClassTags:
    """new: of the tags behind these many."""
    return ClassTags(
        np.concatenate([links.tag_rows, new.tag_rows + tags]),
        np.concatenate([links.class_rows, new.class_rows]),
        np.concatenate([links.weights, new.weights]),
        links.classes,
    )


def _spoken_for(folder: Path, modality: Modality, entry: NamesEntry | None, tags: int) -> int:
    """The added tags that a class speaks for."""
    if entry is None or modality not in entry.classes:
        return 0
    rows = np.unique(load_class_tags(folder, modality, entry).tag_rows)
    return int((rows >= tags).sum())


def _finds_names(manifest: BundleManifest) -> bool:
    names = manifest.config.recall.names
    written = manifest.names is not None and (names.literal or names.described or names.written)
    return manifest.learnt is not None or bool(written)
