"""Names of new tags, which the ranker reads only where their scores are needed."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rank.base import every
from rank.confidence import ConfidenceModel
from rank.contrastive import ContrastiveRanker, TagScorer, TowerEncoder
from rank.towers import Towers
from rank.tree_reranker import TreeReranker, fit_tree_reranker
from tagging.config.rank import TowersConfig, TreeRerankerConfig
from tagging.config.root import SelectConfig
from tagging.pipeline.answer import stated_by
from tagging.ragged import Tokens
from tagging.types import Candidates, ModalityFeatures, RankInput, VideoEmbeddings, VideoRef

TAGS, WIDTH = 20, 4
NAMES = [f"name {number}" for number in range(60)]
PARENTS = [[row + 1] if row % 3 == 0 else [] for row in range(TAGS)]


class DrawnTexts:
    """Texts as drawn unit rows, equal for equal texts; remembers which names were read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def of_texts(self, texts: Sequence[str]) -> Tokens:
        self.read += texts
        return Tokens.of([self._row(text) for text in texts], WIDTH)

    def of_videos(self, videos: Sequence[VideoEmbeddings]) -> Tokens:
        return Tokens.of([self._row(video.title) for video in videos], WIDTH)

    def _row(self, text: str) -> NDArray[np.float16]:
        drawn = np.random.default_rng([*text.encode()]).standard_normal((1, WIDTH))
        return (drawn / np.linalg.norm(drawn)).astype(np.float16)


@pytest.fixture
def texts() -> DrawnTexts:
    return DrawnTexts()


@pytest.fixture
def scorer(texts: DrawnTexts) -> TagScorer:
    torch.manual_seed(0)
    towers = Towers(WIDTH, {}, 0, TowersConfig(width=WIDTH, trained_layers=0, clusters=2, groups=1, expansion=1))
    encoder = TowerEncoder(towers.eval(), texts)
    scorer = TagScorer(encoder, encoder.encode_names([f"tag {row}" for row in range(TAGS)]))
    texts.read.clear()
    return scorer


def drawn(generator: np.random.Generator, names: Sequence[str]) -> RankInput:
    """Return a video whose candidates are tags of the catalog and these names, more or less likely."""
    known = np.sort(generator.choice(TAGS, generator.integers(0, 9), replace=False))
    rows = np.concatenate([known, TAGS + np.arange(len(names))])
    likely = (generator.random(len(rows)) ** 3).astype(np.float32)
    return given(f"video {generator.integers(1000)}", rows, likely, names)


def given(title: str, rows: NDArray[np.int64], likely: NDArray[np.float32], names: Sequence[str]) -> RankInput:
    new = {TAGS + number: name for number, name in enumerate(names)}
    candidates = Candidates(rows, ("extracted",), likely[:, None], new=new, probabilities=likely)
    return RankInput(VideoRef("v", title=title), ModalityFeatures(), VideoEmbeddings({}, title=title), candidates)


def reranker(scorer: TagScorer) -> TreeReranker:
    """Fit trees to candidates of which the likely ones near the video are right."""
    generator = np.random.default_rng(1)
    videos = [drawn(generator, generator.choice(NAMES, 6, replace=False).tolist()) for _ in range(100)]
    right = [
        video.candidates.tag_rows[near + video.candidates.scores[:, 0] > 1]
        for video, near in zip(videos, scorer.cosines(videos), strict=True)
    ]
    examples = [
        (video.candidates, near, rows) for video, near, rows in zip(videos, scorer.cosines(videos), right, strict=True)
    ]
    return fit_tree_reranker(examples, TreeRerankerConfig(trees=10, leaves=6, least_in_leaf=5), 7)


@pytest.mark.parametrize(("cosine", "order"), [(1.5, 0.8), (6.0, -0.5), (-1.0, 2.0), (-3.0, -0.5)])
def test_an_answer_is_that_of_all_names_read(scorer: TagScorer, texts: DrawnTexts, cosine: float, order: float) -> None:
    confidence = ConfidenceModel(likely=0.8, cosine=cosine, new=-0.2, order=order, bias=0.5)
    ranker = ContrastiveRanker(scorer, reranker(scorer), confidence)
    generator, proposed, read, answers = np.random.default_rng(2), 0, 0, 0
    for _ in range(15):
        videos = [drawn(generator, generator.choice(NAMES, 8, replace=False).tolist()) for _ in range(3)]
        stated = [
            stated_by(SelectConfig(max_tags=int(most), min_confidence=float(least)), PARENTS)
            for most, least in zip(generator.integers(1, 6, 3), generator.choice([0.0, 0.3, 0.6, 0.95], 3), strict=True)
        ]
        exact = [
            confidence.scores(video.candidates, near, ranker.order.score(video.candidates, near))
            for video, near in zip(videos, scorer.cosines(videos), strict=True)
        ]
        texts.read.clear()
        for video, needed, all_read, got in zip(videos, stated, exact, ranker.score(videos, stated), strict=True):
            positions = needed(video.candidates, all_read)
            assert needed(video.candidates, got).tolist() == positions.tolist()
            np.testing.assert_allclose(got.confidences[positions], all_read.confidences[positions], rtol=1e-5)
            assert (got.confidences >= all_read.confidences * (1 - 1e-5)).all()
            answers += int(np.isin(video.candidates.tag_rows[positions], [*video.candidates.new]).sum())
        assert len(texts.read) == len(set(texts.read))
        proposed += len({name for video in videos for name in video.candidates.new.values()})
        read += len(texts.read)
    assert answers > 10
    assert 10 < read < 0.9 * proposed


def test_a_name_that_cannot_be_answered_is_not_read(scorer: TagScorer, texts: DrawnTexts) -> None:
    confidence = ConfidenceModel(likely=1.0, cosine=1.0, new=0.0, order=0.0, bias=0.0)
    ranker = ContrastiveRanker(scorer, reranker(scorer), confidence)
    rows, likely = np.array([3, TAGS, TAGS + 1, TAGS + 2]), np.array([0.9, 0.5, 0.1, 0.01], np.float32)
    video = given("a title", rows, likely, ["even", "unlikely", "hopeless"])

    def read_for(most: int, least: float) -> list[str]:
        texts.read.clear()
        ranker.score([video], [stated_by(SelectConfig(max_tags=most, min_confidence=least), ())])
        return texts.read

    # With a cosine of 1 their log-odds would be 1, -1.2 and -3.6: confidences of 0.73, 0.23 and 0.03.
    assert read_for(5, 0.3) == ["even"]
    assert read_for(5, 0.1) == ["even", "unlikely"]
    assert read_for(5, 0.0) == ["even", "unlikely", "hopeless"]
    assert read_for(1, 0.0) == read_for(5, 0.8) == []
    texts.read.clear()
    ranker.with_tag_vectors({"even": np.ones(WIDTH, np.float32)}).score([video], [every])
    assert texts.read == ["unlikely", "hopeless"]
