"""Calibration of the name sources: thresholds and probabilities from reviewed clips and from real titles.

A tag of a clip is right if a reviewer who watched and listened to it says so. A tag of a title is right if the video's
creator tagged it with the name, or with a phrase that contains the name. Half of the clips, and of the uploaders, are
held out for the report.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recall.channels.base import PASSAGE_CHANNELS, SENSED_MODALITIES
from recall.query import RecallQuery
from tagging.bundle.manifest import BUNDLE, BundleManifest
from tagging.config.recall import NamesConfig, StrengthConfig
from tagging.errors import InvalidManifestError
from tagging.features.factory import Encoders, load_encoders
from tagging.manifests.read import read_labelled
from tagging.pipeline.load import check_encoders
from tagging.pipeline.recall_stage import RecallStage
from tagging.splits import is_held_out
from tagging.text.english import singular
from tagging.text.words import split_words
from tagging.tools.starter.fit import fit, proper_weight
from tagging.tools.starter.propose import Proposal, open_source
from tagging.training.name_sources import SOURCES
from tagging.types import LabelledVideo, VideoEmbeddings

SEED = 7
TUNE = "tune"
TITLES_AT_ONCE = 256
NEAREST_NAMES = 20  # of a title, in meaning; the encoders differ in how close unrelated texts are
NO_LIMIT = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class ReviewedProposals:
    """n proposals of one source, with the reviewers' verdicts."""

    strengths: NDArray[np.float32]  # (n,)
    right: NDArray[np.bool_]  # (n,)
    parts: NDArray[np.str_]  # (n,) TUNE is fitted on; every other part is reported separately
    videos: Mapping[str, int]  # number of reviewed videos, by part
    is_proper: NDArray[np.bool_]  # (n,) True: the name has a capital letter


@dataclass(frozen=True, slots=True)
class PartReport:
    """Number of tags shown for one part, and their precision; None if nothing is shown."""

    precision: float | None
    shown: int
    shown_a_video: float


@dataclass(frozen=True, slots=True)
class SourceReport:
    """Effect of the threshold of a source, by part; empty if no threshold reaches the target precision."""

    source: str
    judged: int
    least: float | None
    parts: Mapping[str, PartReport]


def reviewed_clips(reviews: Path, proposals: Sequence[Proposal]) -> dict[str, ReviewedProposals]:
    """Return the reviewed proposals by source; the reviews are the CSV of `propose` with `right` (0 or 1) and `part`.

    part: "tune", or the name of a set of clips for the report. Rows without a verdict are left out, and so are sources
    without a row. Strengths are those of `proposals`, so the encoders may have changed since the review. Raises
    InvalidManifestError for a table without these columns.
    """
    strengths = {(proposal.file, proposal.modality, proposal.tag): proposal.strength for proposal in proposals}
    with reviews.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        if missing := {"file", "modality", "tag", "right", "part"} - set(table.fieldnames or ()):
            raise InvalidManifestError(f"{reviews} has no column {', '.join(sorted(missing))}", "see `propose`")
        rows = [row for row in table if row["right"] in ("0", "1")]
    found: dict[str, ReviewedProposals] = {}
    for source in (*SENSED_MODALITIES, *PASSAGE_CHANNELS):
        of_source = [row for row in rows if row["modality"] == source]
        if not of_source:
            continue
        known = [row for row in of_source if (row["file"], source, row["tag"]) in strengths]
        parts = sorted({row["part"] for row in of_source})
        found[source] = ReviewedProposals(
            np.array([strengths[row["file"], source, row["tag"]] for row in known], np.float32),
            np.array([row["right"] == "1" for row in known], np.bool_),
            np.array([row["part"] for row in known], np.str_),
            {part: len({row["file"] for row in of_source if row["part"] == part}) for part in parts},
            # Classes are common nouns.
            np.array([source in PASSAGE_CHANNELS and any(map(str.isupper, row["tag"])) for row in known], np.bool_),
        )
    return found


def tagged_titles(
    manifest: Path, columns: dict[str, str], bundle: Path, sources: Iterable[str]
) -> dict[str, ReviewedProposals]:
    """Return proposals by source: names in titles, names in descriptions, and names close in meaning to titles.

    sources: of TITLE_SOURCES; others are left out.
    """
    stated = BUNDLE.read(bundle)
    encoders = load_encoders(stated.config.encoders)
    check_encoders(stated, encoders)
    videos = [row for row in read_labelled([manifest], columns) if row.tags]
    return {
        source: _title_proposals(source, videos, bundle, stated, encoders)
        for source in TITLE_SOURCES
        if source in set(sources)
    }


# Each source alone, without a threshold.
_OPEN = StrengthConfig(slope=1.0, intercept=0.0, least=-1.0)
TITLE_SOURCES = {
    "literal": NamesConfig(literal=_OPEN),
    "described": NamesConfig(described=_OPEN),
    "written": NamesConfig(written=_OPEN),
}


def _title_proposals(
    source: str, videos: Sequence[LabelledVideo], bundle: Path, stated: BundleManifest, encoders: Encoders
) -> ReviewedProposals:
    limit = NEAREST_NAMES if source == "written" else NO_LIMIT
    recall = stated.config.recall.model_copy(update={"names": TITLE_SOURCES[source], "tags_per_channel": limit})
    config = stated.config.model_copy(update={"recall": recall})
    recall_stage = RecallStage.load(bundle, stated.model_copy(update={"config": config}))
    [channel] = [channel for channel in recall_stage.channels if channel.name == "written"]
    spellings = [
        [_key(form) for form in forms] for forms in recall_stage.catalog.spellings(range(len(recall_stage.catalog)))
    ]
    cosines: list[float] = []
    is_proper: list[bool] = []
    right: list[bool] = []
    parts: list[str] = []
    for video, embedded in _embedded(videos, encoders, with_description=source == "described"):
        [tags] = channel.recall([RecallQuery.of(embedded)])
        if tags is None:
            continue
        own = [f" {_key(tag)} " for tag in video.tags]
        for row, evidence in zip(tags.tag_rows.tolist(), tags.evidence, strict=True):
            is_in_title = any(f" {form} " in f" {_key(video.video.title)} " for form in spellings[row])
            if source == "literal" or not is_in_title:
                cosines.append(evidence.similarity)
                is_proper.append(any(map(str.isupper, recall_stage.catalog.names[row])))
                right.append(any(f" {form} " in tag for form in spellings[row] for tag in own))
                parts.append(_part(video))
    return ReviewedProposals(
        np.array(cosines, np.float32),
        np.array(right, np.bool_),
        np.array(parts, np.str_),
        dict(Counter(_part(video) for video in videos)),
        np.array(is_proper, np.bool_),
    )


def _part(video: LabelledVideo) -> str:
    return "test" if is_held_out(video.video, 0.5, SEED) else TUNE


def _embedded(
    videos: Sequence[LabelledVideo], encoders: Encoders, with_description: bool
) -> Iterator[tuple[LabelledVideo, VideoEmbeddings]]:
    if encoders.text is None:
        return
    chosen = [row for row in videos if row.video.description or not with_description]
    for start in range(0, len(chosen), TITLES_AT_ONCE):
        batch = chosen[start : start + TITLES_AT_ONCE]
        texts = [row.video.text if with_description else row.video.title for row in batch]
        for row, vector in zip(batch, encoders.text.encode(texts), strict=True):
            description = row.video.description if with_description else ""
            yield row, VideoEmbeddings({"text": vector}, title=row.video.title, description=description)


def calibrated(
    names: NamesConfig, reviewed: dict[str, ReviewedProposals], bundle: Path, precision: float
) -> tuple[NamesConfig, list[SourceReport]]:
    """Refit the reviewed sources in `names`; a source that cannot reach the precision is removed."""
    stated = BUNDLE.read(bundle)
    fingerprints = {SOURCES[source]: stated.encoders[SOURCES[source]].fingerprint for source in reviewed}
    fitted: dict[str, StrengthConfig | None] = {}
    reports = []
    for source, proposals in reviewed.items():
        is_tuned = proposals.parts == TUNE
        strengths, is_proper, right = proposals.strengths, proposals.is_proper, proposals.right
        proper = proper_weight(strengths[is_tuned], is_proper[is_tuned], right[is_tuned])
        summed = replace(proposals, strengths=strengths + proper * is_proper)
        curve = fit(summed.strengths[is_tuned], right[is_tuned], precision)
        kept = getattr(names, source) or open_source("max" if source == "heard" else "sum")
        fitted[source] = None if curve is None else kept.model_copy(update={**asdict(curve), "proper": proper})
        reports.append(_report(source, summed, None if curve is None else curve.least))
    return names.model_copy(update={**fitted, "fitted_for": {**names.fitted_for, **fingerprints}}), reports


def with_share(names: NamesConfig, share: float) -> NamesConfig:
    """Return the configuration with another share of tokens for frames and sound."""
    opened = {"seen": names.seen or open_source("sum"), "heard": names.heard or open_source("max")}
    return names.model_copy(
        update={name: source.model_copy(update={"share": share}) for name, source in opened.items()}
    )


def _report(source: str, reviewed: ReviewedProposals, least: float | None) -> SourceReport:
    parts: dict[str, PartReport] = {}
    if least is not None:
        for part, videos in reviewed.videos.items():
            right = reviewed.right[(reviewed.strengths >= least) & (reviewed.parts == part)]
            precision = round(float(right.mean()), 3) if len(right) else None
            parts[part] = PartReport(precision, len(right), round(len(right) / videos, 2))
    return SourceReport(source, len(reviewed.right), least, parts)


def _key(text: str) -> str:
    return " ".join(map(singular, split_words(text)))
