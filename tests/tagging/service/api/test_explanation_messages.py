"""Conversion of inspections to messages and back: nothing is lost, and long ones are cut to fit."""

from dataclasses import replace
from typing import get_args

import pytest
from videotag.v1 import tagging_pb2 as pb

from tagging.errors import BackendUnavailableError, InvalidRequestError
from tagging.inspection.explanation import Ablation, Explanation, Inspection, Outcome, TagQuestion, TagTrace
from tagging.service.api.explanation_limits import MOST_BYTES, cut_to_fit
from tagging.service.api.explanation_messages import (
    ABLATION,
    OUTCOME,
    explanation_response,
    read_explain_request,
)
from tagging.service.calls.explanations import ExplainRequest, ExplanationReport
from tagging.service.calls.requests import TagRequest
from tagging.service.remote.explanation_values import read_inspection
from tagging.store.database.taggings import TaggingOptions
from tagging.types import Passage, VideoRef
from tests.support.drawn_inspections import Draws
from tests.support.explanations import many_tags, title_explanation


def sent(inspection: Inspection) -> pb.ExplainVideoResponse:
    """Return the response as a client reads it."""
    message = explanation_response(ExplanationReport(inspection, "c0ffee", 12))
    return pb.ExplainVideoResponse.FromString(message.SerializeToString())


@pytest.mark.parametrize("seed", range(200))
def test_an_inspection_survives_the_way_to_a_client(seed: int) -> None:
    inspection = Draws(seed).inspection()
    assert read_inspection(sent(inspection), None) == inspection


def test_the_response_states_what_was_explained() -> None:
    inspection = Draws(1).inspection()
    response = sent(inspection)
    assert response.bundle_version == inspection.explanation.bundle_version
    assert (response.content_hash, response.last_edit) == ("c0ffee", 12)
    assert response.explanation.tag_count == len(inspection.explanation.tags)


def test_a_caller_keeps_its_own_description_of_the_video() -> None:
    video = VideoRef("own", "/home/me/clip.mp4", "title")
    assert read_inspection(sent(Draws(2).inspection()), video).explanation.video == video


def test_every_outcome_and_ablation_has_a_value_of_its_own() -> None:
    assert set(OUTCOME) == set(get_args(Outcome))
    assert set(OUTCOME.values()) | {0} == set(pb.TagOutcome.values())
    assert set(ABLATION) == set(get_args(Ablation.__annotations__["kind"]))
    assert set(ABLATION.values()) | {0} == set(pb.AblationKind.values())


def test_channels_and_contributions_keep_their_order() -> None:
    inputs = {"small": 0.1, "large": -7.0, "equal": 0.1}
    trace = replace(
        many_tags(1)[0],
        channels={"seen": 0.1, "text": 0.5, "audio": 0.2},
        channel_ranks={"seen": 3, "text": 1, "audio": 2},
        contributions=inputs,
        recall_contributions=dict(reversed(inputs.items())),
    )
    [read] = read_inspection(sent(Inspection(title_explanation("t", (trace,)), ())), None).explanation.tags
    assert list(read.channels) == list(read.channel_ranks) == ["seen", "text", "audio"]
    assert list(read.contributions) == ["small", "large", "equal"]
    assert list(read.recall_contributions) == ["equal", "large", "small"]


def test_texts_that_are_no_unicode_are_escaped() -> None:
    explanation = title_explanation("half \ud83c a sign")
    assert sent(Inspection(explanation, ())).explanation.video.title == "half \\ud83c a sign"


def test_values_of_a_newer_service_are_one_clear_error() -> None:
    response = sent(Inspection(title_explanation("t", many_tags(1)), ()))
    response.explanation.tags[0].outcome = 99  # type: ignore[assignment]
    with pytest.raises(BackendUnavailableError, match="99"):
        read_inspection(response, None)
    response = sent(Inspection(title_explanation("t", many_tags(1)), ()))
    response.explanation.tags[0].evidence.add(channel="sixth sense")
    with pytest.raises(BackendUnavailableError, match="sixth sense"):
        read_inspection(response, None)


def long_explanation(tags: int, words: int) -> Explanation:
    explanation = title_explanation("t" * 10_000, many_tags(tags), "d" * 100_000)
    passages = tuple(Passage("word " * 20, second, second + 1.0, 0.5) for second in range(words))
    looked_at = replace(explanation.looked_at, passages={"speech": passages}, warnings=("the sound was cut",))
    return replace(explanation, looked_at=looked_at)


def test_an_explanation_that_fits_is_whole() -> None:
    explanation = long_explanation(tags=900, words=900)
    response = sent(Inspection(explanation, ()))
    assert response.ByteSize() <= MOST_BYTES
    assert read_inspection(response, None).explanation == explanation


@pytest.mark.parametrize(("tags", "words"), [(40_000, 10), (10, 40_000), (20_000, 20_000)])
def test_a_long_explanation_is_cut_to_fit_and_says_so(tags: int, words: int) -> None:
    trace = replace(many_tags(1)[0], contributions={f"input {number}": 0.5 for number in range(20)})
    question = TagQuestion("q", trace, "answered", "Because.", "", tuple([ABLATED] * 3))
    inspection = Inspection(long_explanation(tags, words), (question,) * 20)
    response = sent(inspection)
    assert response.ByteSize() <= MOST_BYTES
    read = read_inspection(response, None)
    assert read.questions == inspection.questions
    explanation = read.explanation
    assert response.explanation.tag_count == tags
    assert explanation.tags == inspection.explanation.tags[: len(explanation.tags)]
    assert explanation.looked_at.warnings[0].startswith("the explanation is cut to fit into a message: lists to ")
    assert explanation.looked_at.warnings[1:] == ("the sound was cut",)


ABLATED = Ablation("channel", "text", "", 0.25, "below_confidence")


@pytest.mark.parametrize("most_bytes", [1, 300, 3_000, 30_000])
def test_a_limit_is_kept_or_everything_is_cut_to_one_entry(most_bytes: int) -> None:
    response = sent(Inspection(long_explanation(500, 500), ()))
    cut_to_fit(response, most_bytes)
    is_smallest = len(response.explanation.tags) == 1
    assert is_smallest or response.ByteSize() <= most_bytes
    assert sum("cut to fit" in warning for warning in response.explanation.looked_at.warnings) == 1


def test_a_request_is_read_with_its_video_and_its_questions_once() -> None:
    video = pb.TagVideoRequest(video_id="v", uri="a.mp4", title="T", options=pb.TagVideoOptions(precision=0.9))
    read = read_explain_request(pb.ExplainVideoRequest(video=video, why=["jazz", "blues", "jazz"], why_answered=True))
    subject = TagRequest(VideoRef("v", "a.mp4", "T"), None, TaggingOptions(precision=0.9), evidence=False)
    assert read == ExplainRequest(subject, ("jazz", "blues"), why_answered=True)
    assert read_explain_request(pb.ExplainVideoRequest(video_id="v")) == ExplainRequest("v", (), why_answered=False)
    with pytest.raises(InvalidRequestError, match="subject"):
        read_explain_request(pb.ExplainVideoRequest())


def test_a_trace_without_a_stage_has_none_of_its_values() -> None:
    dropped = TagTrace("id", "jazz", False, "not_proposed", {}, {}, None, None, {}, None, None, {}, None, (), ())
    [trace] = sent(Inspection(title_explanation("t", (dropped,)), ())).explanation.tags
    assert not {field.name for field, _ in trace.ListFields()} - {"tag_id", "name", "outcome"}
