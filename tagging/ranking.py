"""What rank learns from labelled videos: the towers, and how sure a candidate is.

Towers learn from the videos that recall's channels learnt from, confidence from those that recall's blend was fitted
on, and neither from those that say what a promise is worth (tagging/learning.py).
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rank.base import Ranker
from rank.bert import load_bert, load_reader
from rank.confidence import fit_confidence
from rank.contrastive import Contrastive, Matching, TowerReader
from rank.negatives import Negatives, kept_out, kin_of, strongest
from rank.promise import Answers
from rank.select import resolved
from rank.towers import Towers
from rank.train import RankData, train_ranker
from tagging.catalog import TagCatalog
from tagging.config import Config, RankerConfig
from tagging.deepwalk import embed_tags
from tagging.features.weights import resolve
from tagging.graph import TagGraph, build_graph
from tagging.learning import Learning, Recalled
from tagging.pipeline import only, rank_inputs
from tagging.progress import Progress
from tagging.store.bundle import RankerEntry
from tagging.store.labelled import LabelledVideos
from tagging.types import Modality, Tokens, VideoRef
from tagging.words import normalise

logger = logging.getLogger(__name__)

LONGEST_ANSWER = 50  # tags that a promise can be kept for
MOST_TWINS = 50

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    ranker: Contrastive
    graph: TagGraph
    videos: int  # that the towers learnt from

    def save(self, folder: Path) -> None:
        (folder / "rank").mkdir()
        self.ranker.save(folder / "rank")
        self.graph.save(folder / "graph.parquet")

    def entry(self) -> RankerEntry:
        return RankerEntry(videos=self.videos, edges=self.graph.edges)


def learn_rank(
    videos: Sequence[VideoRef],
    tokens: Mapping[Modality, Tokens],
    labelled: LabelledVideos,
    catalog: TagCatalog,
    learning: Learning,
    config: Config,
    progress: Progress,
    checkpoint: Path | None = None,
) -> Ranking | None:
    """None where the configuration wants no ranker. videos, tokens, labelled: V."""
    learnt_from, blended = learning.learnt_from, learning.blended
    ranker, seed = config.rank.ranker, config.training.seed
    if ranker is None:
        return None
    bert, tokenizer = load_bert(resolve(ranker.bert.weights, "config.json"), ranker.bert.layers)
    reader = load_reader(tokenizer, ranker.bert.max_tokens)
    first = TowerReader(Towers(bert, {}, 0, ranker.towers), reader)  # its lower layers are what stays
    media = {name: one for name, one in tokens.items() if len(one.values)}
    with progress.track("read titles and names", 2) as advance:
        text = first.texts([video.text for video in videos])
        advance(1)
        names = first.texts(spelled(catalog))
        advance(1)
    some = labelled.only(learnt_from)
    graph = build_graph(some.tags, len(catalog), some.uploader_numbers()).with_least(uploaders=ranker.edge_uploaders)
    places = embed_tags(graph, ranker.walks, np.random.default_rng([seed, 5]), progress).rows
    data = RankData(
        text.only(learnt_from),
        only(media, learnt_from),
        names,
        places,
        _weights(some),
    )
    negatives = _negatives(some, [videos[row] for row in learnt_from.tolist()], catalog, graph, ranker)
    towers = train_ranker(data, negatives, bert, ranker, seed, progress, checkpoint)
    reading = TowerReader(towers, reader)
    matching = Matching(reading, reading.tags(names, places))
    inputs = rank_inputs([videos[row] for row in blended.rows.tolist()], only(tokens, blended.rows), blended.candidates)
    true = [labelled.tags.of(row) for row in blended.rows.tolist()]
    confidence = fit_confidence(list(zip(blended.candidates, matching.cosines(inputs), true, strict=True)))
    return Ranking(Contrastive(matching, confidence), graph, len(learnt_from))


def held_out_answers(
    ranker: Ranker,
    videos: Sequence[VideoRef],
    tokens: Mapping[Modality, Tokens],
    labelled: LabelledVideos,
    catalog: TagCatalog,
    promised: Recalled,
) -> Answers | None:
    """What the bundle would answer the videos that nothing was fitted on; None where there are none."""
    rows = promised.rows.tolist()
    if not rows:
        return None
    scores = ranker.score(rank_inputs([videos[row] for row in rows], only(tokens, promised.rows), promised.candidates))
    answers = []
    for row, candidates, score in zip(rows, promised.candidates, scores, strict=True):
        places = resolved(candidates, score, catalog.parents, LONGEST_ANSWER)
        right = np.isin(candidates.tag_rows[places], labelled.tags.of(row))
        answers.append((score.confidences[places], right))
    return Answers.of(answers, labelled.uploader_numbers()[promised.rows])


def spelled(catalog: TagCatalog) -> list[str]:
    """What towers read of each tag: its name, and the aliases that say it in other words."""
    return [
        ", ".join(dict.fromkeys([name, *(alias for alias in aliases if normalise(alias) != normalise(name))]))
        for name, aliases in zip(catalog.names, catalog.aliases, strict=True)
    ]


def _weights(labelled: LabelledVideos) -> Floats:
    """(V,) an uploader's habits are no knowledge: a video weighs 1 / sqrt(videos of its uploader)."""
    numbers = labelled.uploader_numbers()
    return (1.0 / np.sqrt(np.bincount(numbers)[numbers])).astype(np.float32)


def _negatives(
    labelled: LabelledVideos, videos: list[VideoRef], catalog: TagCatalog, graph: TagGraph, config: RankerConfig
) -> Negatives:
    tags = labelled.tags
    shape = (len(tags), len(catalog))
    known = sparse.csr_array((np.ones(len(tags.tag_rows), np.bool_), tags.tag_rows, tags.starts), shape=shape)
    weights = sparse.csr_array(
        (graph.uploaders.astype(np.float64), graph.videos.indices, graph.videos.indptr), shape=graph.videos.shape
    )
    never = kept_out(known, kin_of(catalog.parents), _twins(videos))
    return Negatives(known, never, strongest(weights, config.negatives.edges), None, config.negatives)


def _twins(videos: list[VideoRef]) -> sparse.csr_array:
    """(V, V) true where two videos say the same; a text that more than MOST_TWINS share says nothing of any."""
    texts = [normalise(video.text) for video in videos]
    counts = Counter(texts)
    numbers = {text: number for number, text in enumerate(counts)}
    rows = np.array([row for row, text in enumerate(texts) if text and 1 < counts[text] <= MOST_TWINS], np.int64)
    columns = np.array([numbers[texts[row]] for row in rows.tolist()], np.int64)
    same = sparse.csr_array((np.ones(len(rows), np.bool_), (rows, columns)), shape=(len(videos), len(counts)))
    return sparse.csr_array(same @ same.T)
