"""Incremental labelled videos: updates of the neighbour index of a trained bundle, effective at once.

Nothing is trained: towers, classifier, fusion and ranker stay unchanged. Added videos take part in neighbour voting, in
the channels of similar videos, of similar texts and of their uploader.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tagging.pipeline.answer import nothing_to_read
from tagging.pipeline.models import EncodedVideo
from tagging.pipeline.recall_stage import RecallStage
from tagging.store.labelled_log import AddedVideo, LabelledUpdate, RemovedVideo
from tagging.text.normalise import normalise
from tagging.types import MODALITIES, LabelledVideo, Modality

logger = logging.getLogger(__name__)

UNKNOWN_NAMED = 5  # unknown tags that a warning names
BATCH = 256  # videos


@dataclass(frozen=True, slots=True)
class UpdateReport:
    """The result of applying updates."""

    added: int  # videos that vote
    removed: int  # videos that voted
    without_votes: int  # added videos of whose tags the catalog has none
    unknown: Counter[str]  # number of videos by tag that the catalog lacks
    foreign_rows: int  # voting videos with a row of an encoder that the bundle does not have, which is left out


def apply_updates(
    recall_stage: RecallStage, updates: Mapping[str, LabelledUpdate], fingerprints: Mapping[Modality, str]
) -> UpdateReport:
    """Add labelled videos to neighbour voting, or remove them, by video id. Safe while other videos are tagged.

    Logs a warning about unknown tags and foreign rows.

    fingerprints: of the bundle's encoders, by modality
    """
    added = [update for update in updates.values() if isinstance(update, AddedVideo)]
    removed_ids = [update.video_id for update in updates.values() if isinstance(update, RemovedVideo)]
    removed = sum(recall_stage.neighbour_store.remove(video_id) for video_id in removed_ids)
    unknown: Counter[str] = Counter()
    voting = foreign = 0
    known = recall_stage.rows_spelled()
    for start in range(0, len(added), BATCH):
        batch = added[start : start + BATCH]
        forms = [dict.fromkeys(map(normalise, video.tags)) for video in batch]
        tag_rows = [
            np.array(sorted({known[form] for form in of_video if form in known}), np.int64) for of_video in forms
        ]
        unknown.update(form for of_video in forms for form in of_video if form not in known)
        embeddings = [video.embeddings(fingerprints) for video in batch]
        recall_stage.add_labelled([video.video.video_id for video in batch], embeddings, tag_rows)
        indices = [index for index, rows in enumerate(tag_rows) if len(rows)]
        voting += len(indices)
        foreign += sum(len(embeddings[index].rows) < len(batch[index].rows) for index in indices)
    report = UpdateReport(voting, removed, len(added) - voting, unknown, foreign)
    _warn(report)
    return report


def added_video(
    labelled: LabelledVideo, encoded: EncodedVideo, fingerprints: Mapping[Modality, str]
) -> tuple[AddedVideo, tuple[str, ...]]:
    """Return a labelled video, which was encoded, as a log stores it, and warnings.

    fingerprints: as of `apply_updates`
    Raises InvalidVideoError if no encoder could read anything of it.
    """
    embeddings = encoded.embeddings
    if not embeddings.rows:
        raise nothing_to_read(encoded.video, encoded.features.warnings)
    rows = {modality: embeddings.rows[modality] for modality in MODALITIES if modality in embeddings.rows}
    made_by = {modality: fingerprints[modality] for modality in rows}
    return AddedVideo(replace(encoded.video, uri=None), labelled.tags, rows, made_by), embeddings.warnings


def _warn(report: UpdateReport) -> None:
    if report.unknown:
        most_used = ", ".join(repr(tag) for tag, _ in report.unknown.most_common(UNKNOWN_NAMED))
        logger.warning(
            "%d tags are not in the bundle's catalog and get no votes, most used first: %s; add them with "
            "`videotag tags add`; %d videos have no other tag",
            len(report.unknown), most_used, report.without_votes,
        )  # fmt: skip
    if report.foreign_rows:
        logger.warning(
            "%d videos have rows of encoders that the bundle does not have, which are left out: add them again",
            report.foreign_rows,
        )
