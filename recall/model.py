"""What recall learns from labelled videos: vectors of n-grams, a tower for videos, one for tags, a linear head.

A video's h meets tags in two ways, which see different things:

    linear       W h + b, a vector of its own for every label: tags that several uploaders use
    similarity   s · cos(P h, t), t from the tag tower: any tag with a name, also one added a second ago

and h itself, at unit length, is what labelled videos are compared by in the multimodal channel.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from recall.ngrams import NgramFeatures
from recall.tower import NGRAMS, Tower
from tagging.files.tensors import read_tensors
from tagging.types import VideoEmbeddings

AT_ONCE = 4096
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """What is known of n things, videos or tags: a sparse row of n-grams, dense rows, and which of them there are."""

    ngrams: sparse.csr_matrix  # (n, F)
    dense: Mapping[str, Floats]  # (n, dim) each; zeros where missing
    present: NDArray[np.bool_]  # (n, 1 + dense) n-grams first

    def __len__(self) -> int:
        return len(self.present)

    def rows(self, rows: NDArray[np.int64]) -> "Views":
        return Views(self.ngrams[rows], {view: values[rows] for view, values in self.dense.items()}, self.present[rows])


def views_of(texts: Sequence[str], dense: Mapping[str, Floats], features: NgramFeatures) -> Views:
    """dense: (n, dim) of each view, zeros where a thing lacks it."""
    ngrams = features.transform(texts)
    present = [np.diff(ngrams.indptr) > 0, *(rows.any(axis=1) for rows in dense.values())]
    return Views(ngrams, dense, np.stack(present, axis=1))


def dense_rows(videos: Sequence[VideoEmbeddings], view: str, dim: int) -> Floats:
    """(n, dim) what the videos have of a view, zeros where they lack it; ValueError for another width."""
    rows = np.zeros((len(videos), dim), np.float32)
    for place, video in enumerate(videos):
        if (row := video.rows.get(view)) is not None:
            if row.shape != (dim,):
                raise ValueError(f"{view} embedding of shape {row.shape}, the tower was taught ({dim},)")
            rows[place] = row
    return rows


def text_of(video: VideoEmbeddings) -> str:
    return "\n".join(part for part in (video.title, video.description) if part.strip())


class Head(nn.Module):
    """The similarity branch's projection and scale; the linear branch's vectors lie in tables."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, width, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(np.log(10.0), dtype=torch.float32))

    def forward(self, videos: Tensor, tags: Tensor) -> Tensor:
        """(B, D), (M, D) -> (B, M) scaled cosines."""
        cosines = functional.normalize(self.project(videos), dim=1) @ functional.normalize(tags, dim=1).T
        return cosines * self.scale()

    def scale(self) -> Tensor:
        return self.log_scale.clamp(max=np.log(100.0)).exp()


@dataclass(slots=True, eq=False)
class RecallModel:
    """All weights; L labels are the catalog rows that the linear branch knows, of N tags."""

    features: NgramFeatures
    table: Tensor  # (F, D) vectors of n-grams
    videos: Tower
    tags: Tower
    head: Head
    weights: Tensor  # (L, D)
    bias: Tensor  # (L,) of the linear branch
    tag_bias: Tensor  # (N,) of the similarity branch
    labels: NDArray[np.int64]  # (L,) catalog rows, rising

    def video_views(self, videos: Sequence[VideoEmbeddings]) -> Views:
        """The views of videos, those that the tower was not taught left out."""
        dense = {view: dense_rows(videos, view, dim) for view, dim in self.videos.dims.items()}
        return views_of([text_of(video) for video in videos], dense, self.features)

    @torch.inference_mode()
    def embed(self, tower: Tower, views: Views) -> tuple[Floats, Floats]:
        """h (n, D) and attention (n, views); zeros for a thing of which nothing is known."""
        h = np.zeros((len(views), self.table.shape[1]), np.float32)
        attention = np.zeros((len(views), len(tower.views)), np.float32)
        known = np.flatnonzero(views.present.any(axis=1))
        for start in range(0, len(known), AT_ONCE):
            rows = known[start : start + AT_ONCE]
            some = views.rows(rows)
            values = {NGRAMS: torch.from_numpy(some.ngrams @ self.table.numpy())}
            values |= {view: torch.from_numpy(dense) for view, dense in some.dense.items()}
            vectors, weights = tower(values, torch.from_numpy(some.present))
            h[rows], attention[rows] = vectors.numpy(), weights.numpy()
        return h, attention

    def with_hidden(self, videos: Sequence[VideoEmbeddings]) -> list[VideoEmbeddings]:
        """The videos with their h, and its direction as the row `multimodal`; as they were where nothing is known."""
        hidden, attention = self.embed(self.videos, self.video_views(videos))
        return [
            replace(
                video,
                hidden=h,
                attention=dict(zip(self.videos.views, weights.tolist(), strict=True)),
                rows={**video.rows, "multimodal": h / np.linalg.norm(h)},
            )
            if h.any()
            else video
            for video, h, weights in zip(videos, hidden, attention, strict=True)
        ]

    def tag_rows(self, names: Sequence[str], dense: Mapping[str, Floats] = MappingProxyType({})) -> Floats:
        """(N, D) unit rows of the tag tower; zeros for a name of which nothing is known.

        dense: (N, dim) of the views that are at hand, zeros where a tag lacks one; a view left out is lacking for all.
        """
        zeros = {view: np.zeros((len(names), dim), np.float32) for view, dim in self.tags.dims.items()}
        rows, _ = self.embed(
            self.tags, views_of(names, {view: dense.get(view, zeros[view]) for view in zeros}, self.features)
        )
        return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), np.float32)

    def tag_points(self, tags: Floats, rows: NDArray[np.int64]) -> Floats:
        """(n, D + 1) points of these of the (N, D) tags, whose products with those of videos are the logits."""
        bias = self.tag_bias.numpy()[rows, None]
        return np.concatenate([self.head.scale().item() * tags[rows], bias], axis=1)

    @torch.inference_mode()
    def video_points(self, hidden: Floats) -> Floats:
        """(n, D) h -> (n, D + 1)"""
        projected = functional.normalize(self.head.project(torch.from_numpy(hidden)), dim=1).numpy()
        return np.concatenate([projected, np.ones((len(hidden), 1), np.float32)], axis=1)

    def longest(self) -> float:
        """No point of a tag is longer."""
        return math.hypot(self.head.scale().item(), self.tag_bias.abs().max().item())

    def save(self, folder: Path) -> None:
        self.features.save(folder / "ngrams.parquet")
        tensors = {"table": self.table.half(), "weights": self.weights.half(), "bias": self.bias}
        tensors |= {"tag_bias": self.tag_bias, "labels": torch.from_numpy(self.labels)}
        for name, module in self._modules():
            tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
        save_file({key: value.contiguous() for key, value in tensors.items()}, folder / "model.safetensors")

    @classmethod
    def load(cls, folder: Path) -> "RecallModel":
        """The weights of a folder; ValueError or KeyError where its file is not one of these."""
        tensors, _ = read_tensors(folder / "model.safetensors")
        table = tensors.pop("table").float()
        learnt = cls(
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
        for name, module in learnt._modules():
            state = {
                key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")
            }
            module.load_state_dict(state)
            module.eval()
        if learnt.features.width != len(table):
            raise ValueError(f"{len(table)} n-gram vectors, {learnt.features.width} n-grams")
        return learnt

    def _modules(self) -> list[tuple[str, nn.Module]]:
        return [("videos", self.videos), ("tags", self.tags), ("head", self.head)]


def _tower(tensors: Mapping[str, Tensor], name: str, width: int) -> Tower:
    """An untrained tower of the views that the saved one has."""
    start = f"{name}.enter."
    kernels = {key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)}
    dims = {key.removesuffix(".weight"): value.shape[1] for key, value in kernels.items() if key.endswith(".weight")}
    return Tower(dims, width, dropout=0.0)


def save_tag_rows(folder: Path, rows: Floats) -> None:
    """rows: (N, D) of the tag tower, zeros where nothing of a name is known."""
    np.save(folder / "tags.npy", rows.astype(np.float16), allow_pickle=False)
