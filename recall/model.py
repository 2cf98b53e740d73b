"""Recall model: n-gram vectors, a video tower, a tag tower and a linear head, trained on labelled videos.

The encoding h of a video is compared with tags in two ways, which find different tags:

    linear       W h + b, a vector of its own for every label: tags that several uploaders use
    similarity   s · cos(P h, t), t from the tag tower: any tag with a name, including tags added while serving

and at unit length, labelled videos are compared by h in the multimodal channel.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from recall.ngrams import NgramFeatures, NgramRow
from recall.query import MULTIMODAL, RecallQuery
from recall.tower import NGRAMS, Tower, TowerForward
from tagging.files.tensors import read_tensors, write_tensors
from tagging.types import FloatRows, Indices, VideoEmbeddings

BATCH = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Tower inputs of n videos or tags: a sparse row of n-grams, dense rows, and which of them are present."""

    ngrams: sparse.csr_matrix  # (n, F)
    dense: Mapping[str, FloatRows]  # (n, dim) each; zeros where missing
    present: NDArray[np.bool_]  # (n, 1 + dense) n-grams first

    def __len__(self) -> int:
        return len(self.present)

    @classmethod
    def of(cls, ngrams: sparse.csr_matrix, dense: Mapping[str, FloatRows]) -> "Views":
        """Return the views of n-grams (n, F) and dense rows (n, dim), whose zero rows are missing."""
        present = [np.diff(ngrams.indptr) > 0, *(rows.any(axis=1) for rows in dense.values())]
        return cls(ngrams, dense, np.stack(present, axis=1))

    def rows(self, rows: Indices) -> "Views":
        return Views(self.ngrams[rows], {view: values[rows] for view, values in self.dense.items()}, self.present[rows])


def views_of(texts: Sequence[str], dense: Mapping[str, FloatRows], features: NgramFeatures) -> Views:
    """Return the views of n texts and dense rows (n, dim), whose zero rows are missing."""
    return Views.of(features.transform(texts), dense)


def dense_rows(videos: Sequence[VideoEmbeddings], modality: str, dim: int) -> FloatRows:
    """Return the embeddings (n, dim) of a modality, zeros where missing; ValueError for another width."""
    rows = np.zeros((len(videos), dim), np.float32)
    for index, video in enumerate(videos):
        if (row := video.rows.get(modality)) is not None:
            if row.shape != (dim,):
                raise ValueError(f"{modality} embedding of shape {row.shape}, the tower was trained on ({dim},)")
            rows[index] = row
    return rows


class Head(nn.Module):
    """The projection and scale of the similarity branch; the vectors of the linear branch are in tables."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, width, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(np.log(10.0), dtype=torch.float32))

    def forward(self, videos: Tensor, tags: Tensor) -> Tensor:
        """Return scaled cosines (B, M) of videos (B, D) and tags (M, D)."""
        cosines = functional.normalize(self.project(videos), dim=1) @ functional.normalize(tags, dim=1).T
        return cosines * self.scale()

    def scale(self) -> Tensor:
        return self.log_scale.clamp(max=np.log(100.0)).exp()


@dataclass(slots=True, eq=False)
class RecallModel:
    """All weights; of the N tags of the catalog, the linear branch has L labels."""

    features: NgramFeatures
    table: Tensor  # (F, D) vectors of n-grams
    videos: Tower
    tags: Tower
    head: Head
    weights: Tensor  # (L, D)
    bias: Tensor  # (L,) of the linear branch
    tag_bias: Tensor  # (N,) of the similarity branch
    labels: Indices  # (L,) catalog rows, rising

    def video_views(self, videos: Sequence[VideoEmbeddings]) -> Views:
        """Return the views of videos, without modalities that the tower was not trained on."""
        dense = {view: dense_rows(videos, view, dim) for view, dim in self.videos.dims.items()}
        return views_of([video.text for video in videos], dense, self.features)

    @torch.inference_mode()
    def encode(self, tower: TowerForward, views: Views) -> tuple[FloatRows, FloatRows]:
        """Return h (n, D) and attention (n, views); zeros for an item without any view."""
        h = np.zeros((len(views), self.table.shape[1]), np.float32)
        attention = np.zeros(views.present.shape, np.float32)
        known = np.flatnonzero(views.present.any(axis=1))
        for start in range(0, len(known), BATCH):
            rows = known[start : start + BATCH]
            batch = views.rows(rows)
            values = {NGRAMS: torch.from_numpy(batch.ngrams @ self.table.numpy())}
            values |= {view: torch.from_numpy(dense) for view, dense in batch.dense.items()}
            vectors, weights = tower(values, torch.from_numpy(batch.present))
            h[rows], attention[rows] = vectors.numpy(), weights.numpy()
        return h, attention

    def queries(self, videos: Sequence[VideoEmbeddings], tower: TowerForward | None = None) -> list[RecallQuery]:
        """Return the videos as queries, with h and its direction as the view `multimodal` where any view is known.

        tower: runs the video tower elsewhere; None: in this process
        """
        return self.queries_of(videos, self.video_views(videos), tower)

    def queries_of(
        self, videos: Sequence[VideoEmbeddings], views: Views, tower: TowerForward | None = None
    ) -> list[RecallQuery]:
        """Return the videos as `queries` does, from their views."""
        hidden, attention = self.encode(tower or self.videos, views)
        return [
            RecallQuery(
                video,
                {**video.rows, MULTIMODAL: h / np.linalg.norm(h)},
                NgramRow.at(views.ngrams, row),
                h,
                dict(zip(self.videos.views, weights.tolist(), strict=True)),
            )
            if h.any()
            else RecallQuery.of(video)
            for row, (video, h, weights) in enumerate(zip(videos, hidden, attention, strict=True))
        ]

    def encode_tags(self, names: Sequence[str], dense: Mapping[str, FloatRows] = MappingProxyType({})) -> FloatRows:
        """Return unit rows (N, D) of the tag tower; zeros for a name without known n-grams or views.

        dense: (N, dim) of the available views, zeros where a tag lacks one; a view left out is missing for all
        """
        zeros = {view: np.zeros((len(names), dim), np.float32) for view, dim in self.tags.dims.items()}
        return self.tag_rows(views_of(names, {view: dense.get(view, zeros[view]) for view in zeros}, self.features))

    def tag_rows(self, views: Views) -> FloatRows:
        """Return unit rows (N, D) of tags as `encode_tags` does, from their views."""
        rows, _ = self.encode(self.tags, views)
        return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), np.float32)

    def tag_points(self, tags: FloatRows, rows: Indices) -> FloatRows:
        """Return points (n, D + 1) of some of the tags (N, D); products with points of videos are the logits."""
        bias = self.tag_bias.numpy()[rows, None]
        return np.concatenate([self.head.scale().item() * tags[rows], bias], axis=1)

    @torch.inference_mode()
    def video_points(self, hidden: FloatRows) -> FloatRows:
        """Return points (n, D + 1) of videos from their h (n, D)."""
        projected = functional.normalize(self.head.project(torch.from_numpy(hidden)), dim=1).numpy()
        return np.concatenate([projected, np.ones((len(hidden), 1), np.float32)], axis=1)

    def max_tag_norm(self) -> float:
        """Return an upper bound of the length of a tag's point."""
        return math.hypot(self.head.scale().item(), self.tag_bias.abs().max().item())

    def with_unused_tags(self, count: int) -> "RecallModel":
        """Return the model with biases for `count` more tags that no video has, appended to the existing ones.

        Training gives a tag on c of the videos the bias log((c + 1) / C), C = Σ c. C is not stored, but follows, as
        Σ exp(bias) over N tags is (C + N) / C.
        """
        pairs = len(self.tag_bias) / (self.tag_bias.double().exp().sum() - 1)
        unused = -pairs.log().to(self.tag_bias.dtype)
        return replace(self, tag_bias=torch.cat([self.tag_bias, unused.expand(count)]))

    def save(self, folder: Path) -> None:
        self.features.save(folder / "ngrams.parquet")
        tensors = {"table": self.table.half(), "weights": self.weights.half(), "bias": self.bias}
        tensors |= {"tag_bias": self.tag_bias, "labels": torch.from_numpy(self.labels)}
        for name, module in self._modules():
            tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
        write_tensors(folder / "model.safetensors", tensors)

    @classmethod
    def load(cls, folder: Path) -> "RecallModel":
        """Load the weights of a folder; ValueError or KeyError if its file does not contain them."""
        tensors, _ = read_tensors(folder / "model.safetensors")
        table = tensors.pop("table").float()
        model = cls(
            NgramFeatures.load(folder / "ngrams.parquet"),
            table,
            _tower(tensors, "videos", table.shape[1]),
            _tower(tensors, "tags", table.shape[1]),
            Head(table.shape[1]),
            tensors.pop("weights").float(),
            tensors.pop("bias"),
            tensors.pop("tag_bias"),
            tensors.pop("labels").numpy(),
        )
        for name, module in model._modules():
            state = {
                key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")
            }
            module.load_state_dict(state)
            module.eval()
        if model.features.width != len(table):
            raise ValueError(f"{len(table)} n-gram vectors, {model.features.width} n-grams")
        return model

    def _modules(self) -> list[tuple[str, nn.Module]]:
        return [("videos", self.videos), ("tags", self.tags), ("head", self.head)]


def _tower(tensors: Mapping[str, Tensor], name: str, width: int) -> Tower:
    """Return an untrained tower with the views of the saved one."""
    start = f"{name}.enter."
    kernels = {key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)}
    dims = {key.removesuffix(".weight"): value.shape[1] for key, value in kernels.items() if key.endswith(".weight")}
    return Tower(dims, width, dropout=0.0)


def save_tag_rows(folder: Path, rows: FloatRows) -> None:
    """Save the tag tower's rows (N, D), zeros for names without known views, in half precision."""
    np.save(folder / "tags.npy", rows.astype(np.float16), allow_pickle=False)
