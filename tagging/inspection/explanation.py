"""Explanation of an answer: what was looked at, what each channel proposed, and the stage that dropped each tag.

    ReadVideo → Inspection (Explanation, questions) → {terminal, JSON, page, ExplainVideo}

Plain values without arrays of the models, so that every view shows the same figures. Ranks are counted from 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tagging.types import AnyModality, Evidence, Passage, PassageSource, TimeSpan, VideoRef

# The fate of a tag, by the stage that decided it.
Outcome = Literal[
    "answered",
    "beyond_limit",  # selection: max_tags better tags were answered
    "implied",  # selection: a narrower tag with a higher confidence was answered
    "below_confidence",  # selection: under the least confidence
    "over_budget",  # recall: proposed, but not among the candidates that are ranked
    "hidden",  # catalog: hidden by an editor, whether proposed or not
    "not_proposed",  # recall: no channel proposed it
    "unknown",  # catalog: no tag has this spelling, and extraction did not propose it from the text
]


@dataclass(frozen=True, slots=True)
class LookedAt:
    """The input that the encoders and readers had."""

    modalities: tuple[AnyModality, ...]
    warnings: tuple[str, ...]
    duration_s: float | None  # None without media
    frame_times_s: tuple[float, ...]
    sound_s: float  # decoded sound; 0 without any
    passages: Mapping[PassageSource, tuple[Passage, ...]]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A tag as one channel proposed it."""

    tag_id: str
    name: str
    score: float  # in [0, 1]
    evidence: Evidence | None = None  # None where neighbours voted


@dataclass(frozen=True, slots=True)
class Voter:
    """A labelled video that voted in a channel."""

    video_id: str
    title: str
    similarity: float  # cosine
    tags: tuple[str, ...]  # names, most used first


@dataclass(frozen=True, slots=True)
class ChannelView:
    """One recall channel: its best proposals and its nearest voters."""

    name: str
    has_input: bool  # False: the video lacks the modality that the channel reads
    proposal_count: int  # of all tags that it proposed
    proposals: tuple[Proposal, ...]  # the best, best first
    voter_count: int  # of all labelled videos that voted; 0 in channels without neighbours
    voters: tuple[Voter, ...]  # the nearest, nearest first


@dataclass(frozen=True, slots=True)
class TagTrace:
    """The way of one tag through the stages; None after the stage that dropped it."""

    tag_id: str
    name: str
    is_new: bool  # a phrase of the text that the catalog does not have
    outcome: Outcome
    channels: Mapping[str, float]  # score of each channel that proposed it
    channel_ranks: Mapping[str, int]  # its rank among that channel's proposals
    recall_probability: float | None  # None without a fitted fusion
    recall_rank: int | None  # by recall's probability, among the united candidates; None without a fitted fusion
    recall_contributions: Mapping[str, float]  # log-odds that each channel adds to recall's probability, summing to it
    confidence: float | None  # in [0, 1]; None if it was not ranked
    rank: int | None  # by confidence
    contributions: Mapping[str, float]  # log-odds that each input of the confidence adds; they sum to its log-odds
    implied_by: str | None  # name of the narrower tag that was answered instead
    evidence: tuple[Evidence, ...]
    spans: tuple[TimeSpan, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that decided the answer to one video."""

    video: VideoRef
    bundle_version: str
    looked_at: LookedAt
    channels: tuple[ChannelView, ...]
    union_size: int  # tags that any channel proposed
    budget: int | None  # candidates that are ranked at most; None without a fitted fusion: all are
    min_confidence: float  # above 1 if no confidence reaches the target precision
    max_tags: int
    tags: tuple[TagTrace, ...]  # the ranked candidates, best first


@dataclass(frozen=True, slots=True)
class Ablation:
    """The confidence of a tag when one input is left out, computed again from that input on."""

    kind: Literal["modality", "channel", "neighbour"]
    name: str  # of the modality or channel; the video id of the neighbour
    title: str  # of the neighbour; "" for the others
    confidence: float | None  # None: the tag is not ranked any more
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class TagQuestion:
    """The answer to "why this tag?" or "why not that one?" for a tag of the catalog or any text."""

    query: str
    trace: TagTrace | None  # None for an unknown text
    outcome: Outcome
    reason: str  # one sentence: the stage, its figures
    requirement: str  # one sentence: the nearest miss and what would have been enough; "" if it was answered
    ablations: tuple[Ablation, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """An explanation and the questions that were asked about it."""

    explanation: Explanation
    questions: tuple[TagQuestion, ...]
