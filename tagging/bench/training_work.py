"""Training of the ranker on made-up videos, for measurements: the time of a step does not depend on their content."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from rank.negatives import NegativeSampler
from rank.train import RankData, train_ranker
from tagging.bert import Bert, BertShape
from tagging.config.rank import RankerConfig
from tagging.progress import Silent
from tagging.ragged import Ragged, Tokens

TITLE_TOKENS, NAME_TOKENS = 16, 4
FRAMES, FRAME_WIDTH = 16, 64


@dataclass(frozen=True, slots=True, eq=False)
class TrainingWork:
    """Videos with titles and frames, and the tags that they have."""

    data: RankData
    known: sparse.csr_array  # (videos, tags) bool
    bert: Bert  # of random weights

    @classmethod
    def drawn(cls, videos: int, tags: int, shape: BertShape, seed: int) -> "TrainingWork":
        rng = np.random.default_rng(seed)
        titles, names = (
            _tokens(rng, [length] * count, shape.width)
            for length, count in ((TITLE_TOKENS, videos), (NAME_TOKENS, tags))
        )
        frames = Tokens.of([rng.standard_normal((FRAMES, FRAME_WIDTH)) for _ in range(videos)], FRAME_WIDTH)
        columns = rng.integers(0, tags, videos)
        known = sparse.csr_array((np.ones(videos, np.bool_), (np.arange(videos), columns)), (videos, tags))
        graph = np.zeros((tags, 0), np.float32)
        data = RankData(titles, {"frames": frames}, names, graph, np.ones(videos, np.float32))
        return cls(data, known, Bert(shape).eval())

    def train(self, config: RankerConfig, steps: int, seed: int) -> None:
        """Train for `steps` steps; `config.epochs` must ask for fewer."""
        nothing = Ragged(np.zeros(self.known.shape[0] + 1, np.int64), np.zeros(0, np.int64))
        edges = sparse.csr_array((self.known.shape[1], self.known.shape[1]))
        sampler = NegativeSampler(self.known, self.known, edges, nothing, config.negatives)
        config = config.model_copy(update={"least_steps": steps})
        train_ranker(self.data, sampler, self.bert, config, seed, Silent())


def _tokens(rng: np.random.Generator, lengths: Sequence[int], width: int) -> Tokens:
    return Tokens.of([rng.standard_normal((length, width)) for length in lengths], width)
