"""Fits the direct sources' thresholds and probabilities on clips that people judged, and on real titles.

A clip's tag is right where somebody who looked and listened says so. A title's tag is right where the video's creator
tagged it with the name, or with a phrase that has the name in it. Half of the clips, and of the uploaders, are kept
for the report.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagging.bundle.files import read_manifest
from tagging.bundle.manifest import BundleManifest
from tagging.config.recall import NamesConfig, StrengthConfig
from tagging.errors import InvalidManifestError
from tagging.features.factory import Encoders, load_encoders
from tagging.manifest import read_labelled
from tagging.pipeline.load import check_encoders
from tagging.pipeline.recall_stage import RecallStage
from tagging.splits import is_held_out
from tagging.text import normalise, singular, split_words
from tagging.tools.starter.fit import fit
from tagging.tools.starter.propose import Proposed, open_source
from tagging.training.name_sources import SOURCES
from tagging.types import LabelledVideo, VideoEmbeddings

SEED = 7
TUNE = "tune"
TITLES_AT_ONCE = 256
FAR = 0.35  # cosine below which no name is near in meaning to a title
EVERY = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class JudgedProposals:
    """n proposals of one source, with their truth."""

    strengths: NDArray[np.float32]  # (n,)
    right: NDArray[np.bool_]  # (n,)
    parts: NDArray[np.str_]  # (n,) TUNE to fit on; the others are for the report, each part on its own
    videos: Mapping[str, int]  # looked at, by part


@dataclass(frozen=True, slots=True)
class PartReport:
    """What is shown of one part, and the share of it that is right; None where nothing is shown."""

    precision: float | None
    shown: int
    shown_a_video: float


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What a source's threshold does, by part; no threshold and no part where none has the precision."""

    source: str
    judged: int
    least: float | None
    parts: Mapping[str, PartReport]


def judged_clips(judgements: Path, proposed: Sequence[Proposed]) -> dict[str, JudgedProposals]:
    """By source. The judgements are the CSV of `propose` with `right` (0 or 1) and `part` filled in.

    part: "tune", or what a set of clips for the report is called. Rows without a judgement are left out. Strengths are
    those of `proposed`, so that encoders may have changed since.
    """
    strengths = {(one.file, one.modality, one.tag): one.strength for one in proposed}
    with judgements.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        if missing := {"file", "modality", "tag", "right", "part"} - set(table.fieldnames or ()):
            raise InvalidManifestError(f"{judgements} has no column {', '.join(sorted(missing))}", "see `propose`")
        rows = [row for row in table if row["right"] in ("0", "1")]
    found: dict[str, JudgedProposals] = {}
    for source in ("seen", "heard"):
        of_source = [row for row in rows if row["modality"] == source]
        known = [row for row in of_source if (row["file"], source, row["tag"]) in strengths]
        parts = sorted({row["part"] for row in of_source})
        found[source] = JudgedProposals(
            np.array([strengths[row["file"], source, row["tag"]] for row in known], np.float32),
            np.array([row["right"] == "1" for row in known], np.bool_),
            np.array([row["part"] for row in known], np.str_),
            {part: len({row["file"] for row in of_source if row["part"] == part}) for part in parts},
        )
    return found


def judged_titles(manifest: Path, columns: dict[str, str], bundle: Path) -> dict[str, JudgedProposals]:
    """By source: names in the titles, names in the descriptions, and names near in meaning to the titles.

    Of English titles, as far as ASCII tells.
    """
    stated = read_manifest(bundle)
    encoders = load_encoders(stated.config.encoders)
    check_encoders(stated, encoders)
    videos = [one for one in read_labelled([manifest], columns) if one.video.title.isascii() and one.tags]
    return {source: _judge_titles(source, videos, bundle, stated, encoders) for source in _TITLE_SOURCES}


# Each source alone, and nothing held back.
_OPEN = StrengthConfig(slope=1.0, intercept=0.0, least=-1.0)
_TITLE_SOURCES = {
    "literal": NamesConfig(literal=_OPEN),
    "described": NamesConfig(described=_OPEN),
    "written": NamesConfig(written=StrengthConfig(slope=1.0, intercept=0.0, least=FAR)),
}


def _judge_titles(
    source: str, videos: Sequence[LabelledVideo], bundle: Path, stated: BundleManifest, encoders: Encoders
) -> JudgedProposals:
    recall = stated.config.recall.model_copy(update={"names": _TITLE_SOURCES[source], "tags_per_channel": EVERY})
    config = stated.config.model_copy(update={"recall": recall})
    recall_stage = RecallStage.load(bundle, stated.model_copy(update={"config": config}))
    [channel] = [channel for channel in recall_stage.channels if channel.name == "written"]
    spellings = [
        [_key(form) for form in forms] for forms in recall_stage.catalog.spellings(range(len(recall_stage.catalog)))
    ]
    cosines: list[float] = []
    right: list[bool] = []
    parts: list[str] = []
    for video, embedded in _embedded(videos, encoders, with_description=source == "described"):
        [tags] = channel.recall([embedded])
        if tags is None:
            continue
        own = [f" {_key(tag)} " for tag in video.tags]
        for row, one in zip(tags.tag_rows.tolist(), tags.evidence, strict=True):
            stands_in_title = any(f" {form} " in f" {_key(video.video.title)} " for form in spellings[row])
            if source == "literal" or not stands_in_title:
                cosines.append(one.similarity)
                right.append(any(f" {form} " in tag for form in spellings[row] for tag in own))
                parts.append(_part(video))
    return JudgedProposals(
        np.array(cosines, np.float32),
        np.array(right, np.bool_),
        np.array(parts, np.str_),
        dict(Counter(_part(video) for video in videos)),
    )


def _part(video: LabelledVideo) -> str:
    return "test" if is_held_out(video.video, 0.5, SEED) else TUNE


def _embedded(
    videos: Sequence[LabelledVideo], encoders: Encoders, with_description: bool
) -> Iterator[tuple[LabelledVideo, VideoEmbeddings]]:
    if encoders.text is None:
        return
    chosen = [one for one in videos if one.video.description or not with_description]
    for start in range(0, len(chosen), TITLES_AT_ONCE):
        some = chosen[start : start + TITLES_AT_ONCE]
        texts = [one.video.text if with_description else one.video.title for one in some]
        for one, row in zip(some, encoders.text.encode(texts), strict=True):
            description = one.video.description if with_description else ""
            yield one, VideoEmbeddings({"text": row}, title=one.video.title, description=description)


def calibrated(
    before: NamesConfig, judged: dict[str, JudgedProposals], bundle: Path, precision: float
) -> tuple[NamesConfig, list[SourceReport]]:
    """`before` with the judged sources fitted anew; a source that cannot have the precision is left out."""
    stated = read_manifest(bundle)
    fingerprints = {SOURCES[source]: stated.encoders[SOURCES[source]].fingerprint for source in judged}
    fitted: dict[str, StrengthConfig | None] = {}
    reports = []
    for source, one in judged.items():
        curve = fit(one.strengths[one.parts == TUNE], one.right[one.parts == TUNE], precision)
        kept = getattr(before, source) or open_source("max" if source == "heard" else "sum")
        fitted[source] = None if curve is None else kept.model_copy(update=asdict(curve))
        reports.append(_report(source, one, None if curve is None else curve.least))
    return before.model_copy(update={**fitted, "fitted_for": {**before.fitted_for, **fingerprints}}), reports


def with_share(names: NamesConfig, share: float) -> NamesConfig:
    """The same with another share of tokens for frames and sound."""
    opened = {"seen": names.seen or open_source("sum"), "heard": names.heard or open_source("max")}
    return names.model_copy(update={name: one.model_copy(update={"share": share}) for name, one in opened.items()})


def _report(source: str, judged: JudgedProposals, least: float | None) -> SourceReport:
    parts: dict[str, PartReport] = {}
    if least is not None:
        for part, videos in judged.videos.items():
            right = judged.right[(judged.strengths >= least) & (judged.parts == part)]
            precision = round(float(right.mean()), 3) if len(right) else None
            parts[part] = PartReport(precision, len(right), round(len(right) / videos, 2))
    return SourceReport(source, len(judged.right), least, parts)


def _key(text: str) -> str:
    return " ".join(map(singular, split_words(normalise(text))))
