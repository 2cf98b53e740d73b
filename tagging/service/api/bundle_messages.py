"""Protobuf messages of bundles and churn: conversion from and to values."""

from datetime import UTC, datetime

from videotag.v1 import tagging_pb2 as pb

from tagging.service.api.evidence_messages import MODALITY
from tagging.service.api.validation import check
from tagging.service.api.video_messages import timestamp
from tagging.service.bundles.loaded_bundle import LoadedBundle
from tagging.service.calls.bundles import ChurnReport
from tagging.service.errors.text_limits import sendable

CHURN_TAGS = 20  # by default


def read_bundle_name(request: pb.ActivateBundleRequest | pb.ShadowBundleRequest) -> tuple[str | None, str | None]:
    """The folder and the version of a bundle, of which at most one is set; raises InvalidRequestError."""
    check(request)
    match request.WhichOneof("bundle"):
        case "folder":
            return request.folder, None
        case "version":
            return None, request.version
    return None, None


def read_churn_query(request: pb.GetChurnRequest) -> tuple[datetime | None, int]:
    """The time since which answers are compared, None for the default, and the number of tags to report.

    Raises InvalidRequestError.
    """
    check(request)
    since = request.since.ToDatetime(UTC) if request.HasField("since") else None
    return since, request.max_tags if request.HasField("max_tags") else CHURN_TAGS


def bundle_message(bundle: LoadedBundle | None) -> pb.Bundle | None:
    """The message of a bundle; None for a role without a bundle."""
    if bundle is None:
        return None
    manifest = bundle.manifest
    return pb.Bundle(
        version=manifest.version,
        folder=sendable(bundle.name),
        created_at=timestamp(manifest.created),
        counts=manifest.counts,
        encoders=[
            pb.Encoder(modality=MODALITY[modality], fingerprint=entry.fingerprint, dim=entry.dim)
            for modality in MODALITY
            if (entry := manifest.encoders.get(modality)) is not None
        ],
        since=timestamp(bundle.since),
    )


def churn_message(report: ChurnReport) -> pb.GetChurnResponse:
    """The response to GetChurn."""
    churn = report.churn
    return pb.GetChurnResponse(
        bundle_version=report.active_version,
        shadow_version=report.shadow_version,
        since=timestamp(report.since),
        compared=churn.compared,
        same=churn.same,
        mean_overlap=churn.mean_overlap,
        mean_tags=churn.mean_tags,
        mean_shadow_tags=churn.mean_shadow_tags,
        shadow_failures=report.failures,
        tags=[
            pb.TagChurn(tag_id=tag.tag_id, name=sendable(tag.name), gained=tag.gained, lost=tag.lost)
            for tag in churn.tags
        ],
    )
