"""Candidates that an answer states."""

import numpy as np

from rank.select import select
from tagging.config.root import SelectConfig
from tagging.pipeline.answer import stated_by
from tagging.types import Candidates, TagScores


def candidates(count: int) -> Candidates:
    return Candidates(np.arange(count), ("text",), np.zeros((count, 1), np.float32))


def test_an_answer_states_its_tags_or_the_best_one_that_it_warns_with() -> None:
    scores = TagScores(np.array([0.2, 0.5, 0.4, 0.5], np.float32))
    states = {least: stated_by(SelectConfig(max_tags=2, min_confidence=least), ()) for least in (0.1, 0.45, 0.6)}
    assert states[0.1](candidates(4), scores).tolist() == states[0.45](candidates(4), scores).tolist() == [1, 3]
    assert states[0.6](candidates(4), scores).tolist() == [1]
    assert states[0.6](candidates(0), TagScores(np.zeros(0, np.float32))).tolist() == []


def test_lower_confidences_of_other_candidates_change_nothing() -> None:
    generator, lowered = np.random.default_rng(0), 0
    for _ in range(300):
        count = int(generator.integers(1, 12))
        parents = [[above for above in range(row) if generator.random() < 0.2] for row in range(count)]
        selection = SelectConfig(max_tags=int(generator.integers(1, 5)), min_confidence=generator.choice([0, 0.4, 0.9]))
        confidences = (generator.integers(0, 11, count) / 10).astype(np.float32)  # with ties
        stated = stated_by(selection, parents)
        positions = stated(candidates(count), TagScores(confidences))
        others = np.setdiff1d(np.arange(count), positions)
        confidences[others] *= generator.random(len(others)).astype(np.float32)
        scores = TagScores(confidences)
        assert stated(candidates(count), scores).tolist() == positions.tolist()
        assert set(select(candidates(count), scores, parents, selection)) <= set(positions)
        lowered += len(others)
    assert lowered > 500
