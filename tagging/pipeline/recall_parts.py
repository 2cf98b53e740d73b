"""Parts of a bundle's recall stage: the catalog, labelled videos, indexes and models that its channels read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recall.channels.base import NEIGHBOUR_VIEWS, PASSAGE_CHANNELS, SENSED_MODALITIES, Channel
from recall.channels.classifier import Classifier
from recall.channels.extracted import ExtractedTags
from recall.channels.name_words import NameWordsChannel
from recall.channels.named_tags import NamedTags
from recall.channels.names import SensedNames, WrittenNames
from recall.channels.passages import PassageNames
from recall.channels.regression import Regression
from recall.channels.tag_similarity import TagSimilarity
from recall.channels.text_neighbours import TextNeighbours
from recall.channels.uploader import UploaderTags
from recall.channels.video_neighbours import VideoNeighbours
from recall.extract.extractor import TagExtractor
from recall.fusion import Fusion, uses_of
from recall.index.flat import FlatIndex
from recall.model import RecallModel
from recall.name_words import NameWords
from recall.neighbours.search import VideoSearch
from recall.neighbours.space import NeighbourSpace
from recall.neighbours.store import NeighbourStore
from recall.neighbours.table import LabelledTable
from recall.neighbours.text_search import TextSearch
from recall.regression import KernelRidge
from recall.tower import TowerForward
from tagging.bundle.indexes import TagIndex, ViewIndex
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.bundle.manifest import BundleManifest, NamesEntry
from tagging.bundle.name_vectors import load_class_tags, load_name_vectors
from tagging.bundle.sealed import artifact_errors
from tagging.config.recall import RecallConfig
from tagging.tags.catalog import TagCatalog
from tagging.text.normalise import normalise


@dataclass(frozen=True, slots=True, eq=False)
class RecallModelParts:
    """The recall model, and the catalog and labelled videos encoded by it."""

    model: RecallModel
    tags: TagIndex | None  # for the similarity branch; None without it
    texts: sparse.csr_matrix  # (V, F) n-grams of the labelled videos
    ridge: KernelRidge | None  # None with so many labelled videos that the classifier is better
    tower: TowerForward | None = None  # runs the video tower elsewhere; None: in this process


@dataclass(frozen=True, slots=True, eq=False)
class RecallParts:
    """Inputs of the channels."""

    catalog: TagCatalog
    words: NameWords  # of the catalog's names
    labelled: LabelledVideos
    views: Mapping[str, ViewIndex]  # of the labelled videos, by channel
    named: Sequence[Channel]  # the channels of tag names
    recall_model: RecallModelParts | None
    extractor: TagExtractor | None  # None where no labelled title contains one of its tags

    def neighbour_store(self) -> NeighbourStore:
        """Return the labelled videos for neighbour voting; others may be added."""
        labelled = self.labelled
        table = LabelledTable(
            labelled.ids, labelled.titles, labelled.uploader_ids, labelled.uploader_numbers(), labelled.tags
        )
        searches = {
            name: VideoSearch(NEIGHBOUR_VIEWS[name], view.index, view.videos, view.space)
            for name, view in self.views.items()
        }
        texts = None if self.recall_model is None else TextSearch(self.recall_model.texts)
        return NeighbourStore(table, searches, texts)

    def channels(self, neighbour_store: NeighbourStore, config: RecallConfig) -> list[Channel]:
        """Return the channels, in the order in which tables show them."""
        table, limit = neighbour_store.table, config.tags_per_channel
        channels: list[Channel] = [
            VideoNeighbours(name, search, table, config) for name, search in neighbour_store.searches.items()
        ]
        channels += self.named
        if self.recall_model is not None and config.learnt is not None:
            model = self.recall_model.model
            assert neighbour_store.texts is not None
            channels.append(TextNeighbours(neighbour_store.texts, table, config))
            channels.append(NameWordsChannel(self.words, np.arange(len(self.catalog)), limit))
            if config.learnt.linear:
                channels.append(Classifier(model, limit))
            if self.recall_model.ridge is not None:
                channels.append(Regression(self.recall_model.ridge, limit))
            if self.recall_model.tags is not None:
                channels.append(TagSimilarity(model, self.recall_model.tags.index, self.recall_model.tags.tags, limit))
            channels.append(UploaderTags(table, limit))
        if self.extractor is not None:
            rows = self.catalog.rows_by_spelling
            channels.append(
                ExtractedTags(self.extractor, lambda name: rows.get(normalise(name)), len(self.catalog), limit)
            )
        return channels

    def uses(self) -> NDArray[np.float32]:
        """Return the numbers of uploaders and labelled videos (N, 2) of each tag."""
        lengths = np.diff(self.labelled.tags.starts)
        uploaders = np.repeat(self.labelled.uploader_numbers(), lengths)
        return uses_of(self.labelled.tags.values, uploaders, len(self.catalog))

    @classmethod
    def load(cls, folder: Path, manifest: BundleManifest) -> "RecallParts":
        """Load the parts of a bundle; ArtifactCorruptError for a damaged file."""
        config = manifest.config.recall
        with artifact_errors(folder):
            catalog = TagCatalog.load(folder / "catalog.parquet")
            labelled = LabelledVideos.load(folder / "videos.parquet")
            if len(labelled.tags.values) and labelled.tags.values.max() >= len(catalog):
                raise ValueError("videos.parquet names tags that catalog.parquet does not have")
            indexes = {
                name: ViewIndex.load(folder / "channels" / name, config.index, entry)
                for name, entry in manifest.channels.items()
                if name != TagSimilarity.name
            }
            tags = None
            if (entry := manifest.channels.get(TagSimilarity.name)) is not None:
                tags = TagIndex.load(folder / "channels" / TagSimilarity.name, config.index, entry)
            model = None
            if manifest.learnt is not None:
                with (folder / "learnt" / "texts.npz").open("rb") as file:  # SciPy leaves a truncated file open
                    texts = sparse.load_npz(file)
                learnt = RecallModel.load(folder / "learnt")
                if texts.shape[1] != learnt.features.width:
                    raise ValueError(f"texts {texts.shape}, {learnt.features.width} n-grams")
                ridge = None if not manifest.learnt.landmarks else KernelRidge.load(folder / "learnt")
                if ridge is not None and ridge.ngrams != learnt.features.width:
                    raise ValueError(f"landmarks of {ridge.ngrams} n-grams, the model has {learnt.features.width}")
                model = RecallModelParts(learnt, tags, texts, ridge)
            extractor = None if manifest.extractor is None else TagExtractor.load(folder / "extract")
            named = named_channels(folder, manifest.names, config, catalog)
            if model is None:  # otherwise the fusion was fitted on the existing channels and no other
                indexes = {**_empty_indexes(manifest), **indexes}
            return cls(catalog, NameWords(catalog.names), labelled, indexes, named, model, extractor)


def load_fusion(folder: Path, parts: RecallParts) -> Fusion | None:
    """Load the fusion of a bundle; None without a recall model."""
    if parts.recall_model is None:
        return None
    return Fusion.load(folder / "learnt" / "blend.txt", parts.words, parts.uses())


def named_channels(folder: Path, entry: NamesEntry | None, recall: RecallConfig, catalog: TagCatalog) -> list[Channel]:
    """Load the channels of tag names that the configuration has and whose files the folder holds."""
    config, limit = recall.names, recall.tags_per_channel
    if entry is None:
        return []
    channels: list[Channel] = []
    in_passages = {"spoken": config.spoken, "shown": config.shown}
    if config.written or config.literal or config.described or any(in_passages.values()):
        rows = entry.rows()
        tags = NamedTags.of(load_name_vectors(folder, entry), rows, catalog.spellings(rows.tolist()))
        if config.written or config.literal or config.described:
            channels.append(WrittenNames(tags, config, limit))
        for name, source in PASSAGE_CHANNELS.items():
            if (strength := in_passages[name]) is not None:
                channels.append(PassageNames(name, source, tags, strength, limit))
    for name, modality in SENSED_MODALITIES.items():
        strength = {"seen": config.seen, "heard": config.heard}[name]
        if strength is not None and modality in entry.classes:
            links = load_class_tags(folder, modality, entry)
            if len(links.tag_rows):
                channels.append(SensedNames(name, modality, links, strength, limit))
    return channels


def _empty_indexes(manifest: BundleManifest) -> dict[str, ViewIndex]:
    """Return an empty index for each encoder, to which labelled videos may be added."""
    no_rows = np.zeros(0, np.int64)
    dims = {name: manifest.encoders[view].dim for name, view in NEIGHBOUR_VIEWS.items() if view in manifest.encoders}
    return {
        name: ViewIndex(FlatIndex(np.zeros((0, dim), np.float32)), no_rows, NeighbourSpace.unmoved(dim))
        for name, dim in dims.items()
    }
