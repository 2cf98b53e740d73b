"""What the towers are trained on: texts, frames, sound and names as they read them, and whom they are told apart by."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rank.bert import Bert, load_bert, load_tokenizer
from rank.contrastive import TagScorer, TowerEncoder
from rank.negatives import NegativeSampler, exclusion_mask, hierarchy_mask, top_edges
from rank.towers import Towers
from rank.train import RankData, train_ranker
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.config.random_streams import Stream
from tagging.config.rank import NegativesConfig, RankerConfig
from tagging.features.weights import bert_folder
from tagging.progress import Progress
from tagging.ragged import TagLists, Tokens
from tagging.tags.catalog import TagCatalog
from tagging.tags.graph import TagGraph, build_graph
from tagging.tags.graph_embedding import embed_tags
from tagging.text import normalise
from tagging.torch_tools import torch_device
from tagging.types import Modality, VideoRef

MOST_TWINS = 50

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class RankTrainingData:
    """V videos and N tags, read once; each training may take other negatives."""

    bert: Bert
    encoder: TowerEncoder  # before training: BERT's lower layers, which stay
    graph: TagGraph
    data: RankData
    known: sparse.csr_array  # (V, N)
    excluded: sparse.csr_array  # (V, N), rank/negatives.py
    edges: sparse.csr_array  # (N, N) of the graph, by uploaders

    def train(
        self,
        config: RankerConfig,
        seed: int,
        progress: Progress,
        recalled: TagLists | None = None,
        checkpoint: Path | None = None,
    ) -> TagScorer:
        """recalled: V, what recall proposed for each video"""
        negatives = self.negatives(config.negatives, recalled)
        towers = train_ranker(self.data, negatives, self.bert, config, seed, progress, checkpoint)
        encoder = TowerEncoder(towers, self.encoder.tokenizer)
        return TagScorer(encoder, encoder.encode_tags(self.data.names, self.data.graph))

    def negatives(self, config: NegativesConfig, recalled: TagLists | None = None) -> NegativeSampler:
        return NegativeSampler(self.known, self.excluded, top_edges(self.edges, config.edges), recalled, config)


def build_rank_data(
    videos: Sequence[VideoRef],
    tokens: Mapping[Modality, Tokens],
    labelled: LabelledVideos,
    catalog: TagCatalog,
    config: RankerConfig,
    seed: int,
    progress: Progress,
) -> RankTrainingData:
    """videos, tokens, labelled: V, those to learn from."""
    bert, tokenizer = load_bert(bert_folder(config.bert), config.bert.layers)
    bert = bert.to(torch_device(config.device, "rank.ranker.device"))
    encoder = TowerEncoder(Towers(bert, {}, 0, config.towers), load_tokenizer(tokenizer, config.bert.max_tokens))
    with progress.track("read titles and names", 2) as advance:
        text = encoder.encode_texts([video.text for video in videos])
        advance(1)
        names = encoder.encode_texts(tag_texts(catalog))
        advance(1)
    numbers, tags = labelled.uploader_numbers(), labelled.tags
    graph = build_graph(tags, len(catalog), numbers).filter_edges(min_uploaders=config.edge_uploaders)
    places = embed_tags(graph, config.walks, np.random.default_rng([seed, Stream.RANK_TAG_WALKS]), progress).rows
    media = {name: one for name, one in tokens.items() if len(one.values)}
    ones = np.ones(len(tags.tag_rows), np.bool_)
    known = sparse.csr_array((ones, tags.tag_rows, tags.starts), shape=(len(tags), len(catalog)))
    # An uploader's habits are no knowledge: a video weighs 1 / sqrt(videos of its uploader).
    weights = (1.0 / np.sqrt(np.bincount(numbers)[numbers])).astype(np.float32)
    return RankTrainingData(
        bert,
        encoder,
        graph,
        RankData(text, media, names, places, weights),
        known,
        exclusion_mask(known, hierarchy_mask(catalog.parents), _twins(videos)),
        sparse.csr_array(
            (graph.uploaders.astype(np.float64), graph.videos.indices, graph.videos.indptr), shape=graph.videos.shape
        ),
    )


def tag_texts(catalog: TagCatalog) -> list[str]:
    """What towers read of each tag: its name, and the aliases that say it in other words."""
    return [
        ", ".join(dict.fromkeys([name, *(alias for alias in aliases if normalise(alias) != normalise(name))]))
        for name, aliases in zip(catalog.names, catalog.aliases, strict=True)
    ]


def _twins(videos: Sequence[VideoRef]) -> sparse.csr_array:
    """(V, V) true where two videos say the same; a text that more than MOST_TWINS share says nothing of any."""
    texts = [normalise(video.text) for video in videos]
    counts = Counter(texts)
    numbers = {text: number for number, text in enumerate(counts)}
    rows = np.array([row for row, text in enumerate(texts) if text and 1 < counts[text] <= MOST_TWINS], np.int64)
    columns = np.array([numbers[texts[row]] for row in rows.tolist()], np.int64)
    same = sparse.csr_array((np.ones(len(rows), np.bool_), (rows, columns)), shape=(len(videos), len(counts)))
    return sparse.csr_array(same @ same.T)
