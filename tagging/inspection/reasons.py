"""Reasons: why a tag was answered or at which stage it fell, and what would have been enough, each in a sentence."""

from collections.abc import Mapping, Sequence

import numpy as np

from rank.select import implying
from recall.channels.base import Strength
from recall.topk import top_k
from tagging.inspection.decision import DecidedVideo, Subject
from tagging.inspection.explanation import Ablation, ChannelView, Outcome, TagTrace
from tagging.inspection.words import apart, capital, figure, listed, ordinal, plural, why_not_proposed
from tagging.messages import shown
from tagging.pipeline.precision import is_reachable

TO_ADD = "It could be answered after it was added to the catalog, as `videotag tags add` does."


def reason_of(
    trace: TagTrace,
    video: DecidedVideo,
    channels: Sequence[ChannelView],
    votes: Mapping[str, int],
    strengths: Mapping[str, Strength],
) -> str:
    """Return the stage that decided on a known tag, with its figures there.

    votes: labelled videos that voted and have the tag, by channel
    strengths: of the tag, by the channels that measure it
    """
    if trace.confidence is not None:
        return _reason_of_ranked(trace, trace.confidence, video)
    if trace.outcome == "hidden":
        return f"An editor has hidden this tag. {_proposed(trace)}."
    if trace.outcome == "not_proposed":
        return f"No channel proposed it. {_per_channel(channels, votes, strengths)}."
    return (
        f"{_proposed(trace)}, but it is only the {ordinal(trace.recall_rank or 0)} of "
        f"{plural(len(video.recalled.united.tag_rows), 'proposed tag')} by probability "
        f"({figure(trace.recall_probability or 0.0)}), and the first {len(video.order):,} are ranked."
    )


def _reason_of_ranked(trace: TagTrace, confidence: float, video: DecidedVideo) -> str:
    selection = video.selection
    has, needed = apart(confidence, selection.min_confidence)
    endings = {
        "answered": f"; {needed} is needed.",
        "below_confidence": f", below the {needed} that is needed."
        if is_reachable(selection.min_confidence)
        else ", but no confidence reaches the target precision.",
        "beyond_limit": f", which is enough, but at most {plural(selection.max_tags, 'tag')} may be answered.",
        "implied": f", which is enough, but the narrower tag “{trace.implied_by}” is answered and implies it.",
    }
    placed = f"It is the {ordinal(trace.rank or 0)} of {plural(len(video.order), 'candidate')}"
    return f"{placed} with a confidence of {has}{endings[trace.outcome]}"


def requirement_of(
    trace: TagTrace,
    video: DecidedVideo,
    ablations: Sequence[Ablation],
    named: tuple[float | None, Outcome] | None,
) -> str:
    """Return the nearest miss and what would have been enough for a known tag; "" for an answered one.

    named: confidence and outcome with the tag's name in the title; None if it was not computed
    """
    if trace.outcome == "answered":
        return ""
    saving = [_named(ablation) for ablation in ablations if ablation.outcome == "answered"]
    sentences = [
        _needed(trace, video),
        f"It would be answered without {' or '.join(saving)}." if saving else "",
        "" if named is None else _with_name(video, *named),
    ]
    return " ".join(filter(None, sentences))


def _with_name(video: DecidedVideo, confidence: float | None, outcome: Outcome) -> str:
    """Return what the tag's name in the title would change."""
    if outcome == "not_proposed":
        return "Its name in the title would not make a channel propose it."
    if confidence is None:
        return "With its name in the title it would be proposed, but not ranked."
    has, needed = apart(confidence, video.selection.min_confidence)
    endings = {
        "answered": "",
        "beyond_limit": f", behind {plural(video.selection.max_tags, 'better tag')}",
        "implied": ", but a narrower tag would be answered",
        "below_confidence": f", still below {needed}" if is_reachable(video.selection.min_confidence) else "",
    }
    begin = "it would be answered, with" if outcome == "answered" else "it would have"
    return f"With its name in the title {begin} a confidence of {has}{endings[outcome]}."


def reason_unknown(subject: Subject) -> str:
    """Return why a text is no tag."""
    if not subject.form:
        return "It has no letters, digits or signs, so no tag can have this name."
    return f"No tag of the catalog is spelt “{shown(subject.query)}”, and extraction does not find it in the text."


def _needed(trace: TagTrace, video: DecidedVideo) -> str:
    if trace.outcome == "below_confidence":
        return _needed_confidence(trace, video)
    if trace.outcome == "beyond_limit":
        return _needed_limit(trace, video)
    if trace.outcome == "over_budget":
        return _needed_probability(trace, video)
    others: dict[str, str] = {
        "implied": f"It would be answered only in an answer without “{trace.implied_by}”.",
        "hidden": "An editor would have to show the tag again.",
    }
    return others.get(trace.outcome, "")


def _needed_confidence(trace: TagTrace, video: DecidedVideo) -> str:
    least = video.selection.min_confidence
    if not is_reachable(least):
        return "A lower target precision would be needed: the held-out videos of the bundle show none that reaches it."
    assert trace.confidence is not None
    enough = f"{figure(least - trace.confidence)} more confidence would have been enough"
    if not len(video.answered):
        return f"{enough}; no tag has it."
    last = int(video.answered[-1])
    return f"{enough}; the last answered tag, “{video.name(last)}”, has {figure(video.scores.confidences[last])}."


def _needed_limit(trace: TagTrace, video: DecidedVideo) -> str:
    answerable = video.answerable()
    position = int(video.order[(trace.rank or 0) - 1])
    found = np.flatnonzero(answerable == position)
    last = int(video.answered[-1])
    if not len(found):
        row = int(video.candidates.tag_rows[position])
        narrower = implying(video.candidates, answerable, video.catalog.parents)[row]
        return f"With a higher limit, the narrower tag “{video.name(narrower)}” would be answered instead."
    return (
        f"A limit of {plural(int(found[0]) + 1, 'tag')} would have been enough; the last answered tag, "
        f"“{video.name(last)}”, has {figure(video.scores.confidences[last])}."
    )


def _needed_probability(trace: TagTrace, video: DecidedVideo) -> str:
    united, ranked = video.recalled.united, video.candidates
    assert united.probabilities is not None
    assert ranked.probabilities is not None
    last = int(top_k(ranked.probabilities, ranked.tag_rows, len(ranked.tag_rows))[-1])
    own, enough = apart(trace.recall_probability or 0.0, float(ranked.probabilities[last]))
    return (
        f"A probability of {enough} instead of {own} would have been enough to be ranked; "
        f"the last that is ranked is “{video.name(last)}”."
    )


def _proposed(trace: TagTrace) -> str:
    """Return the channels that proposed a tag, the best first."""
    if not trace.channels:
        return "No channel proposed it either" if trace.outcome == "hidden" else "No channel proposed it"
    names = sorted(trace.channels, key=lambda name: -trace.channels[name])
    return f"{capital(listed(names))} proposed it"


def _per_channel(channels: Sequence[ChannelView], votes: Mapping[str, int], strengths: Mapping[str, Strength]) -> str:
    """Return why none of the channels proposed a tag; channels with the same reason together."""
    by_reason: dict[str, list[str]] = {}
    for channel in channels:
        reason = why_not_proposed(channel, votes.get(channel.name, 0), strengths.get(channel.name))
        by_reason.setdefault(reason, []).append(channel.name)
    return capital("; ".join(f"{listed(names)}: {reason}" for reason, names in by_reason.items()))


def _named(ablation: Ablation) -> str:
    if ablation.kind == "neighbour":
        return f"the labelled video “{ablation.title or ablation.name}”"
    return f"the channel {ablation.name}" if ablation.kind == "channel" else f"the modality {ablation.name}"
