"""An answer as JSON and back, the same to the last digit.

Keys that this version does not know are left out, so a service that was put back reads what a newer one stored.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from tagging.types import Evidence, RankedTag, RankedTags

EVIDENCE = tuple(field.name for field in fields(Evidence))


def answer_to_json(answer: RankedTags) -> dict[str, Any]:
    return {
        "video_id": answer.video_id,
        "tags": [
            {
                "id": tag.tag_id,
                "name": tag.name,
                "confidence": float(tag.confidence),
                "channels": {channel: float(score) for channel, score in tag.channels.items()},
                "evidence": [_evidence_to_json(one) for one in tag.evidence],
                "is_new": tag.is_new,
            }
            for tag in answer.tags
        ],
        "modalities": list(answer.modalities),
        "warnings": list(answer.warnings),
        "bundle_version": answer.bundle_version,
    }


def answer_from_json(tree: Mapping[str, Any]) -> RankedTags:
    return RankedTags(
        tree["video_id"],
        tuple(
            RankedTag(
                tag["id"],
                tag["name"],
                tag["confidence"],
                tag["channels"],
                tuple(Evidence(**{name: one[name] for name in EVIDENCE if name in one}) for one in tag["evidence"]),
                tag["is_new"],
            )
            for tag in tree["tags"]
        ),
        tuple(tree["modalities"]),
        tuple(tree["warnings"]),
        tree["bundle_version"],
    )


def _evidence_to_json(one: Evidence) -> dict[str, Any]:
    """Without the fields of other kinds of evidence."""
    stated = {name: value for name, value in asdict(one).items() if value is not None}
    return {**stated, "similarity": float(one.similarity)}
