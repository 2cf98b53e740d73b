"""Training data of the ranker: encoded texts, frames, sound and tag names, and the negatives of each video."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rank.bert import load_bert, load_tokenizer
from rank.contrastive import TagScorer, TowerEncoder
from rank.negatives import NegativeSampler, exclusion_mask, hierarchy_mask, top_edges
from rank.towers import Towers
from rank.train import RankData, train_ranker
from tagging.bert import Bert
from tagging.config.random_streams import Stream
from tagging.config.rank import NegativesConfig, RankerConfig
from tagging.features.weights import bert_folder
from tagging.progress import Progress
from tagging.ragged import TagLists
from tagging.tags.catalog import TagCatalog
from tagging.tags.graph import TagGraph, build_graph
from tagging.tags.graph_embedding import embed_tags
from tagging.text.normalise import normalise
from tagging.torch_tools import torch_device
from tagging.training.training_set import TrainingSet
from tagging.types import VideoRef

MAX_DUPLICATES = 50


@dataclass(frozen=True, slots=True, eq=False)
class RankTrainingData:
    """V videos and N tags, encoded once; several trainings with different negatives may use them."""

    bert: Bert
    encoder: TowerEncoder  # before training: BERT's lower layers, which are not trained
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
        recalled: TagLists | None = None,
        checkpoint: Path | None = None,
    ) -> TagScorer:
        """Train the towers and encode the catalog with them.

        recalled: V, the tags that recall proposes for each video
        checkpoint: the file that the training is saved in and resumed from
        """
        negatives = self.negatives(config.negatives, recalled)
        towers = train_ranker(self.data, negatives, self.bert, config, seed, progress, checkpoint)
        encoder = TowerEncoder(towers, self.encoder.tokenizer)
        return TagScorer(encoder, encoder.encode_tags(self.data.names, self.data.graph))

    def negatives(self, config: NegativesConfig, recalled: TagLists | None = None) -> NegativeSampler:
        """Return the negative sampler of a configuration; recalled: V, as in `train`."""
        return NegativeSampler(self.known, self.excluded, top_edges(self.edges, config.edges), recalled, config)


def build_rank_data(training_set: TrainingSet, config: RankerConfig, seed: int, progress: Progress) -> RankTrainingData:
    """Encode the videos and tags that the ranker is trained on, and build the tag graph that negatives come from."""
    catalog, tags = training_set.catalog, training_set.labelled.tags
    bert, tokenizer = load_bert(bert_folder(config.bert), config.bert.layers)
    bert = bert.to(torch_device(config.device, "rank.ranker.device"))
    encoder = TowerEncoder(Towers(bert, {}, 0, config.towers), load_tokenizer(tokenizer, config.bert.max_tokens))
    with progress.track("encode titles and tag names", 2) as advance:
        text = encoder.encode_texts([video.text for video in training_set.videos])
        advance(1)
        names = encoder.encode_texts(tag_texts(catalog))
        advance(1)
    uploaders = training_set.labelled.uploader_numbers()
    graph = build_graph(tags, len(catalog), uploaders).filter_edges(min_uploaders=config.edge_uploaders)
    generator = np.random.default_rng([seed, Stream.RANK_TAG_WALKS])
    graph_embedding = embed_tags(graph, config.walks, generator, progress)
    media = {modality: tokens for modality, tokens in training_set.tokens.items() if len(tokens.values)}
    # A video weighs 1 / sqrt(videos of its uploader): an uploader's habits are not knowledge about tags.
    weights = (1.0 / np.sqrt(np.bincount(uploaders)[uploaders])).astype(np.float32)
    known = _known_tags(tags, len(catalog))
    return RankTrainingData(
        bert,
        encoder,
        graph,
        RankData(text, media, names, graph_embedding, weights),
        known,
        exclusion_mask(known, hierarchy_mask(catalog.parents), _duplicates(training_set.videos)),
        sparse.csr_array(
            (graph.uploaders.astype(np.float64), graph.videos.indices, graph.videos.indptr), shape=graph.videos.shape
        ),
    )


def tag_texts(catalog: TagCatalog) -> list[str]:
    """Return the text of each tag that the towers read: its name, and the aliases that use other words."""
    return [
        ", ".join(dict.fromkeys([name, *(alias for alias in aliases if normalise(alias) != normalise(name))]))
        for name, aliases in zip(catalog.names, catalog.aliases, strict=True)
    ]


def _known_tags(tags: TagLists, count: int) -> sparse.csr_array:
    """Return (V, N) True where the video has the tag."""
    ones = np.ones(len(tags.tag_rows), np.bool_)
    return sparse.csr_array((ones, tags.tag_rows, tags.starts), shape=(len(tags), count))


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
