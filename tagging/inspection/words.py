"""Words and figures of explanations: times, confidences, and what each channel reads."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from recall.channels.base import NEIGHBOUR_VIEWS, Strength
from tagging.inspection.explanation import ChannelView, Outcome
from tagging.types import Evidence, TimeSpan

TEXT_SHOWN = 60  # characters of titles and passages
TERMS_SHOWN = 4  # inputs that moved a confidence

OUTCOMES: dict[Outcome, str] = {
    "answered": "answered",
    "beyond_limit": "beyond the limit of tags",
    "implied": "a narrower tag is answered",
    "below_confidence": "confidence too low",
    "over_budget": "not probable enough to be ranked",
    "hidden": "hidden by an editor",
    "not_proposed": "not proposed",
    "unknown": "unknown",
}

# What each channel reads.
READS = {
    "text": "titles like this one",
    "video": "similar pictures",
    "audio": "similar sound",
    "multimodal": "similar videos as a whole",
    "lexical": "shared rare words",
    "words": "all words of the name in the text",
    "classifier": "learnt from labelled videos",
    "regression": "learnt from labelled videos like this one",
    "similarity": "learnt, close to the tag's name",
    "extracted": "phrases of the text that look like tags",
    "uploader": "tags that the uploader uses",
    "written": "names in the text",
    "seen": "what the frames show",
    "heard": "what the sound is",
    "spoken": "names that are said",
    "shown": "names on the screen",
}
VOTING = (*NEIGHBOUR_VIEWS, "lexical")  # channels in which labelled videos vote

_NOT_FOUND = {
    "words": "not all words of its name are in the text",
    "written": "the text does not name it, or is not about it",
    "seen": "not recognised in the frames",
    "heard": "not recognised in the sound",
    "spoken": "not said, or the talk is not about it",
    "shown": "not on the screen",
    "classifier": "not among its best tags",
    "regression": "not among its best tags",
    "similarity": "its name is not near the video",
    "extracted": "no phrase of the text that looks like a tag",
    "uploader": "the uploader has not used it",
}


def why_not_proposed(channel: ChannelView, votes: int, strength: Strength | None = None) -> str:
    """Return why a channel did not propose a tag.

    votes: labelled videos that voted in the channel and have the tag
    strength: of the tag, if the channel measures it
    """
    if not channel.has_input:
        return "nothing to read"
    if strength is not None:
        return _too_weak(channel, strength)
    if channel.name not in VOTING:
        return _NOT_FOUND.get(channel.name, "not among its proposals")
    if not channel.voter_count:
        return "no labelled video is near"
    voters = plural(channel.voter_count, "nearest labelled video")
    if not votes:
        return f"not on the {voters}"
    return f"on {votes:,} of the {voters}, too few for its {channel.proposal_count:,} best tags"


def _too_weak(channel: ChannelView, strength: Strength) -> str:
    has, needed = apart(strength.strength, strength.least)
    if strength.strength < strength.least:
        return f"{_NOT_FOUND[channel.name]}: strength {has}, and {needed} is needed"
    return f"its {channel.proposal_count:,} best tags are stronger than {has}"


def clock(seconds: float) -> str:
    """Return a time as players show it: "0:04", "1:02:03", to the second before it."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def figure(value: float) -> str:
    """Return a probability or score with two digits: "0.62", "0.031", "1"."""
    return f"{value:.2g}" if abs(value) < 0.1 else f"{value:.2f}"


def apart(first: float, second: float) -> tuple[str, str]:
    """Return two figures with so many digits that unequal ones differ: 0.0496 and 0.05 are not both "0.05"."""
    for digits in range(2, 8):
        texts = (f"{first:.{digits}g}", f"{second:.{digits}g}")
        if texts[0] != texts[1] or first == second:
            return texts
    return texts


def ordinal(number: int) -> str:
    """Return "1st", "12th", "103rd"."""
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def plural(count: int, noun: str) -> str:
    """Return "1 tag", "2,000 tags"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def listed(names: Sequence[str]) -> str:
    """Return "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def described_span(span: TimeSpan) -> str:
    """Return a part of the video in words: "0:04-0:09 (frames)"."""
    return f"{clock(span.start_s)}-{clock(span.end_s)} ({span.modality})"


def capital(text: str) -> str:
    """Return a sentence that begins with a capital."""
    return text[:1].upper() + text[1:]


def described(evidence: Evidence) -> str:
    """Return a piece of evidence in words: the text, the frame, or the labelled video."""
    if evidence.kind in ("speech", "screen"):
        where = "said" if evidence.kind == "speech" else "on screen"
        return f'"{evidence.text}" {where} at {clock(evidence.start_s or 0.0)}'
    if evidence.kind == "frame":
        return f"frame {evidence.frame} of {evidence.frames}"
    if evidence.kind == "sound":
        return f"sound at {evidence.start_s:.1f} s"
    if evidence.kind == "uploader":
        return evidence.text or ""
    return f'"{evidence.text}"' if evidence.kind == "text" else evidence.title or evidence.video_id or ""


def best_evidence(evidence: Sequence[Evidence]) -> list[str]:
    """Return the best evidence of each channel in words."""
    best: dict[str, Evidence] = {}
    for piece in evidence:
        best.setdefault(piece.channel, piece)
    return [f"{_with_quotes(piece)} ({piece.channel})" for piece in best.values()]


def moved_by(contributions: Mapping[str, float]) -> str:
    """Return the inputs that moved a confidence most, in log-odds; constants and the smallest are left out."""
    moving = {name: value for name, value in contributions.items() if name not in ("base", "bias") and value}
    if len(moving) < 2:  # a single input moved all of it
        return ""
    largest = sorted(moving, key=lambda name: -abs(moving[name]))[:TERMS_SHOWN]
    return "  ".join(f"{name.replace('+', ' + ')} {moving[name]:+.1f}" for name in largest if abs(moving[name]) >= 0.05)


def short(text: str) -> str:
    """Return the beginning of a text in one line."""
    line = " ".join(text.split())
    return line if len(line) <= TEXT_SHOWN else f"{line[:TEXT_SHOWN].rstrip()}…"


def _with_quotes(piece: Evidence) -> str:
    if piece.kind == "video":
        return f'labelled video "{short(piece.title or piece.video_id or "")}"'
    return described(piece if piece.text is None else replace(piece, text=short(piece.text)))
