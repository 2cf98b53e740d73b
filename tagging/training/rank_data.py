"""Training data of the ranker: encoded texts, frames, sound and tag names, and the negatives of each video."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rank.bert import load_bert, load_tokenizer
from rank.contrastive import TagScorer, TowerEncoder
from rank.negatives import NegativeSampler, exclusion_mask, hierarchy_mask, top_edges
from rank.texts import BertStates, EncoderRows, RowEncoder, TextStates, view_rows
from rank.train import RankData, train_ranker
from tagging.bert import Bert
from tagging.config.random_streams import Stream
from tagging.config.rank import NegativesConfig, RankerConfig
from tagging.errors import NothingToLearnError
from tagging.features.encode_texts import StoredTexts
from tagging.features.weights import bert_folder
from tagging.progress import Progress
from tagging.ragged import Ragged, Tokens, starts_of
from tagging.tags.catalog import TagCatalog
from tagging.tags.graph import TagGraph, build_graph
from tagging.tags.graph_embedding import embed_tags
from tagging.text.normalise import normalise
from tagging.torch_tools import torch_device
from tagging.training.training_set import TrainingSet
from tagging.types import PASSAGE_SOURCES, AnyModality, Modality, VideoEmbeddings, VideoRef

MAX_DUPLICATES = 50
NAMES_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class RankTrainingData:
    """V videos and N tags, encoded once; several trainings with different negatives may use them."""

    bert: Bert | None  # of which the upper layers are trained
    texts: TextStates
    graph: TagGraph
    data: RankData
    known: sparse.csr_array  # (V, N) bool, True: the video has the tag
    excluded: sparse.csr_array  # (V, N) bool, True: never a negative of the video (rank/negatives.py)
    edges: sparse.csr_array  # (N, N) edges of the graph, weighted by uploaders

    def train(
        self,
        config: RankerConfig,
        seed: int,
        progress: Progress,
        recalled: Ragged | None = None,
        checkpoint: Path | None = None,
    ) -> TagScorer:
        """Train the towers and encode the catalog with them.

        recalled: V, the tags that recall proposes for each video
        checkpoint: the file that the training is saved in and resumed from
        """
        negatives = self.negatives(config.negatives, recalled)
        towers = train_ranker(self.data, negatives, self.bert, config, seed, progress, checkpoint)
        encoder = TowerEncoder(towers, self.texts)
        return TagScorer(encoder, encoder.encode_tags(self.data.names, self.data.graph))

    def negatives(self, config: NegativesConfig, recalled: Ragged | None = None) -> NegativeSampler:
        """Return the negative sampler of a configuration; recalled: V, as in `train`."""
        return NegativeSampler(self.known, self.excluded, top_edges(self.edges, config.edges), recalled, config)


def build_rank_data(
    training_set: TrainingSet, text_encoder: RowEncoder | None, config: RankerConfig, seed: int, progress: Progress
) -> RankTrainingData:
    """Encode the videos and tags that the ranker is trained on, and build the tag graph that negatives come from.

    Raises NothingToLearnError without a text encoder, if the configuration has no BERT either.
    """
    catalog, tags = training_set.catalog, training_set.labelled.tags
    texts = _text_states(text_encoder, config)
    text = texts.of_videos(training_set.embeddings)
    # The feature store is read once in a call.
    at_once = len(catalog) if isinstance(text_encoder, StoredTexts) else NAMES_AT_ONCE
    names = _encode_names(tag_texts(catalog), texts, at_once, progress)
    uploaders = training_set.labelled.uploader_numbers()
    graph = build_graph(tags, len(catalog), uploaders).filter_edges(min_uploaders=config.edge_uploaders)
    generator = np.random.default_rng([seed, Stream.RANK_TAG_WALKS])
    graph_embedding = embed_tags(graph, config.walks, generator, progress)
    media = media_tokens(training_set.tokens, training_set.embeddings, texts)
    media = {name: tokens for name, tokens in media.items() if len(tokens.values)}
    # A video weighs 1 / sqrt(videos of its uploader): an uploader's habits are not knowledge about tags.
    weights = (1.0 / np.sqrt(np.bincount(uploaders)[uploaders])).astype(np.float32)
    known = _known_tags(tags, len(catalog))
    return RankTrainingData(
        texts.bert if isinstance(texts, BertStates) else None,
        texts,
        graph,
        RankData(text, media, names, graph_embedding, weights),
        known,
        exclusion_mask(known, hierarchy_mask(catalog.parents), _duplicates(training_set.videos)),
        sparse.csr_array(
            (graph.uploaders.astype(np.float64), graph.videos.indices, graph.videos.indptr), shape=graph.videos.shape
        ),
    )


def media_tokens(
    tokens: Mapping[Modality, Tokens], videos: Sequence[VideoEmbeddings], texts: TextStates
) -> dict[AnyModality, Tokens]:
    """Return what the video tower reads beside the title: frames, sound, and rows of speech and screen text.

    A BERT of the ranker's own has no rows of passages, so it reads none.
    """
    media: dict[AnyModality, Tokens] = {modality: tokens[modality] for modality in tokens}
    if isinstance(texts, EncoderRows):
        media |= {source: view_rows(videos, source, texts.encoder.dim) for source in PASSAGE_SOURCES}
    return media


def _text_states(text_encoder: RowEncoder | None, config: RankerConfig) -> TextStates:
    if config.bert is not None:
        bert, tokenizer = load_bert(bert_folder(config.bert), config.bert.layers)
        bert = bert.to(torch_device(config.device, "rank.ranker.device"))
        lower = bert.shape.layers - config.towers.trained_layers
        return BertStates(bert, load_tokenizer(tokenizer, config.bert.max_tokens), lower)
    if text_encoder is None:
        raise NothingToLearnError("no text encoder, and the ranker has no BERT of its own")
    return EncoderRows(text_encoder)


def _encode_names(names: Sequence[str], texts: TextStates, at_once: int, progress: Progress) -> Tokens:
    parts = []
    with progress.track("encode tag names", len(names)) as advance:
        for start in range(0, len(names), at_once):
            parts.append(texts.of_texts(names[start : start + at_once]))
            advance(len(parts[-1]))
    lengths = np.concatenate([np.diff(part.starts) for part in parts])
    return Tokens(starts_of(lengths), np.concatenate([part.values for part in parts]))


def tag_texts(catalog: TagCatalog) -> list[str]:
    """Return the text of each tag that the towers read: its name, and the aliases that use other words."""
    return [
        ", ".join(dict.fromkeys([name, *(alias for alias in aliases if normalise(alias) != normalise(name))]))
        for name, aliases in zip(catalog.names, catalog.aliases, strict=True)
    ]


def _known_tags(tags: Ragged, count: int) -> sparse.csr_array:
    """Return (V, N) True where the video has the tag."""
    ones = np.ones(len(tags.values), np.bool_)
    return sparse.csr_array((ones, tags.values, tags.starts), shape=(len(tags), count))


def _duplicates(videos: Sequence[VideoRef]) -> sparse.csr_array:
    """Return (V, V) True where two videos have equal texts.

    A text that more than MAX_DUPLICATES videos share is boilerplate, which does not make its videos alike.
    """
    texts = [normalise(video.text) for video in videos]
    counts = Counter(texts)
    numbers: dict[str, int] = {text: number for number, text in enumerate(counts)}
    rows: NDArray[np.int64] = np.array(
        [row for row, text in enumerate(texts) if text and 1 < counts[text] <= MAX_DUPLICATES], np.int64
    )
    columns = np.array([numbers[texts[row]] for row in rows.tolist()], np.int64)
    same = sparse.csr_array((np.ones(len(rows), np.bool_), (rows, columns)), shape=(len(videos), len(counts)))
    return sparse.csr_array(same @ same.T)
