"""Contrastive ranker: two towers, tag vectors of the catalog, tree re-ranker and confidence model."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from rank.base import Needed
from rank.bert import TextTokenizer
from rank.confidence import ConfidenceModel
from rank.padding import pad
from rank.texts import BertStates, EncoderRows, RowEncoder, TextStates, view_rows
from rank.towers import TagInput, Towers, TowersForward, VideoInput
from rank.tree_reranker import TreeReranker
from tagging.bert import Bert, BertShape
from tagging.config.rank import RankerConfig
from tagging.files.tensors import read_tensors, write_tensors
from tagging.ragged import Tokens
from tagging.types import PASSAGE_SOURCES, AnyModality, Candidates, RankInput, TagScores

AT_ONCE = 256
HIGHEST = 1.001  # cosine of unit rows, with room for rounding

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class TowerEncoder:
    """The towers with their reader of texts: texts and media tokens to unit rows."""

    towers: Towers
    texts: TextStates
    remote: TowersForward | None = None  # runs the towers elsewhere; None: in this process

    @property
    def forward(self) -> TowersForward:
        return self.towers if self.remote is None else self.remote

    def encode_videos(self, text: Tokens, media: Mapping[AnyModality, Tokens]) -> Floats:
        """Return (B, D) unit rows; zeros for a video without text and media."""
        rows = np.zeros((len(text), self.towers.width), np.float32)
        for start in range(0, len(text), AT_ONCE):
            batch = np.arange(start, min(start + AT_ONCE, len(text)))
            inputs = VideoInput(
                pad(text.only(batch)), {name: pad(media[name].only(batch)) for name in self.towers.media_dims}
            )
            rows[batch] = self.forward.video_rows(inputs).numpy()
        return rows

    def encode_tags(self, names: Tokens, graph: Floats) -> Floats:
        """Return (N, D) unit rows; graph: (N, G) graph embeddings, zeros for a tag without one."""
        rows = np.zeros((len(names), self.towers.width), np.float32)
        for start in range(0, len(names), AT_ONCE):
            batch = np.arange(start, min(start + AT_ONCE, len(names)))
            inputs = TagInput(pad(names.only(batch)), torch.from_numpy(graph[batch]))
            rows[batch] = self.forward.tag_rows(inputs).numpy()
        return rows

    def encode_names(self, names: Sequence[str]) -> Floats:
        """Return (n, D) unit rows of tags without a graph embedding, from their names."""
        return self.encode_tags(self.texts.of_texts(names), np.zeros((len(names), self.towers.graph_dim), np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class TagScorer:
    """Cosines of videos and tags. Names of tags outside the catalog (phrases of a title) are encoded on demand."""

    encoder: TowerEncoder
    tag_vectors: Floats  # (N, D) unit rows of the catalog
    known: Mapping[str, Floats] = field(
        default_factory=dict
    )  # (D,) of tags beyond the catalog that were read before, by name

    def video_vectors(self, videos: Sequence[RankInput]) -> Floats:
        """Return (B, D) unit rows; zeros for a video without text and media."""
        embeddings = [video.embeddings for video in videos]
        media = {
            name: view_rows(embeddings, name, dim)
            if name in PASSAGE_SOURCES
            else Tokens.of([getattr(video.features, name) for video in videos], dim)
            for name, dim in self.encoder.towers.media_dims.items()
        }
        return self.encoder.encode_videos(self.encoder.texts.of_videos(embeddings), media)

    def cosines(self, videos: Sequence[RankInput]) -> list[Floats]:
        """Return the (K,) cosines of each video with its candidates."""
        unread = (name for video in videos for name in self.unread(video.candidates, self.known).values())
        rows, names = self.video_vectors(videos), {**self.known, **self.name_vectors(unread)}
        return [self.cosines_of(row, video.candidates, names) for row, video in zip(rows, videos, strict=True)]

    def unread(self, candidates: Candidates, names: Mapping[str, Floats]) -> dict[int, str]:
        """Return, by position, the names of the candidates outside the catalog that are not among `names`.

        A tag of the catalog may be marked as new, as in training; its row is in `tag_vectors`.
        """
        beyond = np.flatnonzero(~candidates.within(len(self.tag_vectors)))
        of_position = zip(beyond.tolist(), candidates.tag_rows[beyond].tolist(), strict=True)
        return {position: candidates.new[row] for position, row in of_position if candidates.new[row] not in names}

    def name_vectors(self, names: Iterable[str]) -> dict[str, Floats]:
        """Return (D,) unit rows by name; each name is read once, and one batch is faster than one by one."""
        distinct = list(dict.fromkeys(names))
        return dict(zip(distinct, self.encoder.encode_names(distinct), strict=True))

    def cosines_of(self, row: Floats, candidates: Candidates, names: Mapping[str, Floats]) -> Floats:
        """Return (K,) cosines of a video's (D,) unit row; NaN for names outside the catalog that were not read.

        names: (D,) unit rows of those that were
        """
        known = candidates.within(len(self.tag_vectors))
        cosines = np.full(len(known), np.nan, np.float32)
        cosines[known] = self.tag_vectors[candidates.tag_rows[known]] @ row
        for position in np.flatnonzero(~known).tolist():
            if (name := candidates.new[int(candidates.tag_rows[position])]) in names:
                cosines[position] = names[name] @ row
        return cosines


@dataclass(frozen=True, slots=True, eq=False)
class ContrastiveRanker:
    """The ranker of a bundle that was trained on labelled videos."""

    scorer: TagScorer
    order: TreeReranker
    confidence: ConfidenceModel

    def score(self, videos: Sequence[RankInput], needed: Sequence[Needed]) -> list[TagScores]:
        """Return the scores of each video's candidates; names outside the catalog are read if theirs are needed.

        Reading them takes longer than all else, and few are answered. So a name that was not read has the highest
        confidence that it could have; names whose scores are needed even so are read, and their videos scored again.
        """
        vectors, names = self.scorer.video_vectors(videos), dict(self.scorer.known)
        scores: dict[int, TagScores] = {}
        waiting: Collection[int] = range(len(videos))
        while waiting:
            missing: dict[int, list[str]] = {}
            for index in waiting:
                candidates = videos[index].candidates
                unread = self.scorer.unread(candidates, names)
                cosines = self.scorer.cosines_of(vectors[index], candidates, names)
                scores[index] = self._scores_of(candidates, cosines, [*unread])
                positions = needed[index](candidates, scores[index]).tolist()
                if lacking := [unread[position] for position in positions if position in unread]:
                    missing[index] = lacking
            names |= self.scorer.name_vectors(chain.from_iterable(missing.values()))
            waiting = missing
        return [scores[index] for index in range(len(videos))]

    def with_tag_vectors(self, names: Mapping[str, Floats]) -> "ContrastiveRanker":
        """Return this ranker with cached (D,) unit rows of tags outside the catalog, by name."""
        return replace(self, scorer=replace(self.scorer, known=names))

    def _scores_of(self, candidates: Candidates, cosines: Floats, unread: list[int]) -> TagScores:
        """Return the scores of a video's candidates; those that are unread get the highest that any cosine could give.

        The re-ranker's score rises with the cosine, or stays; the weight of either may be negative.
        cosines: (K,)
        unread: positions without a cosine
        """
        own, of_reranker = cosines.copy(), cosines.copy()
        own[unread] = np.copysign(HIGHEST, self.confidence.cosine)
        of_reranker[unread] = np.copysign(HIGHEST, self.confidence.order)
        return self.confidence.scores(candidates, own, self.order.score(candidates, of_reranker))

    def save(self, folder: Path) -> None:
        towers = self.scorer.encoder.towers
        shape = None if towers.bert is None else [getattr(towers.bert.shape, name) for name in BertShape.__slots__]
        about = {"bert": shape, "text": towers.text_dim, "media": towers.media_dims, "graph": towers.graph_dim}
        state = {
            name: value.half() if name.startswith("bert.") else value for name, value in towers.state_dict().items()
        }
        write_tensors(folder / "towers.safetensors", {name: value.cpu() for name, value in state.items()})
        (folder / "towers.json").write_text(json.dumps(about) + "\n", encoding="utf-8")
        if isinstance(self.scorer.encoder.texts, BertStates):
            self.scorer.encoder.texts.tokenizer.save(folder / "tokenizer.json")
        save_tags(folder, self.scorer.tag_vectors)
        self.order.save(folder / "order.txt")
        self.confidence.save(folder / "confidence.json")

    @classmethod
    def load(
        cls, folder: Path, config: RankerConfig, text: RowEncoder | None, device: str = "cpu"
    ) -> "ContrastiveRanker":
        """Load from a folder of a bundle. Raises OSError, LookupError, ValueError or RuntimeError if it is damaged.

        text: the bundle's text encoder
        """
        about = json.loads((folder / "towers.json").read_text(encoding="utf-8"))
        bert = about["bert"] and Bert(BertShape(*about["bert"]))
        towers = Towers(bert or about["text"], about["media"], about["graph"], config.towers)
        state, _ = read_tensors(folder / "towers.safetensors")
        towers.load_state_dict({name: value.float() for name, value in state.items()})
        tags = np.load(folder / "tags.npy", allow_pickle=False).astype(np.float32)
        if tags.ndim != 2 or tags.shape[1] != towers.width:
            raise ValueError(f"tags {tags.shape}, towers of width {towers.width}")
        towers = towers.eval().to(device)
        scorer = TagScorer(TowerEncoder(towers, _text_states(folder, towers, config, text)), tags)
        return cls(scorer, TreeReranker.load(folder / "order.txt"), ConfidenceModel.load(folder / "confidence.json"))


def _text_states(folder: Path, towers: Towers, config: RankerConfig, text: RowEncoder | None) -> TextStates:
    if towers.bert is not None:
        if config.bert is None:
            raise ValueError("the towers have a BERT, the configuration has none")
        tokenizer = TextTokenizer(_read_tokenizer(folder / "tokenizer.json"), config.bert.max_tokens)
        return BertStates(towers.bert, tokenizer, towers.lower_layers)
    if text is None or text.dim != towers.text_dim:
        raise ValueError(f"the towers read rows of a text encoder, {towers.text_dim} wide")
    return EncoderRows(text)


def save_tags(folder: Path, tags: Floats) -> None:
    """Write the (N, D) unit rows of the catalog in half precision."""
    np.save(folder / "tags.npy", tags.astype(np.float16), allow_pickle=False)


def _read_tokenizer(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises plain Exception
        raise ValueError(f"{path.name} cannot be read: {error}") from error
