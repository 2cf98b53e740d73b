"""Conversion between messages and values: nothing is lost, and values outside the proto's ranges are refused."""

import dataclasses
import itertools
import random
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status
from videotag.v1 import tagging_pb2 as pb

from tagging.errors import InvalidRequestError
from tagging.service.api.video_messages import (
    read_labelled,
    read_tag_request,
    stream_response,
    tagging_message,
    timestamp,
)
from tagging.service.calls.requests import TagRequest, TagResponse, content_hash
from tagging.store.database.taggings import Tagging, TaggingKey, TaggingOptions
from tagging.types import (
    MODALITIES,
    PASSAGE_SOURCES,
    Evidence,
    LabelledVideo,
    RankedTag,
    RankedTags,
    TimeSpan,
    VideoRef,
)

NOON = datetime(2026, 1, 2, 12, 0, 0, 250_000, UTC)
EVIDENCE = (
    Evidence("similar", "video", 0.5, video_id="v7", title="Tuning a guitar"),
    Evidence("similar", "video", -0.25, video_id="v8"),
    Evidence("written", "text", 0.75, text="guitar"),
    Evidence("seen", "frame", 1.0, frame=3, frames=16),
    Evidence("heard", "sound", 0.125, start_s=2.88),
    Evidence("heard", "sound", 0.125, start_s=0.0, end_s=0.96),
    Evidence("spoken", "speech", 0.5, text="the guitar", start_s=0.0, end_s=2.5),
    Evidence("shown", "screen", 0.5, text="GUITAR", start_s=3.0, end_s=3.0),
    Evidence("seen", "frame", 1.0, frame=1, frames=16, start_s=0.0, end_s=1.5),
    Evidence("uploader", "uploader", 0.0, text="on 3 of the uploader's 12 labelled videos"),
)
GUITAR = RankedTag("0a1b", "guitar", 0.75, {"seen": 0.5, "written": 0.75, "heard": 0.5}, EVIDENCE)
ANSWER = RankedTags("v1", (GUITAR,), ("text", "audio"), ("the picture is cut",), "20260102T030405Z-0a1b2c3d")


def response(answer: RankedTags) -> TagResponse:
    key = TaggingKey(answer.video_id, "c0ffee", answer.bundle_version, TaggingOptions())
    return TagResponse(Tagging(key, VideoRef(answer.video_id), answer, NOON, 12), from_store=True)


def sent(answer: RankedTags, evidence: bool = True) -> pb.TagVideoResponse:
    """Return the message as a client reads it."""
    message = tagging_message(response(answer), evidence)
    return pb.TagVideoResponse.FromString(message.SerializeToString())


def with_tag(**changed: object) -> RankedTags:
    return dataclasses.replace(ANSWER, tags=(dataclasses.replace(GUITAR, **changed),))  # type: ignore[arg-type]


def violations(message: pb.TagVideoRequest) -> dict[str, str]:
    with pytest.raises(InvalidRequestError) as raised:
        read_tag_request(message)
    return raised.value.violations


def test_a_request_is_read_with_all_its_fields() -> None:
    options = pb.TagVideoOptions(max_tags=7, precision=0.9, evidence=True)
    message = pb.TagVideoRequest(
        video_id=" v1 ", uri="https://a/b.mp4", title="T", description="D\n", uploader_id="u", options=options
    )
    assert read_tag_request(message) == TagRequest(
        VideoRef(" v1 ", "https://a/b.mp4", "T", "D\n", "u"),
        None,
        TaggingOptions(max_tags=7, precision=0.9),
        evidence=True,
    )


def test_options_that_a_client_omits_are_left_to_the_bundle() -> None:
    assert read_tag_request(pb.TagVideoRequest(video_id="v1", title="T")) == TagRequest(
        VideoRef("v1", title="T"), None, TaggingOptions(), evidence=False
    )


def test_zero_differs_from_unset() -> None:
    options = pb.TagVideoOptions(min_confidence=0.0)
    request = read_tag_request(pb.TagVideoRequest(video_id="v1", title="T", options=options))
    assert request.options == TaggingOptions(min_confidence=0.0)
    assert violations(pb.TagVideoRequest(video_id="v1", title="T", options=pb.TagVideoOptions(max_tags=0))) == {
        "options.max_tags": "0, expected a number in [1, 50]"
    }


@pytest.mark.parametrize("precision", [0.1, 0.7, 0.9, 0.95])
def test_a_threshold_is_read_to_the_last_bit(precision: float) -> None:
    options = pb.TagVideoOptions(precision=precision)
    request = pb.TagVideoRequest(video_id="v1", title="T", options=options)
    received = pb.TagVideoRequest.FromString(request.SerializeToString())
    assert read_tag_request(received).options.precision == precision


def test_content_is_read_for_a_video_without_a_uri() -> None:
    request = read_tag_request(pb.TagVideoRequest(video_id="v1", content=b"\0mp4"))
    assert (request.content, request.video.uri) == (b"\0mp4", None)


def test_a_labelled_video_keeps_the_spellings_and_their_order() -> None:
    message = pb.AddLabelledVideoRequest(
        video_id="v1", uri="b.mp4", title="T", uploader_id="u", tags=["Jazz", "a", "jazz"]
    )
    video = LabelledVideo(VideoRef("v1", "b.mp4", "T", "", "u"), ("Jazz", "a", "jazz"))
    assert read_labelled(message) == (video, None)
    message.content = b"mp4"
    assert read_labelled(message) == (dataclasses.replace(video, video=VideoRef("v1", None, "T", "", "u")), b"mp4")
    message.ClearField("tags")
    with pytest.raises(InvalidRequestError):
        read_labelled(message)


def test_mutated_requests_are_read_or_refused_with_violations() -> None:
    rng = random.Random(7)
    whole = pb.TagVideoRequest(
        video_id="v1", uri="a.mp4", title="T 語", uploader_id="u", options=pb.TagVideoOptions(max_tags=3, precision=0.5)
    ).SerializeToString()
    parsed = refused = 0
    for _ in range(20_000):
        mutated = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            mutated[rng.randrange(len(mutated))] = rng.randrange(256)
        try:
            message = pb.TagVideoRequest.FromString(bytes(mutated))
        except DecodeError:
            continue
        parsed += 1
        try:
            request = read_tag_request(message)
        except InvalidRequestError as error:
            refused += bool(error.violations)
            continue
        assert request.video.video_id.strip()
        assert request.video.uri or request.content or request.video.text
    assert 0 < refused < parsed


def test_the_content_hash_covers_everything_that_shapes_the_tags_and_nothing_else() -> None:
    video = VideoRef("v1", "a.mp4", "T", "D", "u")
    same = content_hash(video, "ab")
    assert same == content_hash(dataclasses.replace(video, video_id="v2", uri="b.mp4"), "ab")
    others = [
        (dataclasses.replace(video, title="t"), "ab"),
        (dataclasses.replace(video, description=""), "ab"),
        (dataclasses.replace(video, uploader_id=None), "ab"),
        (video, "abc"),
        (video, None),
        (dataclasses.replace(video, title="TD", description=""), "ab"),
        (dataclasses.replace(video, title="D", description="T"), "ab"),
        (dataclasses.replace(video, title="\udcff"), "ab"),
        (dataclasses.replace(video, title=r"\udcff"), "ab"),
        (dataclasses.replace(video, uploader_id="None"), None),
        (dataclasses.replace(video, uploader_id=None), None),
    ]
    hashes = [same, *itertools.starmap(content_hash, others)]
    assert len(set(hashes)) == len(hashes)
    assert all(len(digest) == 64 and int(digest, 16) >= 0 for digest in hashes)


def test_the_content_hash_is_stable() -> None:
    # part of the stored key; computed by printf '["ab", "T", "\\u8a9e", null]' | sha256sum
    known = "7d9b8e2d8e02e6dca2bece595a8a3995b41e263f965e0ab9b79f0e2ee15ad9d9"
    assert content_hash(VideoRef("v", title="T", description="語"), "ab") == known


def test_an_answer_is_sent_with_its_versions_and_modalities() -> None:
    message = sent(ANSWER)
    assert (message.video_id, message.bundle_version) == ("v1", "20260102T030405Z-0a1b2c3d")
    assert list(message.modalities) == [pb.MODALITY_TEXT, pb.MODALITY_AUDIO]
    assert list(message.warnings) == ["the picture is cut"]
    assert (message.content_hash, message.from_store, message.last_edit) == ("c0ffee", True, 12)
    assert message.tagged_at.ToDatetime(UTC) == NOON
    [tag] = message.tags
    assert (tag.id, tag.name, tag.confidence, tag.is_new) == ("0a1b", "guitar", 0.75, False)


def test_channels_are_sorted_by_score_and_then_by_name() -> None:
    [tag] = sent(ANSWER).tags
    assert [(c.channel, c.score) for c in tag.channels] == [
        ("written", 0.75),
        ("heard", 0.5),
        ("seen", 0.5),
    ]


def test_every_kind_of_evidence_keeps_its_fields_and_has_no_others() -> None:
    [tag] = sent(ANSWER).tags
    kinds = [evidence.WhichOneof("kind") for evidence in tag.evidence]
    assert kinds == ["video", "video", "text", "frame", "sound", "sound", "speech", "screen", "frame", "uploader"]
    assert [(e.channel, e.similarity) for e in tag.evidence] == [(e.channel, e.similarity) for e in EVIDENCE]
    similar, untitled, words, frame, sound, first_sound, speech, shown, timed, usual = tag.evidence
    assert (similar.video.video_id, similar.video.title) == ("v7", "Tuning a guitar")
    assert (untitled.video.video_id, untitled.video.title) == ("v8", "")
    assert words.text.text == "guitar"
    assert (frame.frame.frame, frame.frame.frames) == (3, 16)
    assert sound.sound.start.ToTimedelta() == timedelta(seconds=2, milliseconds=880)
    assert first_sound.sound.HasField("start")
    assert not sound.sound.HasField("end")
    assert first_sound.sound.end.ToTimedelta() == timedelta(milliseconds=960)
    assert speech.speech.text == "the guitar"
    assert (speech.speech.start.ToTimedelta(), speech.speech.end.ToTimedelta()) == (
        timedelta(0),
        timedelta(seconds=2.5),
    )
    assert (shown.screen.text, shown.screen.end.ToTimedelta()) == ("GUITAR", timedelta(seconds=3))
    assert not frame.frame.HasField("start")
    assert timed.frame.HasField("start")
    assert timed.frame.end.ToTimedelta() == timedelta(seconds=1.5)
    assert usual.uploader.text == "on 3 of the uploader's 12 labelled videos"


def test_evidence_is_sent_only_on_request() -> None:
    [tag] = sent(ANSWER, evidence=False).tags
    assert not tag.evidence
    assert tag.channels


def test_an_answer_without_tags_is_an_answer() -> None:
    message = sent(RankedTags("v1", (), (), (), "b"))
    assert (len(message.tags), len(message.modalities), message.bundle_version) == (0, 0, "b")


def test_every_modality_has_its_own_enum_value() -> None:
    every = (*MODALITIES, *PASSAGE_SOURCES)
    message = sent(dataclasses.replace(ANSWER, modalities=every))
    assert [pb.Modality.Name(m) for m in message.modalities] == [f"MODALITY_{m.upper()}" for m in every]


def test_spans_are_sent_with_or_without_evidence() -> None:
    spans = (TimeSpan(0.0, 2.5, "speech", 0.5), TimeSpan(1.5, 1.5, "frames", 1.0))
    for evidence in (False, True):
        [tag] = sent(with_tag(spans=spans), evidence).tags
        assert [
            (s.start.ToTimedelta().total_seconds(), s.end.ToTimedelta().total_seconds(), s.modality, s.strength)
            for s in tag.spans
        ] == [(0.0, 2.5, pb.MODALITY_SPEECH, 0.5), (1.5, 1.5, pb.MODALITY_FRAMES, 1.0)]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1.1, -0.1])
def test_a_number_outside_the_range_of_the_proto_is_never_sent(value: float) -> None:
    with pytest.raises(ValueError, match="confidence is"):
        sent(with_tag(confidence=value))
    with pytest.raises(ValueError, match="seen is"):
        sent(with_tag(channels={"seen": value}))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.1, -1.1])
def test_a_similarity_outside_its_range_is_never_sent(value: float) -> None:
    with pytest.raises(ValueError, match="similarity of seen is"):
        sent(with_tag(evidence=(Evidence("seen", "frame", value, frame=1, frames=1),)))


def test_rounding_past_the_end_of_a_range_is_clipped() -> None:
    over = 1.0 + 2**-22  # a possible cosine of unit rows in float32
    similar = Evidence("similar", "video", over, video_id="v7")
    [tag] = sent(with_tag(confidence=over, channels={"seen": -1e-7}, evidence=(similar,))).tags
    assert (tag.confidence, tag.channels[0].score, tag.evidence[0].similarity) == (1.0, 0.0, 1.0)


@pytest.mark.parametrize("kind", ["video", "text", "frame", "sound", "speech", "screen", "uploader"])
def test_evidence_without_the_fields_of_its_kind_is_never_sent(kind: str) -> None:
    with pytest.raises(ValueError, match=f"evidence of kind '{kind}' lacks"):
        sent(with_tag(evidence=(Evidence("c", kind, 0.5),)))  # type: ignore[arg-type]


def test_a_sound_without_a_start_is_never_sent() -> None:
    with pytest.raises(ValueError, match="NaN"):
        sent(with_tag(evidence=(Evidence("heard", "sound", 0.5, start_s=float("nan")),)))


def test_half_surrogates_of_a_file_name_are_sent_escaped() -> None:
    half = "clip-\udcff \ud83c"
    evidence = (
        Evidence(half, "video", 0.5, video_id=half, title=half),
        Evidence(half, "text", 0.5, text=half),
        Evidence(half, "uploader", 0.5, text=half),
    )
    tag = RankedTag(half, half, 0.5, {half: 0.5}, evidence, is_new=True)
    message = sent(RankedTags("v1", (tag,), ("text",), (half,), "b1"))
    shown = r"clip-\udcff \ud83c"
    first, second, third = message.tags[0].evidence
    texts = [*message.warnings, message.tags[0].id, message.tags[0].name]
    texts += [message.tags[0].channels[0].channel, first.channel, first.video.video_id, first.video.title]
    texts += [second.text.text, third.uploader.text]
    assert texts == [shown] * len(texts)


def test_every_unicode_character_is_sent_unchanged() -> None:
    every = "".join(map(chr, (*range(0xD800), *range(0xE000, sys.maxunicode + 1, 7))))
    assert sent(with_tag(name=every)).tags[0].name == every


def test_a_time_without_a_zone_is_refused_and_zones_are_converted() -> None:
    with pytest.raises(ValueError, match="time zone"):
        timestamp(datetime(2026, 1, 2, 12))
    assert timestamp(NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))) == timestamp(NOON)


def test_a_stream_response_has_the_index_and_a_tagging_or_an_error() -> None:
    tagged = stream_response(0, "v1", tagging_message(response(ANSWER), evidence=False))
    failed = stream_response(41, "v2", Status(code=3, message="no picture"))
    assert (tagged.index, tagged.video_id, tagged.WhichOneof("outcome")) == (0, "v1", "tagging")
    assert (failed.index, failed.video_id, failed.WhichOneof("outcome")) == (41, "v2", "error")
    assert (tagged.tagging.tags[0].name, failed.error.message) == ("guitar", "no picture")
