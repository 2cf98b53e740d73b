"""GRU4Rec (Hidasi et al. 2016) and SASRec (Kang & McAuley 2018) of torch-rechub, trained as the models of videotag are.

The networks are the library's; the training is not. Its trainer draws one negative for a position, counts padding as
cases, and ranks by the area under a curve. The loop, negatives and loss are those of recommendation/loop.py, with every
position of a sequence a case. Padding is behind the videos, where no earlier position reads it.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tagging.config.random_streams import Stream
from tagging.config.recommendation import SequenceTraining
from tagging.errors import MissingPackageError
from tagging.progress import Progress
from tagging.ragged import Ragged
from tagging.recommendation.loop import train_on_sequences
from tagging.recommendation.loss import sampled_softmax
from tagging.recommendation.steps import Step, last_windows
from tagging.types import FloatRows, Indices

if TYPE_CHECKING:
    from torch_rechub.basic.features import SequenceFeature

WIDTH = 64
DROPOUT = 0.2
FIRST_DEVIATION = WIDTH**-0.5  # of videos, which SASRec multiplies with the root of the width
POSITION_DEVIATION = 0.05
FIRST_SCALE = 15.0
LEAST = 2  # users and steps: SASRec of torch-rechub 0.9.0 squeezes its inputs, and loses a dimension of size 1


class RechubNetwork(nn.Module):
    """A network of the library over V videos."""

    @abstractmethod
    def states(self, rows: Tensor) -> Tensor:
        """Return (B, T, D): the user after each video; rows: (B, T) from 1, 0 for padding"""

    @abstractmethod
    def vectors(self, rows: Tensor) -> Tensor:
        """Return (n, D): videos as they are compared with users; rows: (n,) from 1"""

    @abstractmethod
    def logits(self, products: Tensor) -> Tensor:
        """Return logits from products of users and videos."""


class Gru4Rec(RechubNetwork):
    """GRU4Rec, called part by part: the library's forward pass fails without a feature of the user."""

    def __init__(self, videos: int, history: int) -> None:
        super().__init__()
        from torch_rechub.basic.features import SparseFeature
        from torch_rechub.models.matching import GRU4Rec

        item = SparseFeature("item", videos + 1, WIDTH, shared_with="history")
        # A state of `relu`, the default, has no negative coordinate. Its temperature is never read.
        user = {"dims": [WIDTH], "activation": "prelu", "dropout": DROPOUT}
        self.model = GRU4Rec([], [_sequence("history", videos)], [item], [], user)
        self.log_scale = nn.Parameter(torch.tensor(FIRST_SCALE).log())

    def states(self, rows: Tensor) -> Tensor:
        watched = self.model.embedding({"history": rows}, self.model.history_features).squeeze(1)
        hidden, _ = self.model.gru(watched)
        present = rows > 0
        users = hidden.new_zeros(hidden.shape)
        # Batch normalisation must not see padding.
        encoded = functional.normalize(self.model.user_mlp(hidden[present]), dim=1)
        return torch.as_tensor(users.index_put([present], encoded))

    def vectors(self, rows: Tensor) -> Tensor:
        return functional.normalize(self.model.embedding({"item": rows}, self.model.item_features).squeeze(1), dim=1)

    def logits(self, products: Tensor) -> Tensor:
        return products * self.log_scale.exp()


class SasRec(RechubNetwork):
    """SASRec with the library's two blocks and one head. As it draws them, positions outweigh the videos for epochs."""

    def __init__(self, videos: int, history: int) -> None:
        super().__init__()
        from torch_rechub.models.matching import SASRec

        self.model = SASRec([_sequence("seq", videos)], max_len=max(history, LEAST), dropout_rate=DROPOUT)
        nn.init.normal_(self.model.position_emb.weight, std=POSITION_DEVIATION)

    def states(self, rows: Tensor) -> Tensor:
        missing = [max(0, LEAST - size) for size in reversed(rows.shape)]
        x = {"seq": functional.pad(rows, (0, missing[0], 0, missing[1]))}
        states = self.model.seq_forward(x, self.model.item_emb(x, self.model.features)[:, 0])
        return torch.as_tensor(states[: rows.shape[0], : rows.shape[1]])

    def vectors(self, rows: Tensor) -> Tensor:
        return torch.as_tensor(self.model.item_emb.embed_dict["seq"](rows))

    def logits(self, products: Tensor) -> Tensor:
        return products


class RechubRecommender:
    """A trained network of the library."""

    def __init__(self, network: RechubNetwork, history: int) -> None:
        self._network = network
        self._history = history

    @torch.inference_mode()
    def scores(self, histories: Ragged, candidates: Indices) -> FloatRows:
        rows, mask = last_windows(histories, self._history)
        states = self._network.states(padded(rows, mask))
        users = states[torch.arange(len(rows)), torch.from_numpy(mask.sum(axis=1) - 1)]
        return np.asarray((users @ self._network.vectors(torch.from_numpy(candidates + 1)).T).numpy(), np.float32)


def train_rechub(
    kind: type[Gru4Rec | SasRec], training: Ragged, videos: int, config: SequenceTraining, progress: Progress
) -> RechubRecommender:
    """Train a network on sequences of video rows. Raises MissingPackageError, and NothingToLearnError."""
    try:
        import torch_rechub  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            "GRU4Rec and SASRec need torch-rechub", "pip install 'videotag[benchmarks]'"
        ) from error
    network = train_on_sequences(
        lambda: kind(videos, config.history),
        step_loss,
        training,
        videos,
        config,
        np.random.default_rng([config.seed, Stream.RECURRENT_TRAINING]),
        progress,
    )
    return RechubRecommender(network, config.history)


def step_loss(network: RechubNetwork, step: Step) -> Tensor:
    """Return the mean loss over all cases of a step."""
    states = network.states(padded(step.distinct[step.where[:, :-1]], step.is_case))
    vectors = network.vectors(torch.from_numpy(step.distinct + 1))
    users = states[torch.from_numpy(step.is_case)]
    positive, negative = (network.logits(products) for products in step.cosines(users, vectors))
    return sampled_softmax(positive, step.without_own(negative), torch.from_numpy(step.log_expected)).mean()


def padded(rows: Indices, mask: NDArray[np.bool_]) -> Tensor:
    """Return (B, T) the library's rows of videos: from 1, and 0 where the mask is False."""
    return torch.from_numpy(np.where(mask, rows + 1, 0))


def _sequence(name: str, videos: int) -> "SequenceFeature":
    """Return the feature of a sequence of videos. The library keeps its table in it, so that each network needs one."""
    from torch_rechub.basic.features import SequenceFeature
    from torch_rechub.basic.initializers import RandomNormal

    first = RandomNormal(0, FIRST_DEVIATION)
    return SequenceFeature(name, videos + 1, WIDTH, pooling="concat", padding_idx=0, initializer=first)
