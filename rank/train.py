"""Training of the ranker: one loop, from a batch of videos and the tags they are told apart from to a step.

A run is reproducible: batches, negatives, dropout and first weights come from the seed, each step's from a generator of
its own, so that a killed training goes on from a checkpoint to the same weights, bit for bit.
"""

import copy
import hashlib
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rank.bert import Bert
from rank.loss import decoupled_contrastive, likely_missing
from rank.negatives import Draw, Negatives
from rank.padded import padded
from rank.towers import TagInput, Towers, VideoInput
from tagging.config import RankerConfig
from tagging.errors import ArtifactCorruptError, NothingToLearnError
from tagging.progress import Progress
from tagging.store.atomic import partial_file
from tagging.types import Modality, Tokens

logger = logging.getLogger(__name__)

TELL_EVERY = 100
SAVE_EVERY = 500
WARM_UP = 0.05  # of the steps
TRUSTED_FROM = 0.3  # of the steps: from then on the towers say which negatives are likely true


@dataclass(frozen=True, slots=True, eq=False)
class RankData:
    """V videos and N tags, as the towers read them."""

    text: Tokens  # V, as BERT's lower layers leave it
    media: Mapping[Modality, Tokens]  # V each: frames, audio
    names: Tokens  # N
    graph: NDArray[np.float32]  # (N, G), zeros for a tag without a place; G may be 0
    weights: NDArray[np.float32]  # (V,)

    def videos(self, rows: NDArray[np.int64]) -> VideoInput:
        media = {name: padded(tokens.only(rows)) for name, tokens in self.media.items()}
        return VideoInput(padded(self.text.only(rows)), media)

    def tags(self, rows: NDArray[np.int64]) -> TagInput:
        return TagInput(padded(self.names.only(rows)), torch.from_numpy(self.graph[rows]))


def train_ranker(
    data: RankData,
    negatives: Negatives,
    bert: Bert,
    config: RankerConfig,
    seed: int,
    progress: Progress,
    checkpoint: Path | None = None,
) -> Towers:
    """The trained towers; NothingToLearnError where no video has a tag.

    checkpoint: a file that is written every SAVE_EVERY steps, and gone on from where it is of this very run.
    """
    usable = np.flatnonzero((np.diff(negatives.known.indptr) > 0) & _visible(data))
    if not len(usable):
        raise NothingToLearnError("no video with a tag and something to look at")
    size = min(config.batch, len(usable))
    steps = max(config.least_steps, round(config.epochs * (len(usable) // size)))
    with torch.random.fork_rng(), progress.track("training the ranker", steps) as advance:
        torch.manual_seed(seed)
        media = {name: tokens.dim for name, tokens in data.media.items()}
        towers = Towers(copy.deepcopy(bert), media, data.graph.shape[1], config.towers)
        towers.train()
        optimizer = torch.optim.AdamW(_groups(towers, config))
        run = f"{config.model_dump_json()} {seed} {_digest(data, negatives)}"
        first = _restore(checkpoint, run, towers, optimizer)
        advance(first)
        for step in range(first, steps):
            generator = np.random.default_rng([seed, step])
            torch.manual_seed(int(generator.integers(2**62)))  # of dropout
            rows = _rows(usable, size, step, seed)
            draw = negatives.draw(rows, generator)
            share = _cosine((step + 0.5) / steps)
            for group in optimizer.param_groups:
                group["lr"] = group["highest"] * share
            filtering = step >= TRUSTED_FROM * steps
            optimizer.zero_grad(set_to_none=True)
            measured = _backward(towers, data, rows, draw, config, filtering)
            norm = torch.nn.utils.clip_grad_norm_(towers.parameters(), config.max_norm)
            optimizer.step()
            towers.clamp_scale()
            advance(1)
            if (step + 1) % TELL_EVERY == 0 or step + 1 == steps:
                told = measured | {"gradient": norm.item(), "scale": towers.scale().item()}
                logger.info("step %d: %s", step + 1, ", ".join(f"{name} {value:.3f}" for name, value in told.items()))
            if checkpoint is not None and (step + 1) % SAVE_EVERY == 0:
                _save(checkpoint, run, step + 1, towers, optimizer)
    return towers.eval()


def _backward(
    towers: Towers, data: RankData, rows: NDArray[np.int64], draw: Draw, config: RankerConfig, filtering: bool
) -> dict[str, float]:
    """Gradients of a step, and what it measured."""
    pairs = (torch.from_numpy(draw.pairs[0]), torch.from_numpy(draw.pairs[1]))
    source, correction = torch.from_numpy(draw.source), torch.from_numpy(draw.correction)
    weight = torch.from_numpy(data.weights[rows])
    measured: dict[str, float] = {}

    def video_rows(some: NDArray[np.int64]) -> Tensor:
        given = data.videos(some)
        return towers.videos(given, without_some(given.present(), config.view_dropout))

    def tag_rows(some: NDArray[np.int64]) -> Tensor:
        return towers.tags(data.tags(some), config.graph_dropout)

    def loss(videos: Tensor, tags: Tensor) -> Tensor:
        cosines = videos @ tags.T
        negative = source >= 0
        if filtering:
            missing = likely_missing(cosines.detach(), pairs, config.negatives.margin) & (source > 0)
            own = (source > 0).sum().item()
            measured["left out of own"] = missing.sum().item() / own if own else 0.0
            negative = negative & ~missing
        value = decoupled_contrastive(towers.scale() * cosines, pairs, negative, correction, weight)
        measured["loss"] = value.item()
        return value

    backward([video_rows, tag_rows], [rows, draw.tags], loss, config.at_once)
    return measured


def backward(
    encoders: Sequence[Callable[[NDArray[np.int64]], Tensor]],
    rows: Sequence[NDArray[np.int64]],
    loss: Callable[..., Tensor],
    at_once: int,
) -> None:
    """Gradients of loss(encoder(rows), …) in memory for `at_once` rows (GradCache, Gao et al. 2021, section 3.2).

    Rows are encoded without a graph, the loss is differentiated by their vectors, and each part is encoded a second
    time with the same dropout to carry those gradients on. Where everything fits, once is enough.
    """
    parts = [
        (place, some) for place, all_rows in enumerate(rows) for some in _parts(all_rows, at_once)
    ]  # which encoder, and what it reads
    if len(parts) == len(encoders):
        torch.autograd.backward(loss(*(encode(some) for encode, some in zip(encoders, rows, strict=True))))
        return
    states, vectors = [], []
    with torch.no_grad():
        for place, some in parts:
            states.append(torch.get_rng_state())
            vectors.append(encoders[place](some))
    leaves = [
        torch.cat([value for (place, _), value in zip(parts, vectors, strict=True) if place == one]).requires_grad_()
        for one in range(len(encoders))
    ]
    torch.autograd.backward(loss(*leaves))
    after = torch.get_rng_state()
    gone = [0] * len(encoders)
    for (place, some), state in zip(parts, states, strict=True):
        torch.set_rng_state(state)
        gradient = leaves[place].grad
        assert gradient is not None
        torch.autograd.backward(encoders[place](some), gradient[gone[place] : gone[place] + len(some)])
        gone[place] += len(some)
    torch.set_rng_state(after)


def without_some(present: Tensor, share: float) -> Tensor:
    """Modality dropout: each modality goes with this chance, never the last of a video."""
    kept = present & (torch.rand(present.shape) >= share)
    return torch.where(kept.any(dim=1, keepdim=True), kept, present)


def _parts(rows: NDArray[np.int64], at_once: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), at_once):
        yield rows[start : start + at_once]


def _visible(data: RankData) -> NDArray[np.bool_]:
    there = [np.diff(tokens.starts) > 0 for tokens in (data.text, *data.media.values())]
    return np.asarray(np.any(there, axis=0))


def _rows(usable: NDArray[np.int64], size: int, step: int, seed: int) -> NDArray[np.int64]:
    """The videos of a step: each once an epoch, in an order of its own; the same after a restart."""
    per_epoch = len(usable) // size
    epoch, place = divmod(step, per_epoch)
    order = np.random.default_rng([seed, epoch, 1]).permutation(usable)  # [seed, 1, 0] would be [seed, 1], of a step
    return np.sort(order[place * size : (place + 1) * size])


def _groups(towers: Towers, config: RankerConfig) -> list[dict[str, object]]:
    """BERT at its own rate; matrices decay, biases, norms and the temperature do not."""
    groups: list[dict[str, object]] = []
    for is_bert, rate in ((False, config.rate), (True, config.bert_rate)):
        for decays in (False, True):
            some = [
                value
                for name, value in towers.named_parameters()
                if value.requires_grad and name.startswith("bert.") == is_bert and (value.ndim > 1) == decays
            ]
            groups.append({"params": some, "weight_decay": config.weight_decay * decays, "highest": rate, "lr": rate})
    return [group for group in groups if group["params"]]


def _cosine(done: float) -> float:
    """The share of the highest learning rate after a share of the steps."""
    return done / WARM_UP if done < WARM_UP else 0.5 + 0.5 * math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))


def _digest(data: RankData, negatives: Negatives) -> str:
    """Tells apart what is learnt from; what may be gigabytes, by about a thousand of its rows."""
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


def _save(file: Path, run: str, step: int, towers: Towers, optimizer: torch.optim.Optimizer) -> None:
    state = {"run": run, "step": step, "towers": towers.state_dict(), "optimizer": optimizer.state_dict()}
    with partial_file(file) as partial:
        torch.save(state, partial)


def _restore(file: Path | None, run: str, towers: Towers, optimizer: torch.optim.Optimizer) -> int:
    """The step to go on with; 0 where there is no checkpoint of this very run."""
    if file is None or not file.exists():
        return 0
    try:
        state = torch.load(file, weights_only=True)
        is_of_this_run = state["run"] == run
    except Exception as error:  # a folder, a torn file, another's file: pickle, zip, torch and Python raise their own
        raise ArtifactCorruptError(
            f"{file} is no checkpoint of a ranker's training", "remove it, or name another file"
        ) from error
    if not is_of_this_run:
        return 0
    towers.load_state_dict(state["towers"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
