"""Tags of the starter bundle for real clips, compared with the clips' own labels or captions."""

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from tagging.bundle.manifest import BUNDLE, BundleManifest
from tagging.errors import InvalidManifestError, MediaNotFoundError
from tagging.features.factory import load_encoders
from tagging.media.read_ahead import Failure
from tagging.pipeline.load import load_ranker, make_tagger
from tagging.pipeline.models import PipelineModels
from tagging.pipeline.recall_stage import RecallStage
from tagging.progress import Progress
from tagging.text.english import EMPTY, singular
from tagging.text.words import split_words
from tagging.types import PassageSource, VideoRef

TAGS = 10


@dataclass(frozen=True, slots=True)
class NamedClip:
    """A clip with its caption and its tags."""

    file: str
    caption: str  # its label and caption
    tags: tuple[str, ...]  # at most TAGS, the most confident first
    agreeing: int  # tags with a word of the label or caption

    @property
    def agrees(self) -> bool:
        return self.agreeing > 0


def read_labels(file: Path) -> dict[str, str]:
    """Read label and caption by file name from a CSV with the columns file, label, caption; rows without are left out.

    Raises InvalidManifestError for a table without these columns.
    """
    with file.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines)
        if missing := {"file", "label", "caption"} - set(rows.fieldnames or ()):
            raise InvalidManifestError(f"{file} has no column {', '.join(sorted(missing))}", "give it a header")
        captions = {row["file"]: f"{row['label'] or ''} {row['caption'] or ''}".strip() for row in rows}
    return {name: text.replace("_", " ") for name, text in captions.items() if text}


def name_clips(
    clips: Path,
    captions: Mapping[str, str],
    bundle: Path,
    opened: bool,
    progress: Progress,
    without: Collection[PassageSource] = (),
) -> list[NamedClip]:
    """Tag the clips; those that cannot be read are left out. Raises MediaNotFoundError if none can be.

    opened: apply no threshold to frames and sound
    without: readers to leave out
    """
    manifest = BUNDLE.read(bundle)
    if opened:
        manifest = _opened(manifest)
    config = manifest.config.encoders.model_copy(update=dict.fromkeys(without))
    encoders = load_encoders(config)
    models = PipelineModels(encoders, RecallStage.load(bundle, manifest), load_ranker(bundle, manifest, encoders))
    named: list[NamedClip] = []
    with (
        progress.track("name clips", len(captions)) as advance,
        make_tagger(manifest, models) as tagger,
    ):
        videos = (VideoRef(file, str(clips / file)) for file in sorted(captions))
        for answer in tagger.tag_many(videos, tagger.selection(TAGS)):
            advance(1)
            if isinstance(answer, Failure):
                continue
            tags = tuple(tag.name for tag in answer.tags)
            caption = captions[answer.video_id]
            agreeing = sum(not _words(caption).isdisjoint(_words(tag)) for tag in tags)
            named.append(NamedClip(answer.video_id, caption, tags, agreeing))
    if not named:
        raise MediaNotFoundError(f"no clip of the labels can be read in {clips}", "give the folder that contains them")
    return named


def _opened(manifest: BundleManifest) -> BundleManifest:
    names = manifest.config.recall.names
    sources = {name: getattr(names, name) for name in ("seen", "heard")}
    free = {name: source.model_copy(update={"least": 0.0}) for name, source in sources.items() if source is not None}
    recall = manifest.config.recall.model_copy(update={"names": names.model_copy(update=free)})
    select = manifest.config.select.model_copy(update={"min_confidence": 0.0})
    config = manifest.config.model_copy(update={"recall": recall, "select": select})
    return manifest.model_copy(update={"config": config})


def _words(text: str) -> set[str]:
    return {singular(word) for word in split_words(text) if word not in EMPTY}
