"""Contrastive ranker: two towers, tag vectors of the catalog, tree re-ranker and confidence model."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from tokenizers import Tokenizer

from rank.bert import TextTokenizer, encode_lower_layers
from rank.confidence import ConfidenceModel
from rank.padding import pad
from rank.towers import TagInput, Towers, VideoInput
from rank.tree_reranker import TreeReranker
from tagging.bert import Bert, BertShape
from tagging.config.rank import RankerConfig
from tagging.files.tensors import read_tensors
from tagging.ragged import Tokens, starts_of
from tagging.types import Candidates, Modality, RankInput, TagScores

AT_ONCE = 256

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class TowerEncoder:
    """The towers with their tokenizer: texts and media tokens to unit rows."""

    towers: Towers
    tokenizer: TextTokenizer

    def encode_texts(self, texts: Sequence[str]) -> Tokens:
        """Return the output of BERT's lower layers for texts; no tokens for a blank text."""
        rows = [row for row, text in enumerate(texts) if text.strip()]
        states = encode_lower_layers(
            self.towers.bert, self.tokenizer, [texts[row] for row in rows], self.towers.lower_layers
        )
        lengths = np.zeros(len(texts), np.int64)
        lengths[rows] = np.diff(states.starts)
        return Tokens(starts_of(lengths), states.values)

    @torch.inference_mode()
    def encode_videos(self, text: Tokens, media: Mapping[Modality, Tokens]) -> Floats:
        """Return (B, D) unit rows; zeros for a video without text and media."""
        rows = np.zeros((len(text), self.towers.width), np.float32)
        for start in range(0, len(text), AT_ONCE):
            batch = np.arange(start, min(start + AT_ONCE, len(text)))
            inputs = VideoInput(
                pad(text.only(batch)), {name: pad(media[name].only(batch)) for name in self.towers.media_dims}
            )
            inputs = inputs.to(self.towers.device)
            present = inputs.present()
            rows[batch] = (self.towers.encode_videos(inputs, present) * present.any(dim=1, keepdim=True)).cpu().numpy()
        return rows

    @torch.inference_mode()
    def encode_tags(self, names: Tokens, graph: Floats) -> Floats:
        """Return (N, D) unit rows; graph: (N, G) graph embeddings, zeros for a tag without one."""
        rows = np.zeros((len(names), self.towers.width), np.float32)
        for start in range(0, len(names), AT_ONCE):
            batch = np.arange(start, min(start + AT_ONCE, len(names)))
            inputs = TagInput(pad(names.only(batch)), torch.from_numpy(graph[batch])).to(self.towers.device)
            rows[batch] = self.towers.encode_tags(inputs).cpu().numpy()
        return rows

    def encode_names(self, names: Sequence[str]) -> Floats:
        """Return (n, D) unit rows of tags without a graph embedding, from their names."""
        return self.encode_tags(self.encode_texts(names), np.zeros((len(names), self.towers.graph_dim), np.float32))


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
        media = {
            name: Tokens.of([getattr(video.features, name) for video in videos], dim)
            for name, dim in self.encoder.towers.media_dims.items()
        }
        return self.encoder.encode_videos(self.encoder.encode_texts([video.video.text for video in videos]), media)

    def cosines(self, videos: Sequence[RankInput]) -> list[Floats]:
        """Return the (K,) cosines of each video with its candidates."""
        rows, names = self.video_vectors(videos), self.new_tag_vectors([video.candidates for video in videos])
        return [self.cosines_of(row, video.candidates, names) for row, video in zip(rows, videos, strict=True)]

    def new_tag_vectors(self, candidates: Sequence[Candidates]) -> dict[str, Floats]:
        """Return (D,) unit rows of the tags outside the catalog, by name; one batch is faster than one by one."""
        names = list(
            dict.fromkeys(name for video in candidates for name in video.new.values() if name not in self.known)
        )
        return {**self.known, **dict(zip(names, self.encoder.encode_names(names), strict=True))}

    def cosines_of(self, row: Floats, candidates: Candidates, names: Mapping[str, Floats]) -> Floats:
        """Return (K,) cosines of a video's (D,) unit row; names: unit rows of candidates outside the catalog."""
        known = candidates.within(len(self.tag_vectors))
        cosines = np.empty(len(known), np.float32)
        cosines[known] = self.tag_vectors[candidates.tag_rows[known]] @ row
        for position in np.flatnonzero(~known).tolist():
            cosines[position] = names[candidates.new[int(candidates.tag_rows[position])]] @ row
        return cosines


@dataclass(frozen=True, slots=True, eq=False)
class ContrastiveRanker:
    """The ranker of a bundle that was trained on labelled videos."""

    scorer: TagScorer
    order: TreeReranker
    confidence: ConfidenceModel

    def score(self, videos: Sequence[RankInput]) -> list[TagScores]:
        cosines = self.scorer.cosines(videos)
        return [TagScores(self.confidences(video.candidates, row)) for video, row in zip(videos, cosines, strict=True)]

    def with_tag_vectors(self, names: Mapping[str, Floats]) -> "ContrastiveRanker":
        """Return this ranker with cached (D,) unit rows of tags outside the catalog, by name."""
        return replace(self, scorer=replace(self.scorer, known=names))

    def confidences(self, candidates: Candidates, cosines: Floats) -> Floats:
        """Return the (K,) confidences of a video's candidates; cosines: (K,)"""
        return self.confidence.probabilities(candidates, cosines, self.order.score(candidates, cosines))

    def save(self, folder: Path) -> None:
        towers = self.scorer.encoder.towers
        shape = towers.bert.shape
        about: dict[str, object] = {"bert": [getattr(shape, name) for name in BertShape.__slots__]}
        about |= {"media": towers.media_dims, "graph": towers.graph_dim}
        state = {
            name: value.half() if name.startswith("bert.") else value for name, value in towers.state_dict().items()
        }
        save_file({name: value.cpu().contiguous() for name, value in state.items()}, folder / "towers.safetensors")
        (folder / "towers.json").write_text(json.dumps(about) + "\n", encoding="utf-8")
        self.scorer.encoder.tokenizer.save(folder / "tokenizer.json")
        save_tags(folder, self.scorer.tag_vectors)
        self.order.save(folder / "order.txt")
        self.confidence.save(folder / "confidence.json")

    @classmethod
    def load(cls, folder: Path, config: RankerConfig, device: str = "cpu") -> "ContrastiveRanker":
        """Load from a folder of a bundle. Raises OSError, LookupError, ValueError or RuntimeError if it is damaged."""
        about = json.loads((folder / "towers.json").read_text(encoding="utf-8"))
        towers = Towers(Bert(BertShape(*about["bert"])), about["media"], about["graph"], config.towers)
        state, _ = read_tensors(folder / "towers.safetensors")
        towers.load_state_dict({name: value.float() for name, value in state.items()})
        tokenizer = TextTokenizer(_read_tokenizer(folder / "tokenizer.json"), config.bert.max_tokens)
        tags = np.load(folder / "tags.npy", allow_pickle=False).astype(np.float32)
        if tags.ndim != 2 or tags.shape[1] != towers.width:
            raise ValueError(f"tags {tags.shape}, towers of width {towers.width}")
        scorer = TagScorer(TowerEncoder(towers.eval().to(device), tokenizer), tags)
        return cls(scorer, TreeReranker.load(folder / "order.txt"), ConfidenceModel.load(folder / "confidence.json"))


def save_tags(folder: Path, tags: Floats) -> None:
    """Write the (N, D) unit rows of the catalog in half precision."""
    np.save(folder / "tags.npy", tags.astype(np.float16), allow_pickle=False)


def _read_tokenizer(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises plain Exception
        raise ValueError(f"{path.name} cannot be read: {error}") from error
