"""Recall queries: a video's embeddings together with the output of the video tower."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from recall.ngrams import NgramRow
from tagging.types import FloatRows, VideoEmbeddings

MULTIMODAL = "multimodal"  # the view that the video tower adds to the views of the encoders


@dataclass(frozen=True, slots=True, eq=False)
class RecallQuery:
    """The input of recall channels for one video."""

    video: VideoEmbeddings
    rows: Mapping[str, FloatRows]  # (D,) unit row of each view: the modalities, and "multimodal" where it is known
    ngrams: NgramRow | None = None  # of the text; None where nothing is known
    hidden: FloatRows | None = None  # (D,) h of the video tower (recall/model.py); None where nothing is known
    attention: Mapping[str, float] = field(default_factory=dict)  # share of each view in h, summing to 1
    left_out: frozenset[int] = frozenset()  # rows of labelled videos that do not vote for this video

    @classmethod
    def of(cls, video: VideoEmbeddings) -> "RecallQuery":
        """Return the query of a video that no tower has encoded."""
        return cls(video, video.rows)
