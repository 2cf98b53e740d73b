"""Precision guarantees in answers: which tags are answered at a precision that a caller asks for."""

import json
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tagging.errors import InvalidSelectionError, InvalidVideoError
from tagging.media.read_ahead import Failure
from tagging.pipeline.load import load_tagger
from tagging.pipeline.precision import LONGEST_ANSWER
from tagging.types import RankedTags, VideoRef
from tests.support.cli import error_lines, run
from tests.support.corpora import write_topic_videos
from tests.support.topics import WORDS


def test_a_video_is_tagged_with_a_probability(precise_bundle: Path) -> None:
    with load_tagger(precise_bundle) as tagger:
        answer = tagger.tag(VideoRef("x", title="purring kitten with whiskers"), tagger.selection(3))
    assert answer.tags[0].name == "cats"
    assert answer.tags[0].confidence > 0.8
    assert set(answer.tags[0].channels) >= {"classifier", "multimodal", "lexical"}


def test_a_video_of_which_nothing_is_known_is_one_error_and_the_others_are_tagged(precise_bundle: Path) -> None:
    with load_tagger(precise_bundle) as tagger:
        nothing = VideoRef("nothing")
        with pytest.raises(InvalidVideoError, match="nothing"):
            tagger.tag(nothing, tagger.selection(3))
        failure, answer, silent = tagger.tag_many(
            [nothing, VideoRef("x", title="purring kitten"), VideoRef("y", title="🎉🎉")], tagger.selection(3)
        )
    assert isinstance(failure, Failure)
    assert not isinstance(answer, Failure)
    assert answer.tags
    assert not isinstance(silent, Failure)


TITLES = [" ".join(words[:3]) for words in WORDS.values()] + ["kitten engine", "part3", "something else"]
PRECISIONS = (0.3, 0.5, 0.7, 0.8, 0.85, 0.9)


def answered(precise_bundle: Path, precision: float, max_tags: int | None = None) -> list[RankedTags]:
    with load_tagger(precise_bundle) as tagger:
        selection = tagger.selection(max_tags, precision)
        results = tagger.tag_many([VideoRef(title, title=title) for title in TITLES], selection)
        return [answer for answer in results if isinstance(answer, RankedTags)]


def test_a_higher_precision_never_answers_more(precise_bundle: Path) -> None:
    counts = [[len(answer.tags) for answer in answered(precise_bundle, precision)] for precision in PRECISIONS]
    for looser, stricter in pairwise(counts):
        assert all(few <= many for few, many in zip(stricter, looser, strict=True))
    assert sum(counts[0]) > sum(counts[-1])
    assert all(counts[0][:4])


def test_where_no_confidence_keeps_the_promise_every_video_says_so(precise_bundle: Path) -> None:
    for answer in answered(precise_bundle, 0.99):
        assert answer.tags == ()
        assert answer.warnings[-1].startswith("no confidence reaches the target precision; the best tag, ")


def test_a_promise_is_kept_for_no_longer_answers_than_it_is_known_for(precise_bundle: Path) -> None:
    with load_tagger(precise_bundle) as tagger:
        assert tagger.selection(500).max_tags == 500
        with pytest.raises(InvalidSelectionError, match="answers of 500 tags"):
            tagger.selection(500, 0.5)
        assert tagger.selection(LONGEST_ANSWER, 0.5).max_tags == LONGEST_ANSWER
        assert tagger.selection(2, 0.5).max_tags == 2


def test_the_command_line_takes_and_measures_promises(precise_bundle: Path, tmp_path: Path) -> None:
    args = ("tag", "--title", TITLES[0], "--bundle", precise_bundle, "--format", "json", "--precision")
    sure = json.loads(run(*args, 0.5).stdout)
    assert sure["tags"][0]["name"] == "cats"
    assert run(*args, 1).returncode == 2

    test = write_topic_videos(tmp_path / "test.jsonl", 20, seed=9, first=1000)
    batch = ("batch", test, "--bundle", precise_bundle, "--out", tmp_path / "out", "--precision")
    tagged = run(*batch, 0.5)
    assert tagged.returncode == 0, tagged.stderr
    assert pq.read_table(tmp_path / "out/tagged/part-00000.parquet").num_rows == 20
    error_lines(run(*batch, 0.99))  # another question than the one that the folder answers

    figure = tmp_path / "figure.png"
    more = ("--features", tmp_path / "f", "--figure", figure)
    evaluated = run("evaluate", "--bundle", precise_bundle, "--manifest", test, *more)
    assert evaluated.returncode == 0, evaluated.stderr
    assert "Target precisions" in evaluated.stdout
    assert figure.read_bytes().startswith(b"\x89PNG")
