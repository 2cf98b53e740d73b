"""Adding tags to a bundle without training: a new bundle whose catalog continues after the last row of the old one.

No row changes its number, so labelled videos, indexes, classifier and fusion are copied unchanged. Everything that has
a row per tag is written anew: the name vectors, the class-to-tag links, the rows of both tag towers with recall's index
of them, and the bias of each tag.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rank.contrastive import ContrastiveRanker, save_tags
from recall.channels.tag_similarity import TagSimilarity
from recall.model import RecallModel, save_tag_rows
from tagging.bundle.files import copy_missing_files
from tagging.bundle.indexes import build_tag_index
from tagging.bundle.manifest import BUNDLE, AdditionEntry, BundleManifest, ChannelEntry, NamesEntry, SourceEntry
from tagging.bundle.name_vectors import load_class_tags, load_name_vectors, save_class_tags, save_name_vectors
from tagging.errors import InvalidTagsError
from tagging.features.base import ClassPredictor
from tagging.features.factory import Encoders, load_encoders
from tagging.features.names import name_vectors
from tagging.files.atomic import atomic_folder, require_new
from tagging.maintenance.new_tag_table import read_accepted_tags
from tagging.manifests.values import is_unicode
from tagging.pipeline.class_links import load_linker
from tagging.pipeline.load import check_encoders, load_ranker
from tagging.tags.catalog import TagCatalog
from tagging.text.names import not_found_warning
from tagging.text.normalise import normalise
from tagging.types import MODALITIES, ClassTags, Modality

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AdditionReport:
    bundle: str
    version: str
    added: int
    seen: int  # added tags that a class of the vision encoder indicates
    heard: int  # added tags that a class of the audio encoder indicates
    tags: int  # in the new catalog


@dataclass(frozen=True, slots=True, eq=False)
class _Extension:
    """A bundle, the folder of its successor, and the tags that the successor has in addition."""

    bundle: Path
    folder: Path
    manifest: BundleManifest
    before: TagCatalog  # the added tags follow
    names: Sequence[str]  # A added tags
    vectors: NDArray[np.float32] | None  # (A, D) their names by the text encoder; None without one

    @property
    def first_row(self) -> int:
        """The row of the first added tag."""
        return len(self.before)


def add_tags(
    bundle: Path, names: Sequence[str], out: Path, table: Path | None = None, *, created: datetime
) -> AdditionReport:
    """Write to `out` the bundle with added tags: the names, and the accepted rows of the table.

    table: a CSV that `tagging.maintenance.new_tag_table` wrote and an editor reviewed.
    created: the time that the new bundle states, with a time zone.
    Raises OutputExistsError before any work if `out` exists; InvalidTagsError for a name that is empty, given twice or
    already in the catalog; ArtifactError for a bundle that is missing, damaged or made with other encoders.
    """
    require_new(out)
    names = [*names, *(read_accepted_tags(table) if table else ())]
    manifest = BUNDLE.read(bundle)
    before = TagCatalog.load(bundle / "catalog.parquet")
    added = new_names(names, before)
    encoders = load_encoders(manifest.config.encoders)
    check_encoders(manifest, encoders)
    vectors = None if encoders.text is None else name_vectors(added, encoders.text)
    with atomic_folder(out) as folder:
        extension = _Extension(bundle, folder, manifest, before, added, vectors)
        catalog = before.with_added(added)
        catalog.save(folder / "catalog.parquet")
        name_entry = _extend_names(extension, encoders)
        channels = {**manifest.channels, **_extend_recall(extension)}
        _extend_rank(extension, encoders)
        copy_missing_files(bundle, folder, manifest)
        indicated = {modality: _count_indicated(extension, modality, name_entry) for modality in MODALITIES}
        addition = AdditionEntry(
            bundle=manifest.version, tags=len(added), sources=[SourceEntry.of(table, {})] if table else []
        )
        changed = {
            "created": created,
            "channels": channels,
            "names": name_entry,
            "counts": {**manifest.counts, "tags": len(catalog)},
            "additions": [*manifest.additions, addition],
        }
        written = BUNDLE.seal(folder, manifest.model_copy(update=changed))
    for warning in (warning for name in added for warning in not_found_warning([name])):
        logger.warning("%s", warning)
    if not _finds_names(manifest):
        logger.warning("%s has no channel that finds a tag by its name in a text", bundle)
    return AdditionReport(str(out), written.version, len(added), indicated["frames"], indicated["audio"], len(catalog))


def new_names(names: Sequence[str], catalog: TagCatalog) -> list[str]:
    """Return the names with single spaces between words; InvalidTagsError for the first that cannot be a new tag."""
    known = catalog.rows_by_spelling
    given: dict[str, str] = {}
    for name in names:
        form = normalise(name)
        if not form or not is_unicode(name):
            raise InvalidTagsError(f"{name!a} is not a tag name: it is {'not valid text' if form else 'empty'}")
        if form in given:
            raise InvalidTagsError(f"the tag {given[form]!r} is given twice, the second time as {name!r}")
        if form in known:
            owner = _describe_owner(catalog, known[form], form)
            raise InvalidTagsError(f"{name!r} is in the catalog already, {owner}", "leave it out")
        given[form] = " ".join(name.split())
    return list(given.values())


def _describe_owner(catalog: TagCatalog, row: int, form: str) -> str:
    """Describe how a spelling belongs to the tag of a row: as its name or as an alias."""
    status = "hidden tag" if catalog.hidden[row] else "tag"
    tag = f"the {status} {catalog.names[row]!r}"
    return f"as {tag}" if normalise(catalog.names[row]) == form else f"as an alias of {tag}"


def _extend_names(extension: _Extension, encoders: Encoders) -> NamesEntry | None:
    """Write name vectors and class links that include the added tags; None if the bundle has no names."""
    manifest, vectors, first_row = extension.manifest, extension.vectors, extension.first_row
    entry = manifest.names
    if entry is None or vectors is None:
        return entry
    start, end = entry.unnamed
    if entry.count + end - start < first_row:  # the catalog continues beyond the names of `names.tags`
        start, end = entry.count, first_row
    save_name_vectors(extension.folder, np.concatenate([load_name_vectors(extension.bundle, entry), vectors]))
    for modality in MODALITIES:
        encoder = getattr(encoders, modality)
        if modality not in entry.classes or not isinstance(encoder, ClassPredictor):
            continue
        links = load_class_tags(extension.bundle, modality, entry)
        if manifest.learnt is not None and not len(links.tag_rows):
            continue  # it would make a channel that the fusion was not fitted on
        allowed = np.ones(len(vectors), np.bool_)
        linker = load_linker(extension.bundle, manifest, encoders, extension.before, modality)
        save_class_tags(
            extension.folder, modality, _append_links(links, linker.link(extension.names, vectors, allowed), first_row)
        )
    return entry.model_copy(update={"count": entry.count + len(vectors), "unnamed": (start, end)})


def _extend_recall(extension: _Extension) -> Mapping[str, ChannelEntry]:
    """Write the recall model, its tag tower rows and their index, with the added tags last; nothing without a model."""
    manifest, folder = extension.manifest, extension.folder
    if manifest.learnt is None:
        return {}
    (folder / "learnt").mkdir()
    model = RecallModel.load(extension.bundle / "learnt").with_unused_tags(len(extension.names))
    model.save(folder / "learnt")
    dense = {} if extension.vectors is None else {"text": extension.vectors}  # an added tag is not in the tag graph
    before = np.load(extension.bundle / "learnt" / "tags.npy", allow_pickle=False).astype(np.float32)
    tag_rows = np.concatenate([before, model.encode_tags(extension.names, dense)])
    save_tag_rows(folder / "learnt", tag_rows)
    index = build_tag_index(model, tag_rows, manifest.config.recall, manifest.config.training.seed)
    if index is None:
        return {}
    index.save(folder / "channels" / TagSimilarity.name)
    return {TagSimilarity.name: index.entry()}


def _extend_rank(extension: _Extension, encoders: Encoders) -> None:
    """Write the catalog encoded by rank's tag tower, with the added tags, known by name only, last."""
    if extension.manifest.ranker is None:
        return
    ranker = load_ranker(extension.bundle, extension.manifest, encoders)
    assert isinstance(ranker, ContrastiveRanker)
    tags = np.concatenate([ranker.scorer.tag_vectors, ranker.scorer.encoder.encode_names(extension.names)])
    (extension.folder / "rank").mkdir()
    save_tags(extension.folder / "rank", tags)


def _append_links(links: ClassTags, added: ClassTags, first_row: int) -> ClassTags:
    """Append links of added tags, whose rows are counted from `first_row`."""
    return ClassTags(
        np.concatenate([links.tag_rows, added.tag_rows + first_row]),
        np.concatenate([links.class_rows, added.class_rows]),
        np.concatenate([links.weights, added.weights]),
        links.classes,
    )


def _count_indicated(extension: _Extension, modality: Modality, entry: NamesEntry | None) -> int:
    """Count the added tags that a class of the modality's encoder indicates."""
    if entry is None or modality not in entry.classes:
        return 0
    tag_rows = np.unique(load_class_tags(extension.folder, modality, entry).tag_rows)
    return int((tag_rows >= extension.first_row).sum())


def _finds_names(manifest: BundleManifest) -> bool:
    names = manifest.config.recall.names
    written = manifest.names is not None and (names.literal or names.described or names.written)
    return manifest.learnt is not None or bool(written)
