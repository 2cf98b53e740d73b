"""Ablation of the readers: what speech and text on the screen add to the starter bundle's tags of real clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tagging.progress import Progress
from tagging.tools.starter.clips import NamedClip, name_clips
from tagging.types import PassageSource

VARIANTS: Mapping[str, tuple[PassageSource, ...]] = {
    "everything": (),
    "without speech": ("speech",),
    "without text on the screen": ("screen",),
    "without both": ("speech", "screen"),
}


@dataclass(frozen=True, slots=True)
class AblationRow:
    """The tags of one variant; a tag agrees if a word of the clip's label or caption is among its words."""

    read: str
    clips: int
    clips_that_agree: int
    tags: int
    tags_that_agree: int
    clips_changed: int  # whose tags or their order differ from those of everything


def ablate_readers(clips: Path, captions: Mapping[str, str], bundle: Path, progress: Progress) -> list[AblationRow]:
    """Tag the clips once for each variant and count. Raises MediaNotFoundError if no clip can be read."""
    named = {
        variant: name_clips(clips, captions, bundle, False, progress, without) for variant, without in VARIANTS.items()
    }
    return [_row(variant, found, named["everything"]) for variant, found in named.items()]


def _row(variant: str, found: Sequence[NamedClip], everything: Sequence[NamedClip]) -> AblationRow:
    whole = {clip.file: clip.tags for clip in everything}
    return AblationRow(
        variant,
        len(found),
        sum(clip.agrees for clip in found),
        sum(len(clip.tags) for clip in found),
        sum(clip.agreeing for clip in found),
        sum(clip.tags != whole.get(clip.file) for clip in found),
    )
