"""Plan of a benchmark run: the bundle, the videos, and the sizes of everything that is made up."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from tagging.errors import InvalidManifestError, MediaNotFoundError
from tagging.manifests.read import read_videos
from tagging.progress import Progress, Silent
from tagging.quickstart.corpus import PlannedVideo, plan_test, plan_training, write_corpus
from tagging.types import VideoRef


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes and repeats of the measurements: larger ones vary less."""

    clips: int = 4
    titles: int = 40
    loop_vision: str = "ViT-S-32"  # open_clip's architecture
    encoder_seconds: float = 0.5  # of each encoder and repeat
    durations_s: tuple[int, ...] = (10, 60, 600)
    search_rows: tuple[int, ...] = (4_000, 16_000, 52_000)
    searches: int = 60  # queries of each size
    labelled: tuple[int, ...] = (1_000, 4_000, 16_000)
    tags: tuple[int, ...] = ()
    batch_rows: tuple[int, ...] = (16, 64, 256)
    training_steps: int = 30
    training_tags: int = 5_000


SHORT = Sizes()
FULL = Sizes(
    clips=32,
    titles=400,
    loop_vision="ViT-B-32",
    encoder_seconds=5.0,
    durations_s=(10, 60, 600, 3_600),
    search_rows=(10_000, 30_000, 100_000, 300_000),
    searches=200,
    labelled=(1_000, 10_000, 100_000),
    tags=(300, 1_200, 4_800),
    batch_rows=(128, 512, 2_048),
    training_steps=100,
    training_tags=10_000,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: what is measured, how often, and a folder for what is made up, which the caller removes."""

    bundle: Path
    manifest: Path | None  # of videos with media; None: clips are drawn
    sizes: Sizes
    repeats: int
    folder: Path
    progress: Progress
    seed: int = 7

    def clips(self) -> list[VideoRef]:
        """Return the videos with media, at most `sizes.clips`: those of the manifest, or drawn ones.

        Raises InvalidManifestError for a manifest that cannot be read or has none, MediaNotFoundError for a file that
        is missing.
        """
        if self.manifest is None:
            return self._drawn_clips()
        clips = list(islice((video for video in _read(self.manifest) if video.uri is not None), self.sizes.clips))
        if not clips:
            raise InvalidManifestError(f"{self.manifest} has no video with a uri", "give a manifest of clips")
        for clip in clips:
            if "://" not in str(clip.uri) and not Path(str(clip.uri)).is_file():
                raise MediaNotFoundError(f"no clip at {clip.uri}", f"check the uri in {self.manifest}")
        return clips

    def titles(self) -> list[VideoRef]:
        """Return videos without media, at most `sizes.titles`: those of the manifest that have a text, or drawn ones.

        Raises InvalidManifestError for a manifest that cannot be read or without texts.
        """
        if self.manifest is None:
            return text_only(plan_training(self.sizes.titles, 0, np.random.default_rng(self.seed)))
        texts = (video for video in _read(self.manifest) if video.text)
        titles = [
            VideoRef(video.video_id, title=video.title, description=video.description)
            for video in islice(texts, self.sizes.titles)
        ]
        if not titles:
            raise InvalidManifestError(f"{self.manifest} has no video with a title", "give titles, or no --manifest")
        return titles

    def _drawn_clips(self) -> list[VideoRef]:
        rng, folder = np.random.default_rng(self.seed), self.folder / "clips"
        planned = plan_test(self.sizes.clips, rng)
        if not folder.exists():  # two figures need them
            write_corpus(planned, folder, rng, Silent())
        return [VideoRef(clip.video_id, str(folder / f"{clip.video_id}.mp4"), clip.title) for clip in planned]


def text_only(planned: Sequence[PlannedVideo]) -> list[VideoRef]:
    return [VideoRef(video.video_id, title=video.title, description=video.description) for video in planned]


def _read(manifest: Path) -> Iterator[VideoRef]:
    for video in read_videos(manifest, {}):
        if isinstance(video, InvalidManifestError):
            raise video
        yield video
