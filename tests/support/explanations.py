"""Explanations written by hand, for views that show them: a clip of a beach, a title alone, and many candidates."""

from collections.abc import Mapping

import numpy as np

from tagging.inspection.explanation import (
    Ablation,
    ChannelView,
    Explanation,
    LookedAt,
    Outcome,
    Proposal,
    TagQuestion,
    TagTrace,
    Voter,
)
from tagging.types import SAMPLE_RATE_HZ, Evidence, Frames, MediaSample, Passage, Sound, TimeSpan, VideoRef

DURATION_S = 12.0
FRAMES = 8


def beach_media() -> MediaSample:
    """Return a clip of 12 s: eight frames, each of another colour, and a rising tone."""
    pixels = np.zeros((FRAMES, 90, 160, 3), np.uint8)
    pixels[..., 0] = np.linspace(20, 250, FRAMES, dtype=np.uint8)[:, None, None]
    pixels[..., 1] = np.linspace(0, 200, 160, dtype=np.uint8)
    pixels[..., 2] = 120
    times_s = (np.arange(FRAMES) + 0.5) * DURATION_S / FRAMES
    clock = np.arange(int(DURATION_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    sound = 0.3 * np.sin(2 * np.pi * (200.0 + 150.0 * clock) * clock)
    return MediaSample("0" * 64, DURATION_S, Frames(pixels, times_s), Sound(sound.astype(np.float32)))


def beach_explanation(title: str = "A dog at the beach") -> Explanation:
    """Return the explanation of `beach_media`: one answered tag, three that fell at different stages."""
    passages = {
        "speech": (
            Passage("come on, boy, fetch it", 1.0, 3.0, 0.9, "en"),
            Passage("what a good dog", 6.5, 8.0, 0.8, "en"),
        ),
        "screen": (Passage("BEACH CLUB", 9.0, 11.0, 0.95),),
    }
    seen = TimeSpan(3.0, 7.5, "frames", 0.71)
    heard = TimeSpan(4.8, 5.76, "audio", 0.4)
    spoken = TimeSpan(6.5, 8.0, "speech", 0.8)
    dog_evidence = (
        Evidence("written", "text", 0.93, text="dog"),
        Evidence("seen", "frame", 0.71, frame=4, frames=FRAMES, start_s=4.5, end_s=6.0, spans=(seen,)),
        Evidence("heard", "sound", 0.4, start_s=4.8, end_s=5.76, spans=(heard,)),
        Evidence("spoken", "speech", 0.8, text="dog", start_s=6.5, end_s=8.0, spans=(spoken,)),
        Evidence("text", "video", 0.88, video_id="v-12", title="Puppy runs into the sea"),
    )
    dog = trace(
        "dog", "answered", 0.82, 1, {"written": 0.93, "seen": 0.71, "text": 0.55, "heard": 0.4}, dog_evidence,
        (seen, heard, spoken),
    )  # fmt: skip
    beach = trace(
        "beach", "below_confidence", 0.44, 2, {"written": 0.5, "shown": 0.3},
        (Evidence("written", "text", 0.5, text="beach"), Evidence("shown", "screen", 0.3, text="BEACH", start_s=9.0)),
        (TimeSpan(9.0, 11.0, "screen", 0.3),),
    )  # fmt: skip
    puppy = trace("puppy", "implied", 0.61, 3, {"text": 0.3}, implied_by="dog")
    sea = trace("sea", "below_confidence", 0.05, 4, {"text": 0.2})
    voters = (
        Voter("v-12", "Puppy runs into the sea", 0.88, ("puppy", "dog", "sea")),
        Voter("v-77", "Sunset", 0.61, ("sunset", "sea")),
    )
    channels = (
        ChannelView("written", True, 2, (proposal("dog", 0.93), proposal("beach", 0.5)), 0, ()),
        ChannelView("text", True, 40, (proposal("dog", 0.55), proposal("wolf", 0.02)), 2, voters),
        ChannelView("seen", True, 12, (proposal("dog", 0.71),), 0, ()),
        ChannelView("audio", False, 0, (), 0, ()),
    )
    return Explanation(
        VideoRef("beach-1", "beach.mp4", title, "We went with our dog.\nSecond line."),
        "starter-1",
        LookedAt(
            ("text", "frames", "audio", "speech", "screen"),
            ("the sound was cut after 10 minutes",),
            DURATION_S,
            tuple(((np.arange(FRAMES) + 0.5) * DURATION_S / FRAMES).tolist()),
            DURATION_S,
            passages,  # type: ignore[arg-type]  # mypy infers str keys
        ),
        channels,
        51,
        4,
        0.5,
        5,
        (dog, beach, puppy, sea),
    )


def beach_questions() -> tuple[TagQuestion, ...]:
    """Return why `beach` was not answered, and why `zebra` is unknown."""
    explanation = beach_explanation()
    beach = next(tag for tag in explanation.tags if tag.name == "beach")
    ablations = (
        Ablation("modality", "text", "", 0.12, "below_confidence"),
        Ablation("channel", "shown", "", 0.51, "answered"),
        Ablation("neighbour", "v-12", "Puppy runs into the sea", None, "not_proposed"),
    )
    return (
        TagQuestion(
            "beach", beach, "below_confidence", "Its confidence of 0.44 is below the least of 0.50.",
            "0.06 more would have been enough.", ablations,
        ),
        TagQuestion("zebra", None, "unknown", "No tag is spelt zebra.", "Add the tag to the catalog.", ()),
    )  # fmt: skip


def title_explanation(title: str, tags: tuple[TagTrace, ...] = (), description: str = "") -> Explanation:
    """Return the explanation of a video without media."""
    channels = (ChannelView("written", True, len(tags), (), 0, ()),)
    looked_at = LookedAt(("text",), (), None, (), 0.0, {})
    video = VideoRef("title-1", None, title, description)
    return Explanation(video, "starter-1", looked_at, channels, len(tags), None, 0.5, 5, tags)


def many_tags(count: int) -> tuple[TagTrace, ...]:
    """Return traces of falling confidence, the first three answered."""
    return tuple(
        trace(
            f"tag {rank}", "answered" if rank <= 3 else "below_confidence", 0.9 / rank**0.5, rank, {"written": 1 / rank}
        )
        for rank in range(1, count + 1)
    )


def trace(
    name: str,
    outcome: Outcome,
    confidence: float,
    rank: int,
    channels: Mapping[str, float],
    evidence: tuple[Evidence, ...] = (),
    spans: tuple[TimeSpan, ...] = (),
    implied_by: str | None = None,
) -> TagTrace:
    """Return the trace of a ranked tag, whose contributions sum to its log-odds."""
    log_odds = float(np.log(confidence / (1.0 - confidence)))
    return TagTrace(
        tag_id=f"id-{name}",
        name=name,
        is_new=False,
        outcome=outcome,
        channels=channels,
        channel_ranks=dict.fromkeys(channels, rank),
        recall_probability=None,
        recall_rank=rank,
        recall_contributions={},
        confidence=confidence,
        rank=rank,
        contributions={"likely": log_odds + 1.5, "cosine": 0.5, "bias": -2.0},
        implied_by=implied_by,
        evidence=evidence,
        spans=spans,
    )


def proposal(name: str, score: float) -> Proposal:
    return Proposal(f"id-{name}", name, score)
