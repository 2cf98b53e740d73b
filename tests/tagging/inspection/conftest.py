"""Taggers of every kind of bundle."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rank.recall_probability import RecallProbabilityRanker
from tagging.pipeline.load import load_tagger
from tagging.pipeline.tagger import Tagger
from tests.support.inspections import edited


@pytest.fixture(scope="module")
def learnt(learnt_bundle: Path) -> Iterator[Tagger]:
    with load_tagger(learnt_bundle) as tagger:
        yield tagger


@pytest.fixture(scope="module")
def starter(tiny_starter: Path) -> Iterator[Tagger]:
    with load_tagger(tiny_starter) as tagger:
        yield tagger


@pytest.fixture(scope="module")
def trained_on_clips(tiny_bundle: Path) -> Iterator[Tagger]:
    with load_tagger(tiny_bundle) as tagger:
        yield tagger


@pytest.fixture(scope="module")
def extracting(extracting_starter: Path) -> Iterator[Tagger]:
    with load_tagger(extracting_starter) as tagger:
        yield tagger


@pytest.fixture(scope="module")
def clip(unseen_corpus: Path) -> Path:
    return min(unseen_corpus.parent.glob("*.mp4"))


@pytest.fixture(params=["starter", "extracting", "trained_on_clips", "learnt", "without ranker", "edited"])
def tagger(request: pytest.FixtureRequest, learnt_bundle: Path) -> Tagger:
    if request.param not in ("without ranker", "edited"):
        found: Tagger = request.getfixturevalue(request.param)
        return found
    learnt: Tagger = request.getfixturevalue("learnt")
    if request.param == "without ranker":
        return learnt.with_models(replace(learnt.models, ranker=RecallProbabilityRanker()))
    return edited(learnt, learnt_bundle)
