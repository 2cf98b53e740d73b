"""Pipeline models: a bundle's encoders, recall stage and ranker, from read videos to scored candidates.

ReadVideo → EncodedVideo → Candidates → TagScores
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rank.base import Needed, Ranker
from tagging.features.encode import embed, encode_videos
from tagging.features.factory import Encoders
from tagging.media.read_ahead import ReadVideo
from tagging.pipeline.recall_stage import RecallStage
from tagging.pipeline.stages import Stages
from tagging.types import Candidates, ModalityFeatures, RankInput, TagScores, VideoEmbeddings, VideoRef


@dataclass(frozen=True, slots=True, eq=False)
class EncodedVideo:
    """A video as the encoders and readers see it."""

    video: VideoRef
    features: ModalityFeatures
    embeddings: VideoEmbeddings
    content_hash: str | None  # sha256 of the media's bytes; None without media


@dataclass(frozen=True, slots=True, eq=False)
class ScoredVideo:
    """A video with its candidates and their scores, before tags are selected."""

    ranked: RankInput
    scores: TagScores  # of ranked.candidates; too high, perhaps, where they were not needed


@dataclass(frozen=True, slots=True, eq=False)
class PipelineModels:
    """The models of a bundle under one state of its tags."""

    encoders: Encoders
    recall_stage: RecallStage
    ranker: Ranker

    def score(self, videos: Sequence[EncodedVideo], needed: Sequence[Needed], stages: Stages) -> list[ScoredVideo]:
        """Recall the candidates of the videos and score them; each stage runs once for the whole batch.

        needed: of each video
        """
        with stages("recall"):
            candidates = self.recall_stage.recall([video.embeddings for video in videos])
        return self.rank(videos, candidates, needed, stages)

    def rank(
        self,
        videos: Sequence[EncodedVideo],
        candidates: Sequence[Candidates],
        needed: Sequence[Needed],
        stages: Stages,
    ) -> list[ScoredVideo]:
        """Score the candidates of the videos, in one call for the whole batch; needed: of each video"""
        inputs = [
            RankInput(video.video, video.features, video.embeddings, proposed)
            for video, proposed in zip(videos, candidates, strict=True)
        ]
        with stages("rank"):
            scores = self.ranker.score(inputs, needed)
        return [ScoredVideo(*parts) for parts in zip(inputs, scores, strict=True)]


def encode(encoders: Encoders, videos: Sequence[ReadVideo], stages: Stages) -> list[EncodedVideo]:
    """Return the features and embeddings of the videos; every encoder runs once for the whole batch."""
    with stages("encode"):
        return [
            EncodedVideo(
                read.video,
                features,
                embed(encoders, read.video, features),
                None if read.media is None else read.media.content_hash,
            )
            for read, features in zip(videos, encode_videos(encoders, videos), strict=True)
        ]
