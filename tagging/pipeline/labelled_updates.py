"""Labelled videos that come after a bundle was made vote at once.

Nothing is learnt from them: towers, classifier, blend and ranker stay as they are. They vote where labelled videos
vote, in the channels of similar videos, of similar texts and of their uploader.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tagging.pipeline.recall_stage import RecallStage
from tagging.store.labelled_log import AddedVideo, LabelledUpdate, RemovedVideo
from tagging.text import normalise
from tagging.types import Modality

logger = logging.getLogger(__name__)

NAMED = 5  # of the tags that are unknown
AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class UpdateReport:
    joined: int
    left: int
    voteless: int  # of those that were to join: the catalog has none of their tags
    unknown: Counter[str]  # tags that the catalog lacks, by videos
    otherwise_encoded: int  # of those that joined: a row is by another encoder than the bundle's, and was left out


def apply_updates(
    recall_stage: RecallStage, entries: Mapping[str, LabelledUpdate], encoders: Mapping[Modality, str]
) -> UpdateReport:
    """Let the videos of the entries vote, or leave; by video, each once.

    encoders: fingerprints of the bundle's, by modality
    """
    known = recall_stage.rows_spelled()
    coming = [entry for entry in entries.values() if isinstance(entry, AddedVideo)]
    leaving = [entry.video_id for entry in entries.values() if isinstance(entry, RemovedVideo)]
    left = sum(recall_stage.neighbour_store.remove(video_id) for video_id in leaving)
    unknown: Counter[str] = Counter()
    joined = otherwise = 0
    for start in range(0, len(coming), AT_ONCE):
        some = coming[start : start + AT_ONCE]
        forms = [dict.fromkeys(map(normalise, entry.tags)) for entry in some]
        tags = [np.array(sorted({known[form] for form in one if form in known}), np.int64) for one in forms]
        unknown.update(form for one in forms for form in one if form not in known)
        videos = [entry.embeddings(encoders) for entry in some]
        recall_stage.add_labelled([entry.video.video_id for entry in some], videos, tags)
        voting = [place for place, rows in enumerate(tags) if len(rows)]
        joined += len(voting)
        otherwise += sum(len(videos[place].rows) < len(some[place].rows) for place in voting)
    report = UpdateReport(joined, left, len(coming) - joined, unknown, otherwise)
    _tell(report)
    return report


def _tell(report: UpdateReport) -> None:
    if report.unknown:
        named = ", ".join(repr(tag) for tag, _ in report.unknown.most_common(NAMED))
        logger.warning(
            "%d tags are not in the bundle's catalog and have no votes, %s the most used: add them with "
            "`videotag tags add`; %d videos have no other tag",
            len(report.unknown), named, report.voteless,
        )  # fmt: skip
    if report.otherwise_encoded:
        logger.warning(
            "%d videos were looked at by other encoders than the bundle's, whose rows are left out: add them again",
            report.otherwise_encoded,
        )
