"""Training of the recall model on some of the labelled videos, and of what is fitted beside it."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recall.extract.extractor import TagExtractor
from recall.query import RecallQuery
from recall.regression import fit_kernel_ridge
from recall.train import ModelInputs, TagInputs, fit_recall_model
from tagging.bundle.indexes import build_tag_index
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.config.random_streams import Stream
from tagging.config.recall import RecallModelConfig
from tagging.config.root import Config
from tagging.pipeline.recall_parts import RecallModelParts
from tagging.progress import Progress
from tagging.tags.catalog import TagCatalog
from tagging.tags.graph import build_graph
from tagging.tags.graph_embedding import embed_tags
from tagging.training.training_set import TrainingSet
from tagging.types import FloatRows

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class TrainedModel:
    parts: RecallModelParts
    extractor: TagExtractor | None
    tag_vectors: FloatRows  # (N, D) unit rows of the tag tower, zeros where the model knows nothing of a name
    queries: list[RecallQuery]  # V


def train_recall_model(
    training_set: TrainingSet, rows: NDArray[np.int64], names: FloatRows | None, config: Config, progress: Progress
) -> TrainedModel:
    """Train the model on some of the V videos, and encode all videos and tags with it.

    rows: (n,) of the videos to train on
    names: rows of the catalog's names by the text encoder; None without one
    """
    recall, seed = config.recall, config.training.seed
    assert recall.learnt is not None
    catalog, labelled = training_set.catalog, training_set.labelled.only(rows)
    tag_inputs = _tag_inputs(catalog, names, labelled, recall.learnt, seed, progress)
    inputs = ModelInputs.of(training_set.embeddings, rows, tag_inputs, recall.learnt)
    uploaders = labelled.uploader_numbers()
    model = fit_recall_model(inputs, labelled.tags, uploaders, recall.learnt, seed, progress)
    queries = model.queries_of(training_set.embeddings, inputs.videos)
    tag_vectors = model.tag_rows(inputs.tags)
    index = build_tag_index(model, tag_vectors, recall, seed)
    extractor = _fit_extractor(labelled, catalog, seed)
    ridge = None
    if (regression := recall.learnt.regression) is not None and len(training_set) < regression.below:
        generator = np.random.default_rng([seed, Stream.RECALL_REGRESSION])
        ridge = fit_kernel_ridge(
            inputs.videos.rows(rows), labelled.tags, uploaders, model.labels, regression, generator
        )
    return TrainedModel(RecallModelParts(model, index, inputs.videos.ngrams, ridge), extractor, tag_vectors, queries)


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
