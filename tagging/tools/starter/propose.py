"""Proposals of the name sources for clips, without thresholds, as a table for reviewers."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from recall.query import RecallQuery
from tagging.bundle.manifest import BUNDLE
from tagging.bundle.sealed import file_sha256
from tagging.config.media import MediaConfig
from tagging.config.recall import NamesConfig, RecallConfig, StrengthConfig
from tagging.errors import MediaNotFoundError
from tagging.features.encode import embed, encode_videos
from tagging.features.factory import load_encoders
from tagging.media.pool import DecodePool
from tagging.media.read_ahead import ReadVideo, read_media_ahead
from tagging.pipeline.load import check_encoders
from tagging.pipeline.recall_stage import RecallStage
from tagging.progress import Progress
from tagging.tags.catalog import TagCatalog
from tagging.types import ChannelTags, Frames, MediaSample, VideoRef

COLUMNS = ("file", "modality", "rank", "tag", "strength", "where", "right", "part")
MEDIA = frozenset((".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"))
STILLS = frozenset((".jpeg", ".jpg", ".png"))  # a thumbnail is a clip of one frame
SHOWN = 15
OPEN_PASSAGES = StrengthConfig(slope=1.0, intercept=0.0, least=-1.0)  # strengths are cosines


@dataclass(frozen=True, slots=True)
class Proposal:
    """A tag that a source proposes for a clip without a threshold."""

    file: str
    modality: str  # the source: seen, heard, spoken or shown
    rank: int  # from 1
    tag: str
    strength: float
    where: str


def propose(
    clips: Path, bundle: Path, progress: Progress, share: float | None = None, most: int = SHOWN
) -> list[Proposal]:
    """Return the `most` strongest names of each clip and picture in a folder, by source.

    share: share of the tokens that count, instead of the bundle's. Clips that cannot be read are left out. Raises
    MediaNotFoundError if the folder has no clips.
    """
    manifest = BUNDLE.read(bundle)
    names = manifest.config.recall.names
    opened = NamesConfig(
        tags=names.tags,
        seen=open_source("sum", names.seen, share),
        heard=open_source("max", names.heard, share),
        spoken=OPEN_PASSAGES,
        shown=OPEN_PASSAGES,
    )
    recall = RecallConfig(names=opened, tags_per_channel=most)
    config = manifest.config.model_copy(update={"recall": recall})
    recall_stage = RecallStage.load(bundle, manifest.model_copy(update={"config": config}))
    encoders = load_encoders(config.encoders)
    check_encoders(manifest, encoders)

    files = sorted(path for path in clips.iterdir() if path.suffix.lower() in MEDIA | STILLS)
    if not files:
        raise MediaNotFoundError(
            f"no clips in {clips}", f"expected files that end in one of {', '.join(sorted(MEDIA))}"
        )
    proposals: list[Proposal] = []
    with progress.track("propose", len(files)) as advance:
        for video in _read(files, config.media):
            advance(1)
            [features] = encode_videos(encoders, [video])
            embedded = embed(encoders, video.video, features)
            for channel in recall_stage.channels:
                [tags] = channel.recall([RecallQuery.of(embedded)])
                if tags is not None:
                    proposals += _rows(video.video.video_id, channel.name, tags, recall_stage.catalog)
    return proposals


def write_proposals(proposals: Sequence[Proposal], out: Path) -> None:
    """Write a CSV file; reviewers fill in its empty columns `right` and `part`."""
    with out.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for row in proposals:
            table.writerow([row.file, row.modality, row.rank, row.tag, f"{row.strength:.4f}", row.where, "", ""])


def open_source(
    together: Literal["sum", "max"], config: StrengthConfig | None = None, share: float | None = None
) -> StrengthConfig:
    """Return the source without a threshold; `together` applies if there is no configuration."""
    kept = config or StrengthConfig(slope=1.0, intercept=0.0, least=0.0, together=together)
    return kept.model_copy(update={"slope": 1.0, "intercept": 0.0, "least": 0.0, "share": share or kept.share})


def _read(files: Sequence[Path], config: MediaConfig) -> Iterator[ReadVideo]:
    for path in (path for path in files if path.suffix.lower() in STILLS):
        try:
            with Image.open(path) as image:
                frames = Frames(np.asarray(image.convert("RGB"))[None], np.zeros(1))
        except OSError:  # not a picture, or a truncated one
            continue
        yield ReadVideo(VideoRef(path.name), MediaSample(file_sha256(path), 0.0, frames, None))
    videos = (VideoRef(path.name, str(path)) for path in files if path.suffix.lower() in MEDIA)
    with DecodePool(config) as pool:
        for video in read_media_ahead(videos, pool, ahead=2 * config.workers):
            if isinstance(video, ReadVideo):
                yield video


def _rows(file: str, source: str, tags: ChannelTags, catalog: TagCatalog) -> list[Proposal]:
    rows = []
    for rank, (row, evidence) in enumerate(zip(tags.tag_rows.tolist(), tags.evidence, strict=True), start=1):
        where = f"{evidence.start_s:g} s" if evidence.frame is None else f"frame {evidence.frame} of {evidence.frames}"
        rows.append(Proposal(file, source, rank, catalog.names[row], evidence.similarity, where))
    return rows
