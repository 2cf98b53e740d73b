"""Explanations against the tagger itself, over every kind of bundle."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from rank.base import Needed, Ranker, every
from tagging.config.root import SelectConfig
from tagging.errors import InvalidVideoError
from tagging.inspection.inspect import inspect_video
from tagging.media.read_ahead import ReadVideo
from tagging.pipeline.models import encode
from tagging.pipeline.stages import untimed
from tagging.pipeline.tagger import Tagger
from tagging.types import Candidates, RankInput, TagScores, VideoRef
from tests.support.inspections import EVERY, TITLES, as_ranked, read_title, tag_read


@pytest.mark.parametrize("selection", [EVERY, SelectConfig(max_tags=2, min_confidence=0.1)])
def test_the_answered_tags_of_an_explanation_are_the_taggers(tagger: Tagger, selection: SelectConfig) -> None:
    for title in TITLES:
        inspection = inspect_video(tagger, read_title(title), selection, [])
        answered = [as_ranked(tag) for tag in inspection.explanation.tags if tag.outcome == "answered"]
        answer = tag_read(tagger, read_title(title), selection)
        assert tuple(answered) == answer.tags, title
        assert inspection.explanation.looked_at.modalities == answer.modalities
        assert inspection.explanation.bundle_version == answer.bundle_version


class LooseRanker:
    """A ranker whose confidences are too high where they are not needed."""

    def __init__(self, ranker: Ranker) -> None:
        self._ranker = ranker
        self.raised = 0

    def score(self, videos: Sequence[RankInput], needed: Sequence[Needed]) -> list[TagScores]:
        exact = self._ranker.score(videos, [every] * len(videos))
        return [
            self._raised(video.candidates, scores, asks)
            for video, scores, asks in zip(videos, exact, needed, strict=True)
        ]

    def _raised(self, candidates: Candidates, scores: TagScores, needed: Needed) -> TagScores:
        positions = needed(candidates, scores).tolist()
        for position in set(range(len(candidates.tag_rows))) - set(positions):
            confidences = scores.confidences.copy()
            confidences[position] += 0.01
            higher = TagScores(confidences, scores.contributions)
            if needed(candidates, higher).tolist() == positions:
                scores = higher
                self.raised += 1
        return scores


def test_an_explanation_has_the_confidences_that_an_answer_does_not_need(learnt: Tagger) -> None:
    ranker, selection = LooseRanker(learnt.models.ranker), SelectConfig(max_tags=1, min_confidence=0.1)
    loose = learnt.with_models(replace(learnt.models, ranker=ranker))
    for title in TITLES:
        read = read_title(title)
        inspection = inspect_video(loose, read, selection, ["cats", "cars"])
        assert ranker.raised == 0
        assert inspection == inspect_video(learnt, read, selection, ["cats", "cars"])
    assert tag_read(loose, read_title(TITLES[0]), selection) == tag_read(learnt, read_title(TITLES[0]), selection)
    assert ranker.raised > 0


def test_the_answered_tags_of_a_clip_are_the_taggers_with_their_spans(starter: Tagger, clip: Path) -> None:
    read = starter.read(VideoRef("clip", str(clip), "Ice hockey"))
    explanation = inspect_video(starter, read, EVERY, []).explanation
    answer = tag_read(starter, read)
    assert tuple(as_ranked(tag) for tag in explanation.tags if tag.outcome == "answered") == answer.tags
    assert any(tag.spans for tag in answer.tags)
    assert read.media is not None
    assert read.media.frames is not None
    assert explanation.looked_at.duration_s == read.media.duration_s
    assert explanation.looked_at.frame_times_s == tuple(read.media.frames.times_s.tolist())
    assert explanation.looked_at.modalities == ("text", "frames", "audio")


def test_contributions_sum_to_the_log_odds(tagger: Tagger) -> None:
    for title in TITLES:
        explanation = inspect_video(tagger, read_title(title), EVERY, []).explanation
        for tag in explanation.tags:
            assert tag.confidence is not None
            assert expit(sum(tag.contributions.values())) == pytest.approx(tag.confidence, abs=2e-6)
            if tag.recall_probability is not None:
                by_input = tag.recall_contributions
                assert expit(sum(by_input.values())) == pytest.approx(tag.recall_probability, abs=2e-6)
                names = [channel.name for channel in explanation.channels]
                assert [*by_input] == [*names, "use", "name in text", "base"]


def test_ranks_count_the_candidates_from_one_by_confidence_and_by_probability(learnt: Tagger) -> None:
    tags = inspect_video(learnt, read_title(TITLES[0]), EVERY, []).explanation.tags
    assert [tag.rank for tag in tags] == [*range(1, len(tags) + 1)]
    confidences = [tag.confidence for tag in tags]
    assert confidences == sorted(confidences, key=lambda confidence: -(confidence or 0.0))
    by_recall = sorted(tags, key=lambda tag: tag.recall_rank or 0)
    probabilities = [tag.recall_probability or 0.0 for tag in by_recall]
    assert probabilities == sorted(probabilities, reverse=True)


def test_channels_show_what_they_proposed_and_the_labelled_videos_that_voted(learnt: Tagger) -> None:
    explanation = inspect_video(learnt, read_title(TITLES[0]), EVERY, []).explanation
    stage = learnt.models.recall_stage
    [encoded] = encode(learnt.models.encoders, [read_title(TITLES[0])], untimed)
    [proposed] = stage.propose([encoded.embeddings])
    assert [channel.name for channel in explanation.channels] == [channel.name for channel in stage.channels]
    for channel in explanation.channels:
        tags = proposed[channel.name]
        assert channel.has_input == (tags is not None)
        if tags is None:
            continue
        assert channel.proposal_count == len(tags.tag_rows)
        assert [proposal.score for proposal in channel.proposals] == tags.scores.tolist()[:50]
        assert channel.voter_count == len(tags.neighbours.video_rows)
        assert [voter.similarity for voter in channel.voters] == tags.neighbours.similarities.tolist()[:10]
    [text] = [channel for channel in explanation.channels if channel.name == "text"]
    counts = dict(zip(stage.catalog.names, stage.catalog.counts.tolist(), strict=True))
    for voter in text.voters:
        row = stage.neighbour_store.table.row_of(voter.video_id)
        assert row is not None
        assert voter.title == stage.neighbour_store.table.title_of(row)
        tags = stage.tags_of(np.array([row])).values.tolist()
        assert {*voter.tags} == {stage.catalog.names[tag] for tag in tags}
        uses = [counts[name] for name in voter.tags]
        assert uses == sorted(uses, reverse=True)


def test_a_video_of_which_nothing_can_be_read_is_one_error(learnt: Tagger) -> None:
    with pytest.raises(InvalidVideoError, match="nothing of video 'v' could be looked at"):
        inspect_video(learnt, ReadVideo(VideoRef("v", None, " "), None), EVERY, [])


def test_credentials_of_a_url_are_not_in_the_explanation(learnt: Tagger) -> None:
    read = ReadVideo(VideoRef("v", "https://me:secret@example.org/clip.mp4", "kitten"), None)
    assert "secret" not in str(inspect_video(learnt, read, EVERY, ["cats"]))
