"""Pictures and sounds of the composite set in pairs, with the words that the picture, the sound or both carry.

A picture or a sound carries its label and the general words for it ("labrador", "dog", "animal"). The composite set
pairs pictures with sounds that share no word, so by design its clips have nothing in common for a learner to find;
`overlapping` pairs its pictures anew with its sounds that share the most words.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tagging.errors import InvalidManifestError
from tagging.manifests.read import read_labelled
from tagging.pipeline.feature_reader import FeatureReader
from tagging.progress import Progress
from tagging.store.features import FeatureStore
from tagging.text.normalise import normalise
from tagging.tools.benchmarks.composite_score import read_carried
from tagging.tools.benchmarks.folder import BenchmarkFolder
from tagging.tools.distillation.classes import Classes, audio_classes, vision_classes
from tagging.types import FloatRows, Indices, VideoEmbeddings

Carrier = Literal["frames", "sound", "both"]
CARRIERS: tuple[Carrier, ...] = ("frames", "sound", "both")
PER_PICTURE = 3  # sounds that `overlapping` draws for a picture
LEAST_SOURCES = 2  # of the training part that carry a word; rarer words are not learnt


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """The pictures and the sounds of n clips, in the order of the clips."""

    frames: FloatRows  # (n, F) unit rows
    audio: FloatRows  # (n, A) unit rows
    seen: Sequence[frozenset[str]]  # n, words of each picture
    heard: Sequence[frozenset[str]]  # n, words of each sound


@dataclass(frozen=True, slots=True, eq=False)
class Clips:
    """B pairs of a picture and a sound, and the words that each of them alone, or both, carry."""

    frames: FloatRows  # (B, F)
    audio: FloatRows  # (B, A)
    carried: Mapping[Carrier, NDArray[np.bool_]]  # (B, L)

    @property
    def labels(self) -> NDArray[np.bool_]:
        """(B, L) the words of the clip, carried by whichever"""
        return self.carried["frames"] | self.carried["sound"] | self.carried["both"]


Pairing = Callable[[Sources, np.random.Generator], tuple[Indices, Indices]]  # (B,) pictures and sounds


def as_made(sources: Sources, generator: np.random.Generator) -> tuple[Indices, Indices]:
    """Pair each picture with the sound of its clip."""
    rows = np.arange(len(sources.seen))
    return rows, rows


def overlapping(sources: Sources, generator: np.random.Generator) -> tuple[Indices, Indices]:
    """Pair each picture with PER_PICTURE sounds, drawn from those that share the most words with it, at least one."""
    pairs: list[tuple[int, int]] = []
    for picture, seen in enumerate(sources.seen):
        shared = np.array([len(seen & heard) for heard in sources.heard])
        if shared.max(initial=0):
            nearest = np.flatnonzero(shared == shared.max())
            drawn = generator.choice(nearest, min(PER_PICTURE, len(nearest)), replace=False)
            pairs += [(picture, sound) for sound in drawn.tolist()]
    pictures, sounds = np.array(pairs, np.int64).reshape(-1, 2).T
    return pictures, sounds


def paired(sources: Sources, pairs: tuple[Indices, Indices], words: Sequence[str]) -> Clips:
    """Return the clips of the pairs; a word that is not among the L `words` is left out."""
    pictures, sounds = pairs
    columns = {word: column for column, word in enumerate(words)}
    carried: dict[Carrier, NDArray[np.bool_]] = {
        carrier: np.zeros((len(pictures), len(words)), np.bool_) for carrier in CARRIERS
    }
    for row, (picture, sound) in enumerate(zip(pictures.tolist(), sounds.tolist(), strict=True)):
        seen, heard = sources.seen[picture], sources.heard[sound]
        by_carrier: dict[Carrier, frozenset[str]] = {
            "frames": seen - heard, "sound": heard - seen, "both": seen & heard
        }  # fmt: skip
        for carrier, found in by_carrier.items():
            carried[carrier][row, [columns[word] for word in found if word in columns]] = True
    return Clips(sources.frames[pictures], sources.audio[sounds], carried)


def known_words(sources: Sources) -> list[str]:
    """Return the words that enough pictures and sounds together carry, in alphabetical order."""
    counts = Counter(word for words in (*sources.seen, *sources.heard) for word in words)
    return sorted(word for word, count in counts.items() if count >= LEAST_SOURCES)


def read_sources(folder: BenchmarkFolder, part: str, bundle: Path, store: FeatureStore, progress: Progress) -> Sources:
    """Read the clips of a part of a composite set, encoded as the bundle encodes them.

    Raises InvalidManifestError for a folder without a composite set, ArtifactError for a damaged bundle, and what
    `sources_of` raises.
    """
    carried = read_carried(folder.table(part))
    videos = [row.video for row in read_labelled([folder.table(part)], {})]
    embeddings = FeatureReader.of_bundle(bundle, videos).read(videos, store, progress)
    return sources_of([carried[video.video_id] for video in videos], embeddings)


def sources_of(carried: Sequence[Sequence[tuple[str, str]]], embeddings: Sequence[VideoEmbeddings]) -> Sources:
    """Return the sources of n clips from their (tag, carrying modality) pairs and embeddings.

    Raises InvalidManifestError for a clip without frames or sound, or whose tag is no label of a picture or sound.
    """
    for row, found in enumerate(embeddings):
        if not {"frames", "audio"} <= found.rows.keys():
            raise InvalidManifestError(f"clip {row} has no frames or no sound", "write the set with composite")
    frames, audio = (np.stack([found.rows[view] for found in embeddings]) for view in ("frames", "audio"))
    seen, heard = (
        [_words(classes, tags, modality) for tags in carried]
        for classes, modality in ((_by_name(vision_classes()), "frames"), (_by_name(audio_classes()), "audio"))
    )
    return Sources(frames, audio, seen, heard)


def _by_name(classes: Classes) -> dict[str, frozenset[str]]:
    return {
        normalise(name): frozenset(map(normalise, (name, *words)))
        for name, words in zip(classes.names, classes.words, strict=True)
    }


def _words(by_name: Mapping[str, frozenset[str]], tags: Sequence[tuple[str, str]], modality: str) -> frozenset[str]:
    label = next((tag for tag, by in tags if by == modality), None)
    if label is None or label not in by_name:
        raise InvalidManifestError(f"{label!r} is no label of {modality}", "write the set with composite")
    return by_name[label]
