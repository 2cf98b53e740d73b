"""The recall stage of a bundle: its channels, and the labelled videos and tags behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recall.blend import Blend, budgeted, uses_of
from recall.channels.base import Channel
from recall.channels.extracted import Extracted
from recall.channels.learnt import Classifier, LikeNames
from recall.channels.lexical import NamesWithin, SimilarTexts
from recall.channels.names import SensedNames, WrittenNames
from recall.channels.similar import SimilarVideos
from recall.channels.uploader import UsualTags
from recall.extract import TagExtractor
from recall.index.base import VectorIndex
from recall.index.factory import load_index
from recall.learnt import Learnt, text_of
from recall.lexical import NameWords
from recall.merge import merge
from tagging.catalog import TagCatalog
from tagging.config import RecallConfig
from tagging.errors import ArtifactCorruptError
from tagging.store.bundle import BundleManifest, NamesEntry
from tagging.store.labelled import LabelledVideos
from tagging.store.names import load_links, load_names
from tagging.types import Candidates, ChannelTags, Modality, VideoEmbeddings

# The channels of similar videos and what each looks at.
SIMILAR: dict[str, str] = {"text": "text", "video": "frames", "audio": "audio", "multimodal": "multimodal"}
SENSED: dict[str, Modality] = {"seen": "frames", "heard": "audio"}  # the direct sources beside "written"


@dataclass(frozen=True, slots=True, eq=False)
class Indexed:
    """An index, and the labelled video, or for the similarity branch the tag, behind each of its rows."""

    index: VectorIndex
    rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class LearntParts:
    """What recall learnt, and what follows from it for the catalog and the labelled videos."""

    learnt: Learnt
    tags: Indexed | None  # as the similarity branch sees them; None where it was not learnt
    texts: sparse.csr_matrix  # (V, F) n-grams of the labelled videos


class Recaller:
    """Channels side by side, their union, and the likeliest of it within the budget."""

    def __init__(
        self,
        catalog: TagCatalog,
        labelled: LabelledVideos,
        channels: Sequence[Channel],
        learnt: Learnt | None,
        blend: Blend | None,
        budget: int,
    ) -> None:
        self.catalog = catalog
        self.labelled = labelled
        self.channels = channels
        self.blend = blend
        self._learnt = learnt
        self._budget = budget

    @classmethod
    def load(cls, folder: Path, manifest: BundleManifest) -> "Recaller":
        """The recall stage of a bundle; ArtifactCorruptError where a file is not what it should be."""
        config = manifest.config.recall
        try:
            catalog = TagCatalog.load(folder / "catalog.parquet")
            labelled = LabelledVideos.load(folder / "videos.parquet")
            if len(labelled.tags.tag_rows) and labelled.tags.tag_rows.max() >= len(catalog):
                raise ValueError("videos.parquet names tags that catalog.parquet does not have")
            indexes = {
                name: Indexed(
                    load_index(folder / "channels" / name, config.index, entry.dim, entry.count),
                    np.load(folder / "channels" / name / "rows.npy", allow_pickle=False),
                )
                for name, entry in manifest.channels.items()
            }
            learnt = _load_learnt(folder / "learnt", indexes) if manifest.learnt is not None else None
            words = NameWords(catalog.names) if learnt is not None else None
            extracts = manifest.learnt is not None and manifest.learnt.extracts
            extractor = TagExtractor.load(folder / "learnt" / "extract") if extracts else None
            channels = [
                *similar_channels(indexes, labelled, config),
                *named_channels(folder, manifest.names, config, catalog),
                *learnt_channels(learnt, words, labelled, config),
                *extracted_channels(extractor, catalog, config),
            ]
            blend = None
            if learnt is not None and words is not None:
                blend = Blend.load(folder / "learnt" / "blend.txt", words, uses(labelled, len(catalog)))
        except (OSError, LookupError, TypeError, ValueError, AttributeError, RuntimeError, EOFError) as error:
            raise ArtifactCorruptError(f"{folder} cannot be loaded: {error}", "train the bundle again") from error
        return cls(catalog, labelled, channels, learnt.learnt if learnt else None, blend, config.blend.budget)

    def recall(self, videos: Sequence[VideoEmbeddings]) -> list[Candidates]:
        """The candidates of each video, without hidden tags, within the budget."""
        proposed = self.propose(videos)
        return [self.unite(video, one) for video, one in zip(videos, proposed, strict=True)]

    def propose(self, videos: Sequence[VideoEmbeddings]) -> list[dict[str, ChannelTags | None]]:
        """What each channel says of each video."""
        if self._learnt is not None:
            videos = self._learnt.with_hidden(videos)
        by_channel = {channel.name: channel.recall(videos) for channel in self.channels}
        return [{name: tags[place] for name, tags in by_channel.items()} for place in range(len(videos))]

    def name(self, candidates: Candidates, row: int) -> str:
        """The name of a candidate, whether the catalog has it or not."""
        return candidates.new[row] if row in candidates.new else self.catalog.names[row]

    def unite(self, video: VideoEmbeddings, proposed: Mapping[str, ChannelTags | None]) -> Candidates:
        candidates = merge(proposed)
        if self.catalog.hidden.any():
            candidates = _without(candidates, self.catalog.hidden)
        if self.blend is None:
            return candidates
        return budgeted(self.blend.weigh(candidates, text_of(video)), self._budget)


def _load_learnt(folder: Path, indexes: Mapping[str, Indexed]) -> LearntParts:
    return LearntParts(Learnt.load(folder), indexes.get(LikeNames.name), sparse.load_npz(folder / "texts.npz"))


def similar_channels(indexes: Mapping[str, Indexed], labelled: LabelledVideos, config: RecallConfig) -> list[Channel]:
    uploaders = labelled.uploader_numbers()
    return [
        SimilarVideos(name, SIMILAR[name], one.index, one.rows, labelled.tags, uploaders, config)
        for name, one in indexes.items()
        if name in SIMILAR
    ]


def learnt_channels(
    parts: LearntParts | None, words: NameWords | None, labelled: LabelledVideos, config: RecallConfig
) -> list[Channel]:
    learning = config.learnt
    if parts is None or words is None or learning is None:
        return []
    limit = config.tags_per_channel
    channels: list[Channel] = [
        SimilarTexts(parts.learnt.features, parts.texts, labelled.tags, labelled.uploader_numbers(), config),
        NamesWithin(words, limit),
        UsualTags(labelled.uploader_ids, labelled.tags, limit),
    ]
    if learning.linear:
        channels.append(Classifier(parts.learnt, limit))
    if parts.tags is not None:
        channels.append(LikeNames(parts.learnt, parts.tags.index, parts.tags.rows, limit))
    return channels


def extracted_channels(extractor: TagExtractor | None, catalog: TagCatalog, config: RecallConfig) -> list[Channel]:
    if extractor is None:
        return []
    return [Extracted(extractor, catalog.rows_by_normalised(), len(catalog), config.tags_per_channel)]


def uses(labelled: LabelledVideos, tags: int) -> NDArray[np.float32]:
    """(N, 2) uploaders and labelled videos of each tag."""
    lengths = np.diff(labelled.tags.starts)
    return uses_of(labelled.tags.tag_rows, np.repeat(labelled.uploader_numbers(), lengths), tags)


def named_channels(folder: Path, entry: NamesEntry | None, recall: RecallConfig, catalog: TagCatalog) -> list[Channel]:
    """The direct sources, as far as the configuration has them and the folder holds what they need."""
    config, limit = recall.names, recall.tags_per_channel
    if entry is None:
        return []
    channels: list[Channel] = []
    if config.written or config.literal or config.described:
        names = load_names(folder, entry)
        channels.append(WrittenNames(names, catalog.spellings(entry.count), config, limit))
    for name, modality in SENSED.items():
        strength = {"seen": config.seen, "heard": config.heard}[name]
        if strength is not None and modality in entry.classes:
            links = load_links(folder, modality, entry)
            if len(links.tag_rows):
                channels.append(SensedNames(name, modality, links, strength, limit))
    return channels


def _without(candidates: Candidates, hidden: NDArray[np.bool_]) -> Candidates:
    known = candidates.tag_rows < len(hidden)
    kept = ~known | ~hidden[np.where(known, candidates.tag_rows, 0)]
    return replace(candidates, tag_rows=candidates.tag_rows[kept], scores=candidates.scores[kept])
