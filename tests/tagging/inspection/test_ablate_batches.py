"""Batches of ablations: their number changes no answer, and each batch enters the stages, where a service pauses."""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from tagging.config.root import SelectConfig
from tagging.errors import DeadlineExceededError
from tagging.inspection import ablate
from tagging.inspection.explanation import Inspection
from tagging.inspection.inspect import inspect_answer, inspect_video
from tagging.pipeline.load import load_tagger
from tagging.pipeline.stages import Stage, untimed
from tagging.pipeline.tagger import Tagger
from tagging.types import VideoRef

EVERY = SelectConfig(max_tags=50, min_confidence=0.0)
VIDEO = VideoRef("v", title="kitten purring whiskers engine")


@pytest.fixture(scope="module")
def tagger(learnt_bundle: Path) -> Iterator[Tagger]:
    with load_tagger(learnt_bundle) as loaded:
        yield loaded


def queries_of(tagger: Tagger) -> list[str]:
    return [*tagger.models.recall_stage.catalog.names[:4], "qqq"]


class Counted:
    """Stages that count how often each is entered, and fail at one of them."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.entered: Counter[Stage] = Counter()
        self._fail_at = fail_at

    def __call__(self, stage: Stage, /) -> AbstractContextManager[None]:
        if self.entered.total() == self._fail_at:
            raise DeadlineExceededError("late")
        self.entered[stage] += 1
        return untimed(stage)


def inspected(tagger: Tagger, stages: Counted) -> Inspection:
    return inspect_video(replace(tagger, stages=stages), tagger.read(VIDEO), EVERY, queries_of(tagger))


def assert_close(found: Inspection, wanted: Inspection) -> None:
    for question, expected in zip(found.questions, wanted.questions, strict=True):
        assert [a.outcome for a in question.ablations] == [a.outcome for a in expected.ablations]
        for ablation, other in zip(question.ablations, expected.ablations, strict=True):
            assert (ablation.kind, ablation.name) == (other.kind, other.name)
            assert ablation.confidence == pytest.approx(other.confidence, abs=1e-5)


def test_the_size_of_a_batch_changes_no_answer_and_every_batch_enters_the_stages(
    tagger: Tagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, single = Counted(), Counted()
    monkeypatch.setattr(ablate, "CHANGES_AT_ONCE", 10_000)
    at_once = inspected(tagger, whole)
    monkeypatch.setattr(ablate, "CHANGES_AT_ONCE", 1)
    one_by_one = inspected(tagger, single)
    assert_close(one_by_one, at_once)
    changes = {(a.kind, a.name) for question in at_once.questions for a in question.ablations}
    assert len(changes) > 4
    assert whole.entered == {"encode": 2, "recall": 2, "rank": 2}
    assert single.entered["rank"] > len(changes)
    assert single.entered["rank"] == single.entered["recall"]


def test_stages_that_fail_end_the_inspection(tagger: Tagger) -> None:
    counted = Counted()
    inspected(tagger, counted)
    for at in range(counted.entered.total()):
        with pytest.raises(DeadlineExceededError):
            inspected(tagger, Counted(at))


def test_answered_tags_are_asked_about_after_the_queries(tagger: Tagger) -> None:
    queries = queries_of(tagger)
    found = inspect_answer(tagger, tagger.read(VIDEO), EVERY, queries)
    answered = [tag.name for tag in found.explanation.tags if tag.outcome == "answered"]
    question_texts = [question.query for question in found.questions]
    assert question_texts[: len(queries)] == queries
    assert len(answered) > 1
    assert question_texts[len(queries) :] == [name for name in answered if name not in queries]
