"""Values of the tagging pipeline, which flow one way:

    VideoRef → MediaSample → ModalityFeatures → VideoEmbeddings → Candidates → TagScores → RankedTags

The module needs only the standard library and NumPy, which keeps decode workers light.
Letters: T frames or sound examples, D embedding width, K candidates, C channels, Q queries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from tagging.text.normalise import is_blank

FloatRows = NDArray[np.float32]  # (n, D), or (D,) for one row
Indices = NDArray[np.int64]  # rows of a table or positions in an array

T = TypeVar("T")

Modality = Literal["text", "frames", "audio"]  # of encoders, which make vectors
MODALITIES: tuple[Modality, ...] = ("text", "frames", "audio")
PassageSource = Literal["speech", "screen"]  # of readers, which make text
PASSAGE_SOURCES: tuple[PassageSource, ...] = ("speech", "screen")
AnyModality = Modality | PassageSource
SAMPLE_RATE_HZ = 16_000


@dataclass(frozen=True, slots=True)
class VideoRef:
    """A video as the caller names it, before anything is read."""

    video_id: str
    uri: str | None = None  # path or http(s) URL; None: text only
    title: str = ""
    description: str = ""
    uploader_id: str | None = None

    @property
    def text(self) -> str:
        """The text that encoders read: title, then description, each on a line of its own; "" if none is visible."""
        return "\n".join(part.strip() for part in (self.title, self.description) if not is_blank(part))


@dataclass(frozen=True, slots=True)
class LabelledVideo:
    """A video with the tags that people gave it: raw spellings in their order.

    split: as the manifest states it, or ""
    """

    video: VideoRef
    tags: tuple[str, ...]
    split: str = ""


@dataclass(frozen=True, slots=True)
class CategorisedVideo(LabelledVideo):
    """A labelled video with its place in the categories of its platform; "" where it is unknown."""

    category: str = ""
    subcategory: str = ""
    language: str = ""  # as the manifest states it


@dataclass(frozen=True, slots=True)
class PredictedVideo(LabelledVideo):
    """A video with the names of the tags that were predicted for it."""

    confidences: tuple[float, ...] = ()  # of the tags, in [0, 1]

    def __post_init__(self) -> None:
        if len(self.confidences) != len(self.tags) or not all(0 <= value <= 1 for value in self.confidences):
            raise ValueError(f"{len(self.tags)} tags, confidences {self.confidences}")


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Decoded frames of a video, upright, in the order of time."""

    pixels: NDArray[np.uint8]  # (T, H, W, 3) RGB
    times_s: NDArray[np.float64]  # (T,) from the start of the video

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4 or self.pixels.shape[3] != 3 or self.pixels.dtype != np.uint8:
            raise ValueError(f"pixels {self.pixels.shape} {self.pixels.dtype}, not (T, H, W, 3) uint8")
        if self.times_s.shape != (len(self.pixels),) or not len(self.pixels):
            raise ValueError(f"{len(self.pixels)} frames, times {self.times_s.shape}")


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """Decoded mono sound at 16 kHz."""

    samples: NDArray[np.float32]  # (samples,) in [-1, 1]

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.float32:
            raise ValueError(f"samples {self.samples.shape} {self.samples.dtype}, not 1-d float32")

    @property
    def duration_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True, eq=False)
class MediaSample:
    """Decoded media of one file; at least one of frames and sound is present."""

    content_hash: str  # sha256 of the file's bytes, hex
    duration_s: float
    frames: Frames | None
    sound: Sound | None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.frames is None and self.sound is None:
            raise ValueError("a media sample needs frames or sound")


@dataclass(frozen=True, slots=True)
class Passage:
    """Words that are spoken in a video or stand on its screen."""

    text: str
    start_s: float  # from the start of the video
    end_s: float
    confidence: float  # of the reader, in [0, 1]
    language: str = ""  # ISO 639-1; "" if unknown

    def __post_init__(self) -> None:
        if not 0.0 <= self.start_s <= self.end_s or not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"passage from {self.start_s} s to {self.end_s} s, confidence {self.confidence}")


@dataclass(frozen=True, slots=True)
class Reading:
    """The passages that a reader of speech or of screen text found, in the order of time, and what it left out."""

    passages: tuple[Passage, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ModalityFeatures:
    """Encoder outputs for one video: tokens for the ranker, None where a modality is missing."""

    text: NDArray[np.float32] | None = None  # (D_text,) unit
    frames: NDArray[np.float32] | None = None  # (T, D_frames)
    audio: NDArray[np.float32] | None = None  # (S, D_audio)
    warnings: tuple[str, ...] = ()
    speech: Reading | None = None  # None: not read
    screen: Reading | None = None
    frame_spans: NDArray[np.float64] | None = None  # (T, 2) start and end in seconds of what each frame stands for


@dataclass(frozen=True, slots=True, eq=False)
class VideoEmbeddings:
    """Pooled embeddings and texts of one video, the input of recall; a missing modality is absent from the mappings."""

    rows: Mapping[str, FloatRows]  # (D,) unit row by modality; of passages, the text encoder's
    warnings: tuple[str, ...] = ()
    # (T, classes) probability in [0, 1] of each class for each frame or sound example; absent where the encoder was
    # not trained as a classifier.
    beliefs: Mapping[Modality, NDArray[np.floating]] = field(default_factory=dict)
    title: str = ""
    description: str = ""
    uploader_id: str | None = None
    passages: Mapping[PassageSource, tuple[Passage, ...]] = field(default_factory=dict)  # at least one each
    frame_spans: NDArray[np.float64] | None = None  # (T, 2) as in ModalityFeatures; None where times are unknown

    def __post_init__(self) -> None:
        for modality, tokens in self.beliefs.items():
            if tokens.ndim != 2 or not len(tokens):
                raise ValueError(f"{modality} beliefs of shape {tokens.shape}, not (T, classes)")
        for source, passages in self.passages.items():
            if not passages:
                raise ValueError(f"no passages of {source}: a source without any is absent")
        for view, row in self.rows.items():
            norm = float(np.linalg.norm(row))
            if row.ndim != 1 or not abs(norm - 1.0) < 1e-3:  # also rejects NaN
                raise ValueError(f"{view} embedding of shape {row.shape} and norm {norm}, not a unit row")

    @property
    def modalities(self) -> tuple[AnyModality, ...]:
        """The modalities that are present: those with a row, then those with passages."""
        rows: list[AnyModality] = [modality for modality in MODALITIES if modality in self.rows]
        return (*rows, *(source for source in PASSAGE_SOURCES if source in self.passages))

    @property
    def text(self) -> str:
        """The text that recall's n-grams are taken from: title and description, each on a line of its own."""
        return "\n".join(part for part in (self.title, self.description) if not is_blank(part))


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """Labelled videos near a query, nearest first."""

    video_rows: NDArray[np.int64]  # (n,) rows of the bundle's labelled videos
    similarities: NDArray[np.float32]  # (n,) cosine in the space of the search


@dataclass(frozen=True, slots=True, eq=False)
class ClassTags:
    """Links from an encoder's classes to tags: P pairs, by tag row and then class."""

    tag_rows: NDArray[np.int64]  # (P,) rows of the catalog, rising
    class_rows: NDArray[np.int64]  # (P,)
    weights: NDArray[np.float32]  # (P,) in (0, 1]; 1: the class name is the tag's name
    classes: int

    def __post_init__(self) -> None:
        if not self.tag_rows.shape == self.class_rows.shape == self.weights.shape:
            raise ValueError(f"tags {self.tag_rows.shape}, classes {self.class_rows.shape}, {self.weights.shape}")
        if len(self.tag_rows) and not (
            0 <= self.class_rows.min() <= self.class_rows.max() < self.classes
            and self.tag_rows[0] >= 0
            and (np.diff(self.tag_rows) >= 0).all()
        ):
            raise ValueError(f"pairs outside of {self.classes} classes, or not sorted by tag row")


NO_NEIGHBOURS = Neighbours(np.zeros(0, np.int64), np.zeros(0, np.float32))
EvidenceKind = Literal["video", "text", "frame", "sound", "speech", "screen", "uploader"]


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A part of the video that speaks for a tag."""

    start_s: float  # from the start of the video
    end_s: float
    modality: AnyModality
    strength: float  # the largest within the span, in [0, 1]; not comparable between modalities

    def __post_init__(self) -> None:
        if not 0.0 <= self.start_s <= self.end_s:
            raise ValueError(f"span from {self.start_s} s to {self.end_s} s")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A reason for a tag. The fields after `similarity` belong to one kind each and are None for the others."""

    channel: str
    kind: EvidenceKind
    similarity: float  # cosine, or the strength of a name (recall/channels/names.py)
    video_id: str | None = None  # video: a labelled video that has the tag
    title: str | None = None  # video: its title
    # text, speech, screen: the words that mean the tag, as written or read; uploader: how often it is used
    text: str | None = None
    frame: int | None = None  # frame: the frame that shows the tag best, counted from 1
    frames: int | None = None  # frame: number of frames, evenly spread over the video
    # Part of the video: sound: the 0.96 s in which the tag is heard best; speech, screen: the passage; frame: what the
    # frame stands for, None where times are unknown.
    start_s: float | None = None
    end_s: float | None = None
    # All parts of the video in which the channel finds the tag; answers have those of all channels in the tag instead.
    spans: tuple[TimeSpan, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ChannelTags:
    """Tags that one recall channel proposes for one video, best first."""

    tag_rows: NDArray[np.int64]  # (n,) rows of the catalog, no repeats
    scores: NDArray[np.float32]  # (n,) in [0, 1], falling
    neighbours: Neighbours = NO_NEIGHBOURS  # the voters, in channels of labelled videos
    evidence: tuple[Evidence, ...] = ()  # n, or none where neighbours voted
    new: Mapping[int, str] = field(default_factory=dict)  # names of the rows after the catalog's

    def __post_init__(self) -> None:
        if self.tag_rows.shape != self.scores.shape:
            raise ValueError(f"tag rows {self.tag_rows.shape}, scores {self.scores.shape}")
        if len(self.evidence) not in (0, len(self.tag_rows)):
            raise ValueError(f"{len(self.tag_rows)} tags, {len(self.evidence)} pieces of evidence")


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Candidate tags of one video, the output of recall and input of rank."""

    tag_rows: NDArray[np.int64]  # (K,) rows of the catalog, no repeats
    channels: tuple[str, ...]  # C names
    scores: NDArray[np.float32]  # (K, C) in [0, 1]; NaN: the channel did not propose the tag
    neighbours: Mapping[str, Neighbours] = field(default_factory=dict)  # by channel that had its input
    evidence: Mapping[int, tuple[Evidence, ...]] = field(default_factory=dict)  # by tag row, neighbours apart
    # Names of the tags that trained models know by name alone: phrases of the text, whose rows follow the catalog's and
    # are valid for this video alone, and tags created after training.
    new: Mapping[int, str] = field(default_factory=dict)
    created: frozenset[int] = frozenset()  # rows in `new` that the catalog has
    probabilities: NDArray[np.float32] | None = None  # (K,) in [0, 1], all channels fused; None without a fitted fusion

    def __post_init__(self) -> None:
        if self.scores.shape != (len(self.tag_rows), len(self.channels)):
            raise ValueError(f"{len(self.tag_rows)} tags, {len(self.channels)} channels, scores {self.scores.shape}")

    def is_new(self, tag_row: int) -> bool:
        """Return whether a candidate is a phrase of the text that the catalog does not have."""
        return tag_row in self.new and tag_row not in self.created

    def name_of(self, tag_row: int, names: Sequence[str]) -> str:
        """Return the name of a candidate; names: of the catalog's tags."""
        return self.new[tag_row] if tag_row in self.new else names[tag_row]

    def within(self, tags: int) -> NDArray[np.bool_]:
        """Return a mask (K,), True for the candidates that a table of the catalog's first `tags` rows holds."""
        return self.tag_rows < tags


@dataclass(frozen=True, slots=True, eq=False)
class RankInput:
    """The input of a ranker for one video."""

    video: VideoRef
    features: ModalityFeatures
    embeddings: VideoEmbeddings
    candidates: Candidates


@dataclass(frozen=True, slots=True, eq=False)
class TagScores:
    """Confidence of a ranker in each candidate, in the order of the candidates, and what made it."""

    confidences: NDArray[np.float32]  # (K,) in [0, 1]
    # (K,) log-odds that each input of the ranker adds, by its name; they sum to the log-odds of the confidence.
    contributions: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RankedTag:
    """One tag of a result."""

    tag_id: str
    name: str
    confidence: float  # in [0, 1]
    channels: Mapping[str, float]  # score of each channel that proposed it
    evidence: tuple[Evidence, ...] = ()
    is_new: bool = False  # True: a phrase of the text that is not in the catalog
    spans: tuple[TimeSpan, ...] = ()  # by start; those of one modality are disjoint


@dataclass(frozen=True, slots=True)
class RankedTags:
    """The result for one video: its tags, best first, with their evidence."""

    video_id: str
    tags: tuple[RankedTag, ...]
    modalities: tuple[AnyModality, ...]  # modalities that were used
    warnings: tuple[str, ...]
    bundle_version: str


@dataclass(frozen=True, slots=True)
class Origin:
    """The request that a stored record came from."""

    request_id: str  # unique within a log
    client: str  # empty where the service authenticates no clients
    at: datetime  # with a time zone


@dataclass(frozen=True, slots=True)
class Numbered(Generic[T]):
    """A record of an append-only log with its number."""

    number: int  # from 1, rising
    record: T
