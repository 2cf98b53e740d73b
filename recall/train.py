"""Training of the recall model (recall/model.py): one loop, three losses.

linear       the labels of a batch are its own tags and some drawn uniformly; logits are corrected by the log of the
             chance to be drawn (Bengio and Senécal 2008), so frequent tags are not pushed down
similarity   the same over a part of those labels, with vectors from the tag tower
contrastive  a video finds another uploader's video with a common tag among those of the batch
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from recall.loss import LOSSES, Loss, contrastive, softmax
from recall.model import Head, RecallModel, Views, dense_rows, views_of
from recall.ngrams import NgramFeatures
from recall.tower import NGRAMS, Tower
from recall.train_batch import Batch, TrainingVideos
from tagging.config.random_streams import Stream
from tagging.config.recall import RecallModelConfig
from tagging.progress import Progress
from tagging.ragged import Ragged
from tagging.torch_tools import RowAdagrad, modality_dropout, require_finite
from tagging.types import MODALITIES, PASSAGE_SOURCES, FloatRows, Indices, VideoEmbeddings

logger = logging.getLogger(__name__)

LOG_EVERY = 200  # steps
VIEWS = (*MODALITIES, *PASSAGE_SOURCES)  # dense views of videos; those that no training video has are left out


@dataclass(frozen=True, slots=True, eq=False)
class TagInputs:
    """Inputs of the tag tower for the catalog's N tags.

    Dense views are "text", their names by the text encoder, and "graph", their embeddings in the tag graph. A new tag
    is not in the graph, so views drop out in training.
    """

    names: Sequence[str]
    dense: Mapping[str, FloatRows]  # view -> (N, dim), zeros for a tag without it


@dataclass(frozen=True, slots=True, eq=False)
class ModelInputs:
    """The towers' inputs of V labelled videos, of which some are trained on, and of the catalog's N tags.

    Reading the n-grams of all texts takes minutes for a hundred thousand videos, so each is read once, for training and
    for encoding afterwards.
    """

    features: NgramFeatures  # fitted on the videos that are trained on
    videos: Views  # V
    tags: Views  # N
    rows: Indices  # (n,) the videos that are trained on, of V

    @classmethod
    def of(
        cls, videos: Sequence[VideoEmbeddings], rows: Indices, catalog: TagInputs, config: RecallModelConfig
    ) -> "ModelInputs":
        """Return the inputs of V videos; rows: as in the fields."""
        texts = [video.text for video in videos]
        training_texts = [texts[row] for row in rows.tolist()]
        features = NgramFeatures.fit(training_texts, config.ngrams) if config.ngrams else NgramFeatures.none()
        training = [videos[row] for row in rows.tolist()]
        dims = {m: next((len(video.rows[m]) for video in training if m in video.rows), 0) for m in VIEWS}
        views = views_of(texts, {m: dense_rows(videos, m, dim) for m, dim in dims.items() if dim}, features)
        return cls(features, views, views_of(catalog.names, catalog.dense, features), rows)


def fit_recall_model(
    inputs: ModelInputs, tags: Ragged, uploaders: Indices, config: RecallModelConfig, seed: int, progress: Progress
) -> RecallModel:
    """Train the recall model on the n videos of `inputs.rows`.

    tags:      catalog rows of each video, n
    uploaders: (n,) equal numbers for videos of one uploader
    Raises NothingToLearnError if no tag is used by enough uploaders, and TrainingDivergedError.
    """
    data = TrainingVideos.of(inputs.videos.rows(inputs.rows), inputs.tags, tags, uploaders, config)
    return _fit(data, inputs.features, config, seed, progress)


@dataclass(frozen=True, slots=True, eq=False)
class _Leaves:
    """Indices of the tables that a batch touches, as leaves of the graph; their gradients go back into the tables."""

    sums: Tensor  # (2B + M, D) summed n-gram vectors of the videos, then of the tags
    label_vectors: Tensor  # (labels, D)
    label_bias: Tensor  # (labels,)

    @classmethod
    def of(cls, model: RecallModel, batch: Batch) -> "_Leaves":
        return cls(
            torch.from_numpy(batch.ngrams @ model.table[batch.used].numpy()).requires_grad_(),
            model.weights[batch.labels].requires_grad_(),
            model.bias[batch.labels].requires_grad_(),
        )


def _fit(
    data: TrainingVideos, features: NgramFeatures, config: RecallModelConfig, seed: int, progress: Progress
) -> RecallModel:
    size = min(config.batch, len(data.usable))
    steps = max(config.least_steps, round(config.epochs * (len(data.usable) // size)))
    generator = np.random.default_rng([seed, Stream.RECALL_BATCHES])
    view_drops = torch.Generator().manual_seed(seed)
    log_drawn = torch.from_numpy(data.log_drawn(size, config.negatives))
    with torch.random.fork_rng(), progress.track("learning tags", steps) as advance:
        torch.manual_seed(seed)  # of first weights and dropout
        model = _untrained(data, features, config)
        modules = nn.ModuleList([model.videos, model.tags, model.head]).train()
        optimizer = torch.optim.AdamW(modules.parameters(), lr=config.rate)
        table, weights, bias = (
            RowAdagrad(values, config.table_rate) for values in (model.table, model.weights, model.bias)
        )
        order = np.zeros(0, np.int64)
        for step in range(steps):
            if len(order) < size:
                order = generator.permutation(data.usable)
            batch, order = Batch.draw(data, np.sort(order[:size]), config, generator), order[size:]
            share = min(1.0, 20 * (step + 1) / steps) * (1 - step / steps)  # of the learning rate
            for group in optimizer.param_groups:
                group["lr"] = config.rate * share

            leaves = _Leaves.of(model, batch)
            linear, similarity, near = _losses(model, data.labels, batch, leaves, log_drawn, config, view_drops)
            loss = config.linear * linear + config.similarity * similarity + config.contrastive * near

            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(modules.parameters(), 1.0)
            optimizer.step()
            # By n-gram: each row of the gradient, of which there are many, is written once.
            gradient = batch.ngrams.T.tocsr() @ _grad(leaves.sums).numpy()
            table.step(torch.from_numpy(batch.used), torch.from_numpy(gradient), share)
            weights.step(torch.from_numpy(batch.labels), _grad(leaves.label_vectors), share)
            bias.step(torch.from_numpy(batch.labels), _grad(leaves.label_bias), share)
            advance(1)
            if (step + 1) % LOG_EVERY == 0 or step + 1 == steps:
                losses = (linear.item(), similarity.item(), near.item())
                logger.info("step %d: linear %.3f, similarity %.3f, contrastive %.3f", step + 1, *losses)
                require_finite(modules, loss.item(), step + 1)
    modules.eval()
    return model


def _losses(
    model: RecallModel,
    known: Indices,
    batch: Batch,
    leaves: _Leaves,
    log_drawn: Tensor,
    config: RecallModelConfig,
    view_drops: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the linear, similarity and contrastive losses of a batch in nats.

    known:     (L,) catalog rows of the labels of the linear branch
    log_drawn: (N,) log of the chance that a tag is among a batch's labels
    """
    size = len(batch.weight)
    present = modality_dropout(torch.from_numpy(batch.videos.present), config.view_dropout, view_drops)
    video_sums, tag_sums = torch.split(leaves.sums, [len(batch.videos), len(batch.tags)])
    h, _ = model.videos(_values(video_sums, batch.videos), present)
    present = modality_dropout(_at_least_ngrams(batch.tags), config.view_dropout, view_drops)
    tags, _ = model.tags(_values(tag_sums, batch.tags), present)

    logits = h[:size] @ leaves.label_vectors.T + (leaves.label_bias - log_drawn[known[batch.labels]])
    linear = _weighted(LOSSES[config.loss], logits, batch.label_pairs, batch.weight)
    cosines = model.head(h[:size], tags) + (model.tag_bias[batch.named] - log_drawn[batch.named])
    similarity = _weighted(softmax, cosines, batch.named_pairs, batch.weight)
    units = functional.normalize(h, dim=1)
    near = contrastive(units[:size], units[size:], batch.alike, config.temperature)
    return linear, similarity, (near * batch.weight * batch.has_partner).mean()


def _untrained(data: TrainingVideos, features: NgramFeatures, config: RecallModelConfig) -> RecallModel:
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
    """Return the present views; a tag of which nothing is known is treated as one without a known n-gram."""
    present = torch.from_numpy(views.present).clone()
    present[:, 0] |= ~present.any(dim=1)
    return present


def _weighted(loss: Loss, logits: Tensor, pairs: tuple[Indices, Indices], weight: Tensor) -> Tensor:
    """Return the mean loss of videos; a video of n tags counts sqrt(n) times, between per video and per pair."""
    rows, columns = (torch.from_numpy(indices) for indices in pairs)
    counts = torch.bincount(rows, minlength=len(weight)).clamp(min=1)
    nats = torch.zeros(len(weight)).index_add(0, rows, loss(logits, rows, columns))
    return nats.div(counts.sqrt()).mul(weight).mean()


def _grad(leaf: Tensor) -> Tensor:
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
