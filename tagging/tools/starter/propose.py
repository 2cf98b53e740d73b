"""What the direct sources would say of clips, with nothing held back: for people who judge it."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from tagging.bundle.files import read_manifest
from tagging.bundle.manifest import file_sha256
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
STILLS = frozenset((".jpeg", ".jpg", ".png"))  # thumbnails: a clip of one frame
SHOWN = 15


@dataclass(frozen=True, slots=True)
class Proposed:
    """A tag that a source would propose for a clip, were there no threshold."""

    file: str
    modality: str  # the source: seen or heard
    rank: int  # from 1
    tag: str
    strength: float
    where: str


def propose(
    clips: Path, bundle: Path, progress: Progress, share: float | None = None, most: int = SHOWN
) -> list[Proposed]:
    """The `most` strongest names of each clip, and each picture, of a folder, by source.

    share: of the tokens that count, instead of the bundle's. Clips that cannot be read are left out;
    MediaNotFoundError where there is none at all.
    """
    manifest = read_manifest(bundle)
    names = manifest.config.recall.names
    opened = NamesConfig(
        tags=names.tags, seen=open_source("sum", names.seen, share), heard=open_source("max", names.heard, share)
    )
    recall = RecallConfig(names=opened, tags_per_channel=most)
    config = manifest.config.model_copy(update={"recall": recall})
    recall_stage = RecallStage.load(bundle, manifest.model_copy(update={"config": config}))
    encoders = load_encoders(config.encoders)
    check_encoders(manifest, encoders)

    files = sorted(path for path in clips.iterdir() if path.suffix.lower() in MEDIA | STILLS)
    if not files:
        raise MediaNotFoundError(f"no clip lies in {clips}", f"clips are files with one of {', '.join(sorted(MEDIA))}")
    proposed: list[Proposed] = []
    with progress.track("propose", len(files)) as advance:
        for video in _read(files, config.media):
            advance(1)
            [features] = encode_videos(encoders, [video])
            embedded = embed(encoders, video.video, features)
            for channel in recall_stage.channels:
                [tags] = channel.recall([embedded])
                if tags is not None:
                    proposed += _rows(video.video.video_id, channel.name, tags, recall_stage.catalog)
    return proposed


def write_proposed(proposed: Sequence[Proposed], out: Path) -> None:
    """CSV; the columns `right` and `part` are empty, for whoever judges."""
    with out.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for one in proposed:
            table.writerow([one.file, one.modality, one.rank, one.tag, f"{one.strength:.4f}", one.where, "", ""])


def open_source(
    together: Literal["sum", "max"], config: StrengthConfig | None = None, share: float | None = None
) -> StrengthConfig:
    """A source that holds nothing back; `together` where there is no configuration that says."""
    kept = config or StrengthConfig(slope=1.0, intercept=0.0, least=0.0, together=together)
    return kept.model_copy(update={"slope": 1.0, "intercept": 0.0, "least": 0.0, "share": share or kept.share})


def _read(files: Sequence[Path], config: MediaConfig) -> Iterator[ReadVideo]:
    for path in (path for path in files if path.suffix.lower() in STILLS):
        try:
            with Image.open(path) as image:
                frames = Frames(np.asarray(image.convert("RGB"))[None], np.zeros(1))
        except OSError:  # no picture, or the half of one
            continue
        yield ReadVideo(VideoRef(path.name), MediaSample(file_sha256(path), 0.0, frames, None))
    videos = (VideoRef(path.name, str(path)) for path in files if path.suffix.lower() in MEDIA)
    with DecodePool(config) as pool:
        for video in read_media_ahead(videos, pool, ahead=2 * config.workers):
            if isinstance(video, ReadVideo):
                yield video


def _rows(file: str, source: str, tags: ChannelTags, catalog: TagCatalog) -> list[Proposed]:
    rows = []
    for rank, (row, one) in enumerate(zip(tags.tag_rows.tolist(), tags.evidence, strict=True), start=1):
        where = f"{one.start_s:g} s" if one.frame is None else f"frame {one.frame} of {one.frames}"
        rows.append(Proposed(file, source, rank, catalog.names[row], one.similarity, where))
    return rows
