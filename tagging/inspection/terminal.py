"""Terminal view of an inspection: sections of lines and rows, from what was looked at to each question.

Plain values: the command line prints them. Texts are as written by strangers; the printer replaces control characters.
"""

from collections.abc import Sequence

from tagging.inspection.explanation import ChannelView, Explanation, Inspection
from tagging.inspection.section import Section
from tagging.inspection.terminal_question import question_section
from tagging.inspection.words import (
    OUTCOMES,
    READS,
    best_evidence,
    capital,
    clock,
    described_span,
    figure,
    listed,
    moved_by,
    plural,
    short,
)  # fmt: skip
from tagging.pipeline.precision import is_reachable
from tagging.types import Passage

NEXT_SHOWN = 5  # candidates after the answered ones
PROPOSALS_SHOWN, VOTERS_SHOWN = 3, 2  # of each channel
PASSAGES_SHOWN = 3
SIGNS = "Under “moved by”, + speaks for the tag and - against it, in log-odds."


def sections(inspection: Inspection) -> list[Section]:
    """Return the view of an inspection; the explanation's sections first, then one for each question."""
    explanation = inspection.explanation
    return [
        _looked_at(explanation),
        _tags(explanation),
        _channels(explanation),
        *map(question_section, inspection.questions),
    ]


def _looked_at(explanation: Explanation) -> Section:
    looked_at, video = explanation.looked_at, explanation.video
    texts = {"title": video.title, "description": video.description}
    parts = {
        "text": " and ".join(name for name, text in texts.items() if text.strip()),
        "frames": plural(len(looked_at.frame_times_s), "frame"),
        "audio": f"{clock(looked_at.sound_s)} of sound",
    }
    lines = [f"  {name}: {parts[name]}" for name in parts if name in looked_at.modalities]
    for source, heading in (("speech", "said"), ("screen", "on the screen")):
        passages = looked_at.passages.get(source, ())  # type: ignore[call-overload]
        if passages:
            lines.append(f"  {heading}: {_quoted(passages)}")
    duration = "" if looked_at.duration_s is None else f", {clock(looked_at.duration_s)} long"
    return Section(
        short(video.title.strip() or video.video_id),
        (
            f"Looked at{duration}, with the bundle {explanation.bundle_version}:",
            *lines,
            *(f"  warning: {warning}" for warning in looked_at.warnings),
        ),
    )


def _quoted(passages: Sequence[Passage]) -> str:
    quoted = [f'"{short(passage.text)}" at {clock(passage.start_s)}' for passage in passages[:PASSAGES_SHOWN]]
    more = len(passages) - PASSAGES_SHOWN
    return ", ".join([*quoted, f"{more:,} more"] if more > 0 else quoted)


def _tags(explanation: Explanation) -> Section:
    """Return the answered tags and the next candidates, with what spoke for each."""
    answered = [tag for tag in explanation.tags if tag.outcome == "answered"]
    following = [tag for tag in explanation.tags if tag.outcome != "answered"][:NEXT_SHOWN]
    shown = sorted([*answered, *following], key=lambda tag: tag.rank or 0)
    has_spans = any(tag.spans for tag in shown)
    return Section(
        f"{plural(len(answered), 'tag')} answered" if answered else "No tag answered",
        (_rule(explanation), *([SIGNS] if any(moved_by(tag.contributions) for tag in shown) else [])),
        tuple(
            {
                "tag": f"{tag.name} (new)" if tag.is_new else tag.name,
                "confidence": figure(tag.confidence or 0.0),
                "outcome": OUTCOMES[tag.outcome],
                "because of": "; ".join(best_evidence(tag.evidence)),
                "moved by": moved_by(tag.contributions),
                **({"when": "  ".join(map(described_span, tag.spans))} if has_spans else {}),
            }
            for tag in shown
        ),
    )


def _rule(explanation: Explanation) -> str:
    """Return how the answer was chosen, in a sentence."""
    proposed = f"{plural(explanation.union_size, 'tag')} proposed"
    ranked, union = len(explanation.tags), explanation.union_size
    needed = f"confidence of {figure(explanation.min_confidence)} or more needed"
    steps = [
        proposed,
        "all ranked" if ranked == union else f"the {ranked:,} most probable ranked",
        needed if is_reachable(explanation.min_confidence) else "no confidence reaches the target precision",
        f"at most {plural(explanation.max_tags, 'tag')} answered",
    ]
    return f"{capital(', '.join(steps))}."


def _channels(explanation: Explanation) -> Section:
    blind = [channel.name for channel in explanation.channels if not channel.has_input]
    return Section(
        "What each channel proposed",
        (f"Nothing to read for {listed(blind)}.",) if blind else (),
        tuple(
            {
                "channel": channel.name,
                "reads": READS.get(channel.name, ""),
                "tags": f"{channel.proposal_count:,}",
                "the best": ", ".join(f"{tag.name} {figure(tag.score)}" for tag in channel.proposals[:PROPOSALS_SHOWN]),
                "nearest labelled videos": _nearest(channel),
            }
            for channel in explanation.channels
            if channel.has_input
        ),
    )


def _nearest(channel: ChannelView) -> str:
    voters = channel.voters[:VOTERS_SHOWN]
    return ", ".join(f'"{short(voter.title or voter.video_id)}" {voter.similarity:.2f}' for voter in voters)
