"""Training of the recall stage: the recall model, and the fusion of all channels.

The model is trained on one part of the labelled videos, and the fusion is fitted on another
(tagging/training/video_split.py). Afterwards the videos of all parts take part in neighbour voting.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recall.channels.extracted import ExtractedTags
from recall.extract.extractor import TagExtractor
from recall.fusion import Fusion, cross_fitted_candidates, fit_fusion, top_candidates
from recall.merge import merge
from recall.model import RecallModel, save_tag_rows
from recall.name_words import NameWords
from recall.query import RecallQuery
from recall.train import ModelInputs, TagInputs, fit_recall_model
from tagging.bundle.indexes import build_tag_index, build_video_indexes
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.bundle.manifest import ExtractorEntry, RecallModelEntry
from tagging.config.random_streams import Stream
from tagging.config.recall import RecallModelConfig
from tagging.config.root import Config
from tagging.pipeline.recall_parts import RecallModelParts, RecallParts
from tagging.pipeline.recall_stage import RecallStage
from tagging.progress import Progress
from tagging.ragged import Ragged
from tagging.tags.catalog import TagCatalog
from tagging.tags.graph import build_graph
from tagging.tags.graph_embedding import embed_tags
from tagging.training.name_sources import NameSources
from tagging.training.training_set import TrainingSet
from tagging.training.video_split import VideoSplit, split_videos
from tagging.types import Candidates, ChannelTags, FloatRows, VideoEmbeddings

logger = logging.getLogger(__name__)

BATCH_VIDEOS = 256

Example = tuple[Candidates, str, NDArray[np.int64]]  # candidates, text and true tag rows of a video


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutCandidates:
    """Recall's candidates for labelled videos that neither its channels nor its fusion were fitted on."""

    rows: NDArray[np.int64]  # (n,) of the labelled videos
    candidates: list[Candidates]  # n, within the budget


@dataclass(frozen=True, slots=True, eq=False)
class TrainedRecall:
    parts: RecallModelParts
    extractor: TagExtractor | None
    tag_vectors: FloatRows  # (N, D) unit rows of the tag tower, zeros where the model knows nothing of a name
    queries: list[RecallQuery]  # of all labelled videos
    fusion: Fusion
    train_rows: NDArray[np.int64]  # of the labelled videos
    fusion_candidates: HeldOutCandidates  # each by a fusion that was fitted on the other half of the uploaders
    control_candidates: HeldOutCandidates
    recalled: Ragged  # of the train rows: tags that recall proposes for some of them, as negatives for rank

    def save(self, folder: Path) -> None:
        """Write everything into a new folder."""
        folder.mkdir()
        self.parts.model.save(folder)
        save_tag_rows(folder, self.tag_vectors)
        sparse.save_npz(folder / "texts.npz", self.parts.texts.astype(np.float32), compressed=False)
        self.fusion.save(folder / "blend.txt")

    def entry(self) -> RecallModelEntry:
        model = self.parts.model
        return RecallModelEntry(
            labels=len(model.labels),
            ngrams=model.features.width,
            videos=len(self.train_rows),
            blended_on=len(self.fusion_candidates.rows),
            kept_for_promises=len(self.control_candidates.rows),
        )

    def extractor_entry(self) -> ExtractorEntry | None:
        return None if self.extractor is None else ExtractorEntry(titles=len(self.train_rows))


def train_recall(training_set: TrainingSet, names: NameSources, config: Config, progress: Progress) -> TrainedRecall:
    """Train the recall stage by a configuration with a recall model.

    Raises NothingToLearnError if the videos are too few, or none of the candidates is right, or all are.
    """
    seed, fusion_config = config.training.seed, config.recall.blend
    split = split_videos(training_set.labelled, config.training)
    fitted = _fit_recall_model(training_set, split, config, names, progress)
    source = _ExampleSource.of(training_set, fitted, split, names, config)

    known_uploader = np.arange(len(training_set)) % 2 == 1
    examples = source.examples("recall candidates for the fusion", split.fusion, progress, known_uploader)
    fusion = fit_fusion(examples, source.words, source.usage, fusion_config, seed)
    uploaders = training_set.labelled.uploader_numbers()[split.fusion]
    cross = cross_fitted_candidates(examples, uploaders, source.words, source.usage, fusion_config, seed)

    def top_by_fusion(label: str, rows: NDArray[np.int64]) -> list[Candidates]:
        weighed = [fusion.weigh(candidates, text) for candidates, text, _ in source.examples(label, rows, progress)]
        return [top_candidates(candidates, fusion_config.budget) for candidates in weighed]

    control = top_by_fusion("recall candidates for precision control", split.control)
    shuffled = np.random.default_rng([seed, Stream.RECALLED_NEGATIVES]).permutation(split.train)
    ranker = config.rank.ranker
    wants_negatives = ranker is not None and ranker.negatives.recalled > 0
    sample = np.sort(shuffled[: config.training.recalled if wants_negatives else 0])
    recalled = top_by_fusion("recall negatives for the ranker", sample)
    return TrainedRecall(
        fitted.parts, fitted.extractor, fitted.tag_vectors, fitted.queries, fusion, split.train,
        HeldOutCandidates(split.fusion, [top_candidates(candidates, fusion_config.budget) for candidates in cross]),
        HeldOutCandidates(split.control, control),
        _catalog_tags(dict(zip(sample.tolist(), recalled, strict=True)), split.train, len(training_set.catalog)),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _FittedModel:
    parts: RecallModelParts
    extractor: TagExtractor | None
    tag_vectors: FloatRows  # (N, D)
    queries: list[RecallQuery]  # V


def _fit_recall_model(
    training_set: TrainingSet, split: VideoSplit, config: Config, names: NameSources, progress: Progress
) -> _FittedModel:
    """Train the model on the train rows, and encode all videos and tags with it."""
    recall, seed = config.recall, config.training.seed
    assert recall.learnt is not None
    catalog, labelled = training_set.catalog, training_set.labelled.only(split.train)
    tag_inputs = _tag_inputs(catalog, names.vectors, labelled, recall.learnt, seed, progress)
    inputs = ModelInputs.of(training_set.embeddings, split.train, tag_inputs, recall.learnt)
    uploaders = labelled.uploader_numbers()
    model: RecallModel = fit_recall_model(inputs, labelled.tags, uploaders, recall.learnt, seed, progress)
    queries = model.queries_of(training_set.embeddings, inputs.videos)
    tag_vectors = model.tag_rows(inputs.tags)
    index = build_tag_index(model, tag_vectors, recall, seed)
    extractor = _fit_extractor(labelled, catalog, seed)
    return _FittedModel(RecallModelParts(model, index, inputs.videos.ngrams), extractor, tag_vectors, queries)


@dataclass(frozen=True, slots=True, eq=False)
class _ExampleSource:
    """The recall stage over the train rows, which proposes candidates for labelled videos as for unseen ones."""

    training_set: TrainingSet
    embeddings: Sequence[VideoEmbeddings]  # V
    stage: RecallStage
    words: NameWords
    usage: FloatRows  # (N, 2) uploaders and videos of each tag among the train rows

    @classmethod
    def of(
        cls, training_set: TrainingSet, fitted: _FittedModel, split: VideoSplit, names: NameSources, config: Config
    ) -> "_ExampleSource":
        rows, words = split.train, NameWords(training_set.catalog.names)
        views = build_video_indexes([fitted.queries[row] for row in rows.tolist()], config.recall, config.training.seed)
        parts = RecallParts(
            training_set.catalog, words, training_set.labelled.only(rows), views, names.channels,
            replace(fitted.parts, texts=fitted.parts.texts[rows]), fitted.extractor,
        )  # fmt: skip
        stage = RecallStage.of(parts, None, config.recall)
        return cls(training_set, training_set.embeddings, stage, words, parts.uses())

    def examples(
        self, label: str, rows: NDArray[np.int64], progress: Progress, known_uploader: NDArray[np.bool_] | None = None
    ) -> list[Example]:
        """Return the united candidates, text and true tags of labelled videos.

        label: of the work, for the progress display
        known_uploader: (V,) True where recall may use the uploader's history; None: nowhere
        """
        labelled, catalog = self.training_set.labelled, self.training_set.catalog
        known = np.zeros(len(self.embeddings), np.bool_) if known_uploader is None else known_uploader
        found: list[Example] = []
        with progress.track(label, len(rows)) as advance:
            for start in range(0, len(rows), BATCH_VIDEOS):
                batch = rows[start : start + BATCH_VIDEOS].tolist()
                videos = [
                    self.embeddings[row] if known[row] else replace(self.embeddings[row], uploader_id=None)
                    for row in batch
                ]
                for row, video, proposed in zip(batch, videos, self.stage.propose(videos), strict=True):
                    candidates = merge({name: _known_tags(name, tags, self.usage) for name, tags in proposed.items()})
                    candidates = _mark_new(candidates, catalog, self.usage)
                    found.append((candidates, video.text, labelled.tags.at(row)))
                advance(len(batch))
        return found


def _tag_inputs(
    catalog: TagCatalog,
    names: FloatRows | None,
    labelled: LabelledVideos,
    config: RecallModelConfig,
    seed: int,
    progress: Progress,
) -> TagInputs:
    """Return the tag tower's inputs: each tag's name, its vector by the text encoder, its graph embedding."""
    dense: dict[str, FloatRows] = {}
    if "text" in config.tag_views and names is not None:
        dense["text"] = np.zeros((len(catalog), names.shape[1]), np.float32)
        dense["text"][: len(names)] = names
    if "graph" in config.tag_views:
        graph = build_graph(labelled.tags, len(catalog), labelled.uploader_numbers())
        graph = graph.filter_edges(min_uploaders=config.edge_uploaders)
        if graph.edges:
            generator = np.random.default_rng([seed, Stream.RECALL_TAG_WALKS])
            dense["graph"] = embed_tags(graph, config.walks, generator, progress)
    return TagInputs(catalog.names, dense)


def _fit_extractor(labelled: LabelledVideos, catalog: TagCatalog, seed: int) -> TagExtractor | None:
    tags = [[catalog.names[tag_row] for tag_row in labelled.tags.at(row)] for row in range(len(labelled.ids))]
    uploaders = [str(number) for number in labelled.uploader_numbers()]
    try:
        return TagExtractor.fit(labelled.titles, tags, uploaders, np.random.default_rng([seed, Stream.TAG_EXTRACTION]))
    except ValueError as error:
        logger.info("no new tags will be proposed: %s", error)
        return None


def _known_tags(channel: str, tags: ChannelTags | None, usage: FloatRows) -> ChannelTags | None:
    """Leave out tags that no train row has: only extraction could know them."""
    if tags is None or channel == ExtractedTags.name:
        return tags
    kept = usage[tags.tag_rows, 1] > 0
    evidence = tuple(piece for piece, is_kept in zip(tags.evidence, kept, strict=False) if is_kept)
    return ChannelTags(tags.tag_rows[kept], tags.scores[kept], tags.neighbours, evidence)


def _mark_new(candidates: Candidates, catalog: TagCatalog, usage: FloatRows) -> Candidates:
    """Mark the tags that no train row has as new, as they would be to a bundle trained on those rows only.

    Otherwise no new tag would ever be correct, because the catalog has all tags of the held-out videos.
    """
    known = candidates.tag_rows[candidates.within(len(catalog))]
    new = {row: catalog.names[row] for row in known[usage[known, 1] == 0].tolist()}
    return replace(candidates, new={**candidates.new, **new})


def _catalog_tags(candidates: Mapping[int, Candidates], rows: NDArray[np.int64], tags: int) -> Ragged:
    """Return the catalog tags among the candidates of each row, none for a row without candidates."""
    in_catalog = {row: proposed.tag_rows[proposed.within(tags)] for row, proposed in candidates.items()}
    return Ragged.of([in_catalog.get(row, np.zeros(0, np.int64)) for row in rows.tolist()])
