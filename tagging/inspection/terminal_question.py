"""Terminal view of a question: the reason, what would have been enough, and what changes the confidence."""

from tagging.inspection.explanation import Ablation, TagQuestion, TagTrace
from tagging.inspection.section import Row, Section
from tagging.inspection.words import OUTCOMES, apart, best_evidence, capital, figure, listed, moved_by, plural, short

NO_CHANGE = 0.005  # of a confidence
_MODALITIES = {
    "text": "title and description",
    "frames": "the frames",
    "audio": "the sound",
    "speech": "the speech",
    "screen": "the text on the screen",
}


def question_section(question: TagQuestion) -> Section:
    """Return the section of one question."""
    name = question.query if question.trace is None else question.trace.name
    begin = "Why" if question.outcome == "answered" else "Why not"
    lines = [f"{capital(OUTCOMES[question.outcome])}. {question.reason}"]
    lines += [question.requirement] if question.requirement else []
    if question.trace is not None:
        lines += _details(question.trace)
    return Section(
        f"{begin} “{short(name)}”?",
        (*lines, *_unchanged(question)),
        tuple(_ablation_row(ablation, question) for ablation in _changing(question)),
    )


def _details(trace: TagTrace) -> list[str]:
    """Return the figures of a tag in the channels and what moved it, in sentences."""
    scores = sorted(trace.channels, key=lambda name: -trace.channels[name])
    places = [f"{name} {figure(trace.channels[name])} (rank {trace.channel_ranks[name]:,})" for name in scores]
    recall, confidence = moved_by(trace.recall_contributions), moved_by(trace.contributions)
    lines = [f"Proposed by {listed(places)}."] if places else []
    if trace.evidence:
        lines.append(f"Because of {'; '.join(best_evidence(trace.evidence))}.")
    if recall and trace.recall_probability is not None:
        lines.append(f"Its probability after recall, {figure(trace.recall_probability)}, was moved by {recall}.")
    if confidence and trace.confidence is not None:
        lines.append(f"Its confidence was moved by {confidence}.")
    return lines


def _changing(question: TagQuestion) -> list[Ablation]:
    """Return the ablations that change the confidence or the outcome, the largest change first."""
    changing = [ablation for ablation in question.ablations if _changes(ablation, question)]
    return sorted(changing, key=lambda ablation: -abs((ablation.confidence or 0.0) - _confidence(question)))


def _changes(ablation: Ablation, question: TagQuestion) -> bool:
    change = (ablation.confidence or 0.0) - _confidence(question)
    return abs(change) >= NO_CHANGE or ablation.outcome != question.outcome


def _confidence(question: TagQuestion) -> float:
    return 0.0 if question.trace is None or question.trace.confidence is None else question.trace.confidence


def _unchanged(question: TagQuestion) -> list[str]:
    """Return a sentence that names the inputs without which nothing changes; none for a tag that nothing proposes."""
    same = [ablation for ablation in question.ablations if not _changes(ablation, question)]
    if not same or question.outcome == "not_proposed":
        return []
    inputs = [_shown_input(ablation) for ablation in same if ablation.kind != "neighbour"]
    voters = len(same) - len(inputs)
    inputs += [f"any of the {plural(voters, 'similar labelled video')} that have it"] if voters > 1 else []
    inputs += [_shown_input(same[-1])] if voters == 1 else []
    return [f"Nothing changes without one of these alone: {', '.join(inputs)}."]


def _ablation_row(ablation: Ablation, question: TagQuestion) -> Row:
    is_ranked = ablation.confidence is not None
    before, after = apart(_confidence(question), ablation.confidence or 0.0)
    return {
        "without": _shown_input(ablation),
        "confidence": after if is_ranked else "not ranked",
        "instead of": before if _confidence(question) else "",
        "outcome": OUTCOMES[ablation.outcome],
    }


def _shown_input(ablation: Ablation) -> str:
    """Return what was left out, in words."""
    if ablation.kind == "neighbour":
        return f'the labelled video "{short(ablation.title or ablation.name)}"'
    return f"the channel {ablation.name}" if ablation.kind == "channel" else _MODALITIES[ablation.name]
