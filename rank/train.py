"""Contrastive training of the ranker's towers: one loop over batches of videos and their sampled negatives.

A run is reproducible: initial weights, batches, negatives and dropout derive from the seed, and each step has a
generator of its own, so that a killed training resumes from a checkpoint to bit-identical weights.
"""

import copy
import hashlib
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from rank.checkpoint import restore, save
from rank.distributed import Hardware, Worker, run_distributed
from rank.gradcache import backward
from rank.loss import decoupled_contrastive, false_negative_mask
from rank.negatives import NegativeSample, NegativeSampler
from rank.padding import pad
from rank.towers import TagInput, Towers, VideoInput
from tagging.bert import Bert
from tagging.config.random_streams import Stream
from tagging.config.rank import RankerConfig
from tagging.errors import NothingToLearnError
from tagging.progress import Progress
from tagging.ragged import Tokens
from tagging.torch_tools import modality_dropout, require_finite
from tagging.types import AnyModality

logger = logging.getLogger(__name__)

Part = tuple[NDArray[np.int64], NDArray[np.int64]]  # rows of videos and of tags that are encoded together

LOG_EVERY = 100
SAVE_EVERY = 500
WARM_UP = 0.05  # of the steps
FILTER_FROM = 0.3  # of the steps: from then on the towers filter probable false negatives


@dataclass(frozen=True, slots=True, eq=False)
class RankData:
    """Training data of V videos and N tags, as the towers read it."""

    text: Tokens  # V, text states (rank/texts.py)
    media: Mapping[AnyModality, Tokens]  # V each: frames, audio, speech, screen
    names: Tokens  # N
    graph: NDArray[np.float32]  # (N, G), graph embeddings, zeros for a tag without one; G may be 0
    weights: NDArray[np.float32]  # (V,)

    def videos(self, rows: NDArray[np.int64]) -> VideoInput:
        media = {name: pad(tokens.only(rows)) for name, tokens in self.media.items()}
        return VideoInput(pad(self.text.only(rows)), media)

    def tags(self, rows: NDArray[np.int64]) -> TagInput:
        return TagInput(pad(self.names.only(rows)), torch.from_numpy(self.graph[rows]))


def train_ranker(
    data: RankData,
    negatives: NegativeSampler,
    bert: Bert | None,
    config: RankerConfig,
    seed: int,
    progress: Progress,
    checkpoint: Path | None = None,
) -> Towers:
    """Train the towers and return them. Raises NothingToLearnError if no video has both a tag and content,
    and TrainingDivergedError.

    bert: that the text states come from; None: they are rows of the text encoder
    checkpoint: file that is written every SAVE_EVERY steps; training resumes from it if it belongs to the same run
    """
    usable = np.flatnonzero((np.diff(negatives.known.indptr) > 0) & _visible(data))
    if not len(usable):
        raise NothingToLearnError("no video with a tag and something to look at")
    hardware = Hardware.of(config)
    logger.info("training the ranker on %s", hardware)
    name = f"{config.model_dump_json()} {hardware} {seed} {_digest(data, negatives)}"
    own = None if bert is None else copy.deepcopy(bert).cpu()
    run = _Run(name, data, negatives, usable, own, config, hardware.bfloat16, seed, checkpoint)
    return run_distributed(_train, hardware, run, progress)


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """Input of each training process."""

    name: str  # identifies the run: configuration, hardware, seed, data
    data: RankData
    negatives: NegativeSampler
    usable: NDArray[np.int64]  # videos
    bert: Bert | None
    config: RankerConfig
    bfloat16: bool
    seed: int
    checkpoint: Path | None


def _train(worker: Worker, run: _Run, progress: Progress) -> Towers:
    config, usable, seed = run.config, run.usable, run.seed
    size = min(config.batch, len(usable))
    steps = max(config.least_steps, round(config.epochs * (len(usable) // size)))
    gpus = [worker.device] if worker.device.type == "cuda" else []
    with torch.random.fork_rng(gpus), progress.track("training the ranker", steps) as advance:
        torch.manual_seed(seed)
        media = {name: tokens.dim for name, tokens in run.data.media.items()}
        # Weights reach the processes in shared memory, so each trains a copy of its own.
        text = run.data.text.dim if run.bert is None else copy.deepcopy(run.bert)
        towers = Towers(text, media, run.data.graph.shape[1], config.towers).to(worker.device)
        towers.train()
        model = worker.model(towers)
        optimizer = torch.optim.AdamW(_groups(towers, config))
        first = restore(run.checkpoint, run.name, towers, optimizer)
        advance(first)
        batches = _batches(usable, size, first, seed)
        for step, rows in zip(range(first, steps), batches, strict=False):  # batches never end
            generator = np.random.default_rng([seed, Stream.RANK_STEPS, step])
            torch.manual_seed(int(generator.integers(2**62)) + worker.rank)  # of dropout
            sample = run.negatives.sample(rows, generator)
            share = _cosine((step + 0.5) / steps)
            for group in optimizer.param_groups:
                group["lr"] = group["highest"] * share
            filtering = step >= FILTER_FROM * steps
            optimizer.zero_grad(set_to_none=True)
            measured = _backward(worker, model, run, rows, sample, filtering)
            norm = torch.nn.utils.clip_grad_norm_(towers.parameters(), config.max_norm)
            optimizer.step()
            towers.clamp_scale()
            advance(1)
            if (step + 1) % LOG_EVERY == 0 or step + 1 == steps:
                metrics = measured | {"gradient": norm.item(), "scale": towers.scale().item()}
                logger.info(
                    "step %d: %s", step + 1, ", ".join(f"{name} {value:.3f}" for name, value in metrics.items())
                )
                require_finite(towers, measured["loss"], step + 1)
            if run.checkpoint is not None and worker.rank == 0 and (step + 1) % SAVE_EVERY == 0:
                save(run.checkpoint, run.name, step + 1, towers, optimizer)
    return towers.eval()


def _backward(
    worker: Worker, model: nn.Module, run: _Run, rows: NDArray[np.int64], sample: NegativeSample, filtering: bool
) -> dict[str, float]:
    """Compute the gradients of a step and return its measurements by name."""
    config, data = run.config, run.data
    pairs = (_on(worker.device, sample.positives[0]), _on(worker.device, sample.positives[1]))
    source, correction = _on(worker.device, sample.source), _on(worker.device, sample.correction)
    weight = _on(worker.device, data.weights[rows])
    measured: dict[str, float] = {}

    def encode(part: Part) -> tuple[Tensor, Tensor, Tensor]:
        videos, tags = data.videos(part[0]), data.tags(part[1])
        present = modality_dropout(videos.present(), config.view_dropout).to(worker.device)
        with torch.autocast(worker.device.type, torch.bfloat16, enabled=run.bfloat16):
            encoded: tuple[Tensor, Tensor, Tensor] = model(
                videos.to(worker.device), present, tags.to(worker.device), config.graph_dropout
            )
        return encoded

    def loss(own_videos: Tensor, own_tags: Tensor, scale: Tensor) -> Tensor:
        videos, tags = worker.gather(own_videos, len(rows)), worker.gather(own_tags, len(sample.tags))
        cosines = videos @ tags.T
        negative = source >= 0
        if filtering:
            missing = false_negative_mask(cosines.detach(), pairs, config.negatives.margin) & (source > 0)
            own = (source > 0).sum().item()
            measured["left out of own"] = missing.sum().item() / own if own else 0.0
            negative = negative & ~missing
        value = decoupled_contrastive(scale[0] * cosines, pairs, negative, correction, weight)
        measured["loss"] = value.item()
        return value

    parts = _parts(worker.share(rows), worker.share(sample.tags), config.at_once)
    backward(encode, parts, loss, model.no_sync if isinstance(model, DistributedDataParallel) else nullcontext)
    return measured


def _parts(videos: NDArray[np.int64], tags: NDArray[np.int64], at_once: int) -> list[Part]:
    """Split videos and tags into equally many parts of at most `at_once`; a part may have no video, or no tag."""
    count = max(1, -(-max(len(videos), len(tags)) // at_once))
    return list(zip(np.array_split(videos, count), np.array_split(tags, count), strict=True))


def _on(device: torch.device, array: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(array).to(device)


def _visible(data: RankData) -> NDArray[np.bool_]:
    present = [np.diff(tokens.starts) > 0 for tokens in (data.text, *data.media.values())]
    return np.asarray(np.any(present, axis=0))


def _batches(usable: NDArray[np.int64], size: int, first: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield the videos of each step from the first: each once per epoch, in an order drawn per epoch.

    The first step is that after a restart, and its videos do not depend on it.
    """
    per_epoch = len(usable) // size
    order = usable
    for step in count(first):
        epoch, batch = divmod(step, per_epoch)
        if step == first or batch == 0:
            order = np.random.default_rng([seed, Stream.RANK_EPOCHS, epoch]).permutation(usable)
        yield np.sort(order[batch * size : (batch + 1) * size])


def _groups(towers: Towers, config: RankerConfig) -> list[dict[str, object]]:
    """Return parameter groups: BERT has its own rate; biases, norms and the temperature have no weight decay."""
    groups: list[dict[str, object]] = []
    for is_bert, rate in ((False, config.rate), (True, config.bert_rate)):
        for decays in (False, True):
            parameters = [
                value
                for name, value in towers.named_parameters()
                if value.requires_grad and name.startswith("bert.") == is_bert and (value.ndim > 1) == decays
            ]
            groups.append(
                {"params": parameters, "weight_decay": config.weight_decay * decays, "highest": rate, "lr": rate}
            )
    return [group for group in groups if group["params"]]


def _cosine(done: float) -> float:
    """Return the learning rate, relative to the highest, after a share of the steps: linear warm-up, cosine decay."""
    return done / WARM_UP if done < WARM_UP else 0.5 + 0.5 * math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))


def _digest(data: RankData, negatives: NegativeSampler) -> str:
    """Return a digest of the training data; of large matrices, which may be gigabytes, about a thousand rows count."""
    kinds: dict[str, Tokens] = {"text": data.text, "names": data.names}
    kinds.update({str(name): tokens for name, tokens in data.media.items()})
    large: list[NDArray[np.floating]] = [data.graph, *(tokens.values for tokens in kinds.values())]
    parts: list[NDArray[np.generic]] = [values[:: 1 + len(values) // 1000] for values in large]
    parts += [negatives.known.indptr, negatives.known.indices, data.weights]
    parts += [tokens.starts for tokens in kinds.values()]
    digest = hashlib.sha256(f"{[*kinds]} {[part.shape for part in parts]}".encode())
    for part in parts:
        digest.update(part.tobytes())
    return digest.hexdigest()
