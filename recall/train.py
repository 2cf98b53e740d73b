"""Training of what recall learns (recall/model.py): one loop, three losses.

    linear       every batch's labels are its own tags and some drawn evenly; logits are corrected by the log of the
                 chance to be drawn (Bengio and Senécal 2008), so frequent tags are not pushed down
    similarity   the same over a part of those labels, with vectors from the tag tower
    contrastive  a video finds another uploader's video with a tag in common among the batch's

An uploader's habits are no knowledge: a video weighs 1 / sqrt(videos of its uploader), a tag of one uploader is
nothing the linear branch could tell for others and is left to the tower, and partners are always another uploader's.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from recall.loss import LOSSES, Loss, contrastive, softmax
from recall.model import Floats, Head, RecallModel, Views, dense_rows, text_of, views_of
from recall.ngrams import NgramFeatures
from recall.tower import NGRAMS, Tower
from tagging.config.random_streams import Stream
from tagging.config.recall import RecallModelConfig
from tagging.errors import NothingToLearnError
from tagging.progress import Progress
from tagging.ragged import TagLists
from tagging.torch_tools import RowAdagrad, modality_dropout
from tagging.types import MODALITIES, VideoEmbeddings

logger = logging.getLogger(__name__)

Rows = NDArray[np.int64]
TELL_EVERY = 200


@dataclass(frozen=True, slots=True, eq=False)
class TagInputs:
    """What is known of the catalog's N tags beside who uses them: "text", their names read by the text encoder, and
    "graph", where they stand in the tag graph. A new tag has no place in the graph, so views drop out in training."""

    names: Sequence[str]
    dense: Mapping[str, Floats]  # view -> (N, dim), zeros for a tag without


def learn(
    videos: Sequence[VideoEmbeddings],
    tags: TagLists,
    uploaders: Rows,
    catalog: TagInputs,
    config: RecallModelConfig,
    seed: int,
    progress: Progress,
) -> RecallModel:
    """Weights from V labelled videos; NothingToLearnError where no tag is used by enough of them to learn from.

    tags:      catalog rows of each video
    uploaders: (V,) equal numbers for videos of one uploader
    """
    texts = [text_of(video) for video in videos]
    features = NgramFeatures.fit(texts, config.ngrams) if config.ngrams else NgramFeatures.none()
    dims = {m: next((len(video.rows[m]) for video in videos if m in video.rows), 0) for m in MODALITIES}
    views = views_of(texts, {m: dense_rows(videos, m, dim) for m, dim in dims.items() if dim}, features)
    tag_views = views_of(catalog.names, catalog.dense, features)
    return _fit(_Data.of(views, tag_views, tags, uploaders, config), features, config, seed, progress)


@dataclass(frozen=True, slots=True, eq=False)
class _Data:
    videos: Views
    tags: Views
    known: sparse.csr_matrix  # (V, N) ones where a video has a tag
    holders: sparse.csr_matrix  # (N, V) the same by tag
    uploaders: Rows  # (V,)
    visible: NDArray[np.bool_]  # (V,) videos with something to look at
    usable: Rows  # videos to learn from: something to look at, and a tag
    labels: Rows  # catalog rows of the linear branch
    place: Rows  # (N,) of each catalog row among the labels, -1
    weights: Floats  # (V,) mean 1 over the usable

    @classmethod
    def of(cls, videos: Views, tags: Views, lists: TagLists, uploaders: Rows, config: RecallModelConfig) -> "_Data":
        ones = np.ones(len(lists.tag_rows), np.float32)
        known = sparse.csr_matrix((ones, lists.tag_rows, lists.starts), shape=(len(videos), len(tags)))
        _, number = np.unique(uploaders, return_inverse=True)
        by_uploader = sparse.csr_matrix((np.ones(len(number)), (number, np.arange(len(number))))) @ known
        labels = np.flatnonzero(by_uploader.getnnz(axis=0) >= config.least_uploaders)
        if not len(labels):
            raise NothingToLearnError(f"no tag is used by {config.least_uploaders} uploaders")
        place = np.full(len(tags), -1)
        place[labels] = np.arange(len(labels))
        visible = np.asarray(videos.present.any(axis=1))
        usable = np.flatnonzero(visible & (known[:, labels].getnnz(axis=1) > 0))
        weights = 1.0 / np.sqrt(np.bincount(number)[number])
        weights = (weights / weights[usable].mean()).astype(np.float32)
        return cls(videos, tags, known, known.T.tocsr(), uploaders, visible, usable, labels, place, weights)

    def partner(self, video: int, generator: np.random.Generator) -> int:
        """Another uploader's video with a tag in common, rarer tags sooner; the video itself where there is none."""
        tags = self.known.indices[self.known.indptr[video] : self.known.indptr[video + 1]]
        counts = np.diff(self.holders.indptr)[tags]
        tags = tags[(counts > 1) & (self.place[tags] >= 0)]
        if len(tags):
            chances = 1.0 / np.diff(self.holders.indptr)[tags]
            tag = generator.choice(tags, p=chances / chances.sum())
            others = self.holders.indices[self.holders.indptr[tag] : self.holders.indptr[tag + 1]]
            others = others[(self.uploaders[others] != self.uploaders[video]) & self.visible[others]]
            if len(others):
                return int(generator.choice(others))
        return video

    def log_drawn(self, batch: int, negatives: int) -> Floats:
        """(N,) log of the chance that a tag is among a batch's labels."""
        shares = np.asarray(self.known.sum(axis=0)).ravel() / len(self.videos)
        by_videos = -np.expm1(batch * np.log1p(-np.minimum(shares, 0.999)))
        return np.asarray(np.log(np.minimum(by_videos + negatives / len(self.labels), 1.0) + 1e-9), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """B videos, their partners, the labels and the tags that they meet, and the n-grams of all as sums over `used`."""

    videos: Views  # (2B,) the videos, then their partners
    tags: Views  # (M,)
    used: Rows  # rows of the n-gram table
    video_ngrams: sparse.csr_matrix  # (2B, used)
    tag_ngrams: sparse.csr_matrix  # (M, used)
    labels: Rows  # places among the labels of the linear branch
    label_pairs: tuple[Rows, Rows]  # (video, place in `labels`) of what is true
    named: Rows  # (M,) catalog rows of the tags
    named_pairs: tuple[Rows, Rows]
    alike: Tensor  # (B, B) True where a video shares a tag with another's partner
    has_partner: Tensor  # (B,)
    weight: Tensor  # (B,)

    @classmethod
    def draw(cls, data: _Data, rows: Rows, config: RecallModelConfig, generator: np.random.Generator) -> "_Batch":
        partners = np.array([data.partner(row, generator) for row in rows.tolist()])
        known = data.known[rows]
        pairs = np.repeat(np.arange(len(rows)), np.diff(known.indptr))
        drawn = data.labels[generator.integers(0, len(data.labels), config.negatives)]
        labels = np.unique(np.r_[data.place[known.indices], data.place[drawn]])
        labels = labels[labels >= 0]
        place = data.place[known.indices]
        named = np.unique(generator.choice(np.r_[known.indices, drawn], config.likened))
        is_named = np.isin(known.indices, named)
        videos, tags = data.videos.rows(np.r_[rows, partners]), data.tags.rows(named)
        used, video_ngrams, tag_ngrams = _compact(videos.ngrams, tags.ngrams, config.ngram_dropout, generator)
        return cls(
            videos=videos,
            tags=tags,
            used=used,
            video_ngrams=video_ngrams,
            tag_ngrams=tag_ngrams,
            labels=labels,
            label_pairs=(pairs[place >= 0], np.searchsorted(labels, place[place >= 0])),
            named=named,
            named_pairs=(pairs[is_named], np.searchsorted(named, known.indices[is_named])),
            alike=torch.from_numpy(((known @ data.known[partners].T) > 0).toarray()),
            has_partner=torch.from_numpy(partners != rows),
            weight=torch.from_numpy(data.weights[rows]),
        )


def _fit(data: _Data, features: NgramFeatures, config: RecallModelConfig, seed: int, progress: Progress) -> RecallModel:
    size = min(config.batch, len(data.usable))
    steps = max(config.least_steps, round(config.epochs * (len(data.usable) // size)))
    generator = np.random.default_rng([seed, Stream.RECALL_BATCHES])
    view_drops = torch.Generator().manual_seed(seed)
    log_drawn = torch.from_numpy(data.log_drawn(size, config.negatives))
    with torch.random.fork_rng(), progress.track("learning tags", steps) as advance:
        torch.manual_seed(seed)  # of first weights and dropout
        learnt = _untrained(data, features, config)
        modules = nn.ModuleList([learnt.videos, learnt.tags, learnt.head]).train()
        optimizer = torch.optim.AdamW(modules.parameters(), lr=config.rate)
        table, weights, bias = (
            RowAdagrad(values, config.table_rate) for values in (learnt.table, learnt.weights, learnt.bias)
        )
        order = np.zeros(0, np.int64)
        for step in range(steps):
            if len(order) < size:
                order = generator.permutation(data.usable)
            batch, order = _Batch.draw(data, np.sort(order[:size]), config, generator), order[size:]
            share = min(1.0, 20 * (step + 1) / steps) * (1 - step / steps)  # of the learning rate
            for group in optimizer.param_groups:
                group["lr"] = config.rate * share

            vectors = learnt.table[batch.used].numpy()
            video_sums = torch.from_numpy(batch.video_ngrams @ vectors).requires_grad_()
            tag_sums = torch.from_numpy(batch.tag_ngrams @ vectors).requires_grad_()
            present = modality_dropout(torch.from_numpy(batch.videos.present), config.view_dropout, view_drops)
            h, _ = learnt.videos(_values(video_sums, batch.videos), present)
            present = modality_dropout(_at_least_ngrams(batch.tags), config.view_dropout, view_drops)
            tags, _ = learnt.tags(_values(tag_sums, batch.tags), present)

            label_vectors, label_bias = (x[batch.labels].requires_grad_() for x in (learnt.weights, learnt.bias))
            logits = h[:size] @ label_vectors.T + label_bias - log_drawn[data.labels[batch.labels]]
            linear = _weighed(LOSSES[config.loss], logits, batch.label_pairs, batch.weight)
            cosines = learnt.head(h[:size], tags) + learnt.tag_bias[batch.named] - log_drawn[batch.named]
            similarity = _weighed(softmax, cosines, batch.named_pairs, batch.weight)
            units = functional.normalize(h, dim=1)
            near = contrastive(units[:size], units[size:], batch.alike, config.temperature)
            near = (near * batch.weight * batch.has_partner).mean()
            loss = config.linear * linear + config.similarity * similarity + config.contrastive * near

            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(modules.parameters(), 1.0)
            optimizer.step()
            gradient = batch.video_ngrams.T @ _grad(video_sums).numpy() + batch.tag_ngrams.T @ _grad(tag_sums).numpy()
            table.step(torch.from_numpy(batch.used), torch.from_numpy(gradient), share)
            weights.step(torch.from_numpy(batch.labels), _grad(label_vectors), share)
            bias.step(torch.from_numpy(batch.labels), _grad(label_bias), share)
            advance(1)
            if (step + 1) % TELL_EVERY == 0 or step + 1 == steps:
                losses = (linear.item(), similarity.item(), near.item())
                logger.info("step %d: linear %.3f, similarity %.3f, contrastive %.3f", step + 1, *losses)
    modules.eval()
    return learnt


def _untrained(data: _Data, features: NgramFeatures, config: RecallModelConfig) -> RecallModel:
    counts = np.asarray(data.known.sum(axis=0)).ravel()
    log_share = torch.from_numpy(np.log((counts + 1) / counts.sum()).astype(np.float32))
    video_dims, tag_dims = ({view: rows.shape[1] for view, rows in x.dense.items()} for x in (data.videos, data.tags))
    return RecallModel(
        features=features,
        table=0.05 * torch.randn(features.width, config.width),
        videos=Tower(video_dims, config.width, config.dropout),
        tags=Tower(tag_dims, config.width, config.dropout),
        head=Head(config.width),
        weights=0.02 * torch.randn(len(data.labels), config.width),
        bias=log_share[data.labels],
        tag_bias=log_share,
        labels=data.labels,
    )


def _values(sums: Tensor, views: Views) -> dict[str, Tensor]:
    return {NGRAMS: sums} | {view: torch.from_numpy(rows) for view, rows in views.dense.items()}


def _at_least_ngrams(views: Views) -> Tensor:
    """The views present; a tag of which nothing is known is read as one without a known n-gram."""
    present = torch.from_numpy(views.present).clone()
    present[:, 0] |= ~present.any(dim=1)
    return present


def _compact(
    videos: sparse.csr_matrix, tags: sparse.csr_matrix, dropout: float, generator: np.random.Generator
) -> tuple[Rows, sparse.csr_matrix, sparse.csr_matrix]:
    """The table rows that a batch touches, and its n-grams over those alone; of the videos' some are dropped."""
    used, places = np.unique(np.r_[videos.indices, tags.indices].astype(np.int64), return_inverse=True)
    kept = (generator.random(len(videos.data)) >= dropout) / np.float32(1 - dropout)
    of_videos, of_tags = places[: len(videos.indices)], places[len(videos.indices) :]
    return (
        used,
        sparse.csr_matrix(
            (videos.data * kept.astype(np.float32), of_videos, videos.indptr), (videos.shape[0], len(used))
        ),
        sparse.csr_matrix((tags.data, of_tags, tags.indptr), (tags.shape[0], len(used))),
    )


def _weighed(loss: Loss, logits: Tensor, pairs: tuple[Rows, Rows], weight: Tensor) -> Tensor:
    """Mean over videos; a video of n tags counts sqrt(n) times, between once a video and once a pair."""
    rows, columns = (torch.from_numpy(places) for places in pairs)
    counts = torch.bincount(rows, minlength=len(weight)).clamp(min=1)
    nats = torch.zeros(len(weight)).index_add(0, rows, loss(logits, rows, columns))
    return nats.div(counts.sqrt()).mul(weight).mean()


def _grad(leaf: Tensor) -> Tensor:
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
