"""Training of the two towers on sequences: each video is predicted from those before it."""

import logging
import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tagging.config.random_streams import Stream
from tagging.config.recommendation import TwoTowersConfig
from tagging.errors import NothingToLearnError
from tagging.progress import Progress
from tagging.ragged import TagLists, starts_of
from tagging.recommendation.two_towers.items import ID, Items
from tagging.recommendation.two_towers.loss import sampled_softmax, sigmoid
from tagging.recommendation.two_towers.towers import TwoTowers
from tagging.types import Indices

logger = logging.getLogger(__name__)

LOG_EVERY = 100  # steps
MAX_NORM = 1.0  # of the gradient
WARM_UP = 0.05  # of the steps
NO_NEGATIVE = -1e9  # logit; finite, as a user of a small catalog may have watched all that was drawn


def fit_towers(
    items: Items,
    sequences: TagLists,
    sizes: Mapping[str, int],
    config: TwoTowersConfig,
    progress: Progress,
) -> TwoTowers:
    """Train on the users with two videos or more; the same input and seed give the same weights.

    items: V videos by view; sizes: rows of the tables of their fields; sequences: U lists of video rows in order
    Raises NothingToLearnError if there is no such user.
    """
    users = np.flatnonzero(np.diff(sequences.starts) > 1)
    if not len(users):
        raise NothingToLearnError(f"none of {len(sequences)} users has two videos")
    generator = np.random.default_rng([config.seed, Stream.RECOMMENDATION_TRAINING])
    draws = Draws(np.bincount(sequences.tag_rows, minlength=len(items)), config.popularity, config.negatives)
    lengths = np.minimum(np.diff(sequences.starts), config.history + 1)
    steps = max(1, round(config.epochs * lengths[users].sum() / config.batch))
    batches = batches_by_length(users, lengths, config.batch, generator)
    with torch.random.fork_rng(), progress.track("train towers", steps) as advance:
        torch.manual_seed(int(generator.integers(2**63)))  # of first weights and dropout
        model = TwoTowers(sizes, {name: rows.shape[1] for name, rows in items.dense.items()}, config)
        optimizer = torch.optim.AdamW(model.parameters(), lr=config.rate, weight_decay=config.weight_decay)
        for step, rows in zip(range(steps), batches, strict=False):
            for group in optimizer.param_groups:
                group["lr"] = config.rate * learning_share(step / steps)
            windows, mask = last_windows(sequences.only(rows), config.history + 1)
            negatives = draws.draw(generator)
            loss = step_loss(model, items, windows, mask, negatives, draws.log_expected[negatives], config)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)
            optimizer.step()
            advance(1)
            if (step + 1) % LOG_EVERY == 0 or step + 1 == steps:
                logger.info("step %d of %d: loss %.3f", step + 1, steps, loss.item())
    return model.eval().requires_grad_(False)


def batches_by_length(
    users: Indices, lengths: Indices, interactions: int, generator: np.random.Generator
) -> Iterator[Indices]:
    """Yield batches of users of about equal length, each user once an epoch, without end.

    users: rows; lengths: (U,) of their sequences; interactions: the approximate sum of lengths of a batch
    """
    while True:
        order = generator.permutation(users)
        order = order[np.argsort(lengths[order], kind="stable")]
        number = (np.cumsum(lengths[order]) - 1) // interactions
        batches = np.split(order, np.flatnonzero(np.diff(number)) + 1)
        yield from (batches[position] for position in generator.permutation(len(batches)).tolist())


def learning_share(done: float) -> float:
    """Return the share of the learning rate, rising and then falling as a cosine; done: share of the steps."""
    return done / WARM_UP if done < WARM_UP else 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))


class Draws:
    """Draws of negatives by a power of their number of users; videos without users are not drawn."""

    def __init__(self, counts: NDArray[np.int64], power: float, negatives: int) -> None:
        weights = np.where(counts > 0, np.maximum(counts, 1) ** power, 0.0)
        self._shares = weights / weights.sum()
        self._negatives = negatives
        with np.errstate(divide="ignore"):
            self.log_expected = np.log(negatives * self._shares).astype(np.float32)  # (V,)

    def draw(self, generator: np.random.Generator) -> Indices:
        """Return (M,) video rows, with replacement."""
        return generator.choice(len(self._shares), self._negatives, p=self._shares)


def only_known(sequences: TagLists, known: NDArray[np.bool_]) -> TagLists:
    """Return the sequences without the videos of which nothing is known; known: (V,)."""
    kept = known[sequences.tag_rows]
    return TagLists(starts_of(kept)[sequences.starts], sequences.tag_rows[kept])


def last_windows(sequences: TagLists, most: int) -> tuple[Indices, NDArray[np.bool_]]:
    """Return the last `most` videos of each of B sequences: rows (B, T), 0 behind shorter ones, and the mask (B, T)."""
    lengths = np.minimum(np.diff(sequences.starts), most)
    column = np.arange(max(1, int(lengths.max(initial=0))))
    mask = column < lengths[:, None]
    rows = np.zeros(mask.shape, np.int64)
    rows[mask] = sequences.tag_rows[((sequences.starts[1:] - lengths)[:, None] + column)[mask]]
    return rows, mask


def encode_items(model: TwoTowers, items: Items, rows: Indices, present: NDArray[np.bool_]) -> Tensor:
    """Return unit rows (n, D) of some items; present: (n, views) those to use, at least one per row."""
    part = items.only(rows)
    fields = {
        name: (torch.from_numpy(lists.tag_rows), torch.from_numpy(lists.starts[:-1]))
        for name, lists in part.fields.items()
    }
    dense = {name: torch.from_numpy(values) for name, values in part.dense.items()}
    return torch.as_tensor(model.item(fields, dense, torch.from_numpy(present)))


def step_loss(
    model: TwoTowers,
    items: Items,
    windows: Indices,
    mask: NDArray[np.bool_],
    negatives: Indices,
    log_expected: NDArray[np.float32],
    config: TwoTowersConfig,
) -> Tensor:
    """Return the mean loss over all positions of a step that have a next video.

    windows, mask: (B, T) video rows of users; negatives: (M,) video rows
    """
    distinct, positions = np.unique(np.concatenate([windows[mask], negatives]), return_inverse=True)
    vectors = encode_items(model, items, distinct, hide_ids(items, distinct, config.id_dropout))
    where = np.zeros(windows.shape, np.int64)
    where[mask], drawn = positions[: mask.sum()], positions[mask.sum() :]
    is_case = mask[:, 1:]  # a video of a history has a next one
    cases = model.user(vectors[torch.from_numpy(where[:, :-1][is_case])], torch.from_numpy(is_case))  # (P, D)
    positive = (cases * vectors[torch.from_numpy(where[:, 1:][is_case])]).sum(dim=1)
    watched = own_videos(where, mask, drawn, len(distinct))[np.nonzero(is_case)[0]]  # (P, M)
    negative = model.logits(cases @ vectors[torch.from_numpy(drawn)].T)
    negative = negative.masked_fill(torch.from_numpy(watched), NO_NEGATIVE)
    if config.loss == "softmax":
        return sampled_softmax(model.logits(positive), negative, torch.from_numpy(log_expected)).mean()
    return sigmoid(model.logits(positive), negative, config.ratio).mean()


def hide_ids(items: Items, rows: Indices, share: float) -> NDArray[np.bool_]:
    """Return the views (n, views) of some items, the ID hidden in a share of those that have another view.

    torch's global generator draws, as it does for dropout.
    """
    present = items.present[rows].copy()
    if ID in items.fields:
        hidden = (torch.rand(len(rows)) < share).numpy() & present[:, 1:].any(axis=1)
        present[hidden, 0] = False
    return present


def own_videos(where: Indices, mask: NDArray[np.bool_], drawn: Indices, count: int) -> NDArray[np.bool_]:
    """Return (B, M) True where a drawn video is one of the user's own; where, drawn: positions below `count`."""
    own = np.zeros((len(where), count), np.bool_)
    own[np.nonzero(mask)[0], where[mask]] = True
    return own[:, drawn]
