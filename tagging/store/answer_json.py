"""JSON forms of an answer: stored in the database, printed by the command line, and written as rows by a batch.

Each form has its own keys and rounding, because readers depend on each of them; none of them may change.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from tagging.types import Evidence, RankedTag, RankedTags, TimeSpan

EVIDENCE_FIELDS = tuple(field.name for field in fields(Evidence) if field.name != "spans")
SPAN_FIELDS = tuple(field.name for field in fields(TimeSpan))


def answer_to_json(answer: RankedTags) -> dict[str, Any]:
    """Return the stored form, which `answer_from_json` turns back into an equal answer."""
    return {
        "video_id": answer.video_id,
        "tags": [
            {
                "id": tag.tag_id,
                "name": tag.name,
                "confidence": float(tag.confidence),
                "channels": {channel: float(score) for channel, score in tag.channels.items()},
                "evidence": [
                    {**_present_fields(evidence), "similarity": float(evidence.similarity)} for evidence in tag.evidence
                ],
                "is_new": tag.is_new,
                "spans": [_span(span) for span in tag.spans],
            }
            for tag in answer.tags
        ],
        "modalities": list(answer.modalities),
        "warnings": list(answer.warnings),
        "bundle_version": answer.bundle_version,
    }


def answer_from_json(stored: Mapping[str, Any]) -> RankedTags:
    """Return the answer from its stored form.

    Unknown keys are ignored, so that a service rolled back to this version reads answers stored by a newer one. Answers
    stored by earlier versions have no spans.
    """
    return RankedTags(
        stored["video_id"],
        tuple(_tag_from_json(tag) for tag in stored["tags"]),
        tuple(stored["modalities"]),
        tuple(stored["warnings"]),
        stored["bundle_version"],
    )


def printed_answer(answer: RankedTags) -> dict[str, Any]:
    """Return the form of `videotag tag --format json`: scores are rounded to four digits."""
    return {
        "video_id": answer.video_id,
        "tags": [
            {
                "name": tag.name,
                "confidence": round(tag.confidence, 4),
                "id": tag.tag_id,
                "is_new": tag.is_new,
                "channels": {channel: round(score, 4) for channel, score in tag.channels.items()},
                "evidence": [
                    {**_present_fields(evidence), "similarity": round(evidence.similarity, 4)}
                    for evidence in tag.evidence
                ],
                "spans": [_span(span) | {"strength": round(span.strength, 4)} for span in tag.spans],
            }
            for tag in answer.tags
        ],
        "modalities": list(answer.modalities),
        "warnings": list(answer.warnings),
        "bundle": answer.bundle_version,
    }


def batch_row(answer: RankedTags) -> dict[str, Any]:
    """Return the row of a batch's parquet table: without evidence."""
    return {
        "video_id": answer.video_id,
        "tags": [
            {
                "name": tag.name,
                "confidence": tag.confidence,
                "id": tag.tag_id,
                "is_new": tag.is_new,
                "channels": [{"name": name, "score": score} for name, score in tag.channels.items()],
                "spans": [_span(span) for span in tag.spans],
            }
            for tag in answer.tags
        ],
        "modalities": list(answer.modalities),
        "warnings": list(answer.warnings),
        "bundle": answer.bundle_version,
    }


def _tag_from_json(stored: Mapping[str, Any]) -> RankedTag:
    return RankedTag(
        stored["id"],
        stored["name"],
        stored["confidence"],
        stored["channels"],
        tuple(
            Evidence(**{name: evidence[name] for name in EVIDENCE_FIELDS if name in evidence})
            for evidence in stored["evidence"]
        ),
        stored["is_new"],
        tuple(TimeSpan(**{name: span[name] for name in SPAN_FIELDS}) for span in stored.get("spans", ())),
    )


def _span(span: TimeSpan) -> dict[str, Any]:
    return {name: getattr(span, name) for name in SPAN_FIELDS}


def _present_fields(evidence: Evidence) -> dict[str, Any]:
    """Return the fields of this kind of evidence; fields of other kinds are None and left out."""
    values = ((name, getattr(evidence, name)) for name in EVIDENCE_FIELDS)
    return {name: value for name, value in values if value is not None}
