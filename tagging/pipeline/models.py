"""Pipeline models: a bundle's encoders, recall stage and ranker, from read videos to scored candidates.

ReadVideo → ModalityFeatures → VideoEmbeddings → Candidates → TagScores
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rank.base import Ranker
from tagging.features.encode import embed, encode_videos
from tagging.features.factory import Encoders
from tagging.media.read_ahead import ReadVideo
from tagging.pipeline.recall_stage import RecallStage
from tagging.pipeline.stages import Stages
from tagging.types import RankInput, TagScores, VideoEmbeddings


@dataclass(frozen=True, slots=True, eq=False)
class ScoredVideo:
    """A video with its candidates and their scores, before tags are selected."""

    ranked: RankInput
    embeddings: VideoEmbeddings
    scores: TagScores  # of ranked.candidates


@dataclass(frozen=True, slots=True, eq=False)
class PipelineModels:
    """The models of a bundle under one state of its tags."""

    encoders: Encoders
    recall_stage: RecallStage
    ranker: Ranker

    def score(self, videos: Sequence[ReadVideo], stages: Stages) -> list[ScoredVideo]:
        """Encode the videos, recall their candidates and score them; each stage runs once for the whole batch."""
        with stages("encode"):
            features = encode_videos(self.encoders, videos)
            embeddings = [embed(self.encoders, v.video, f) for v, f in zip(videos, features, strict=True)]
        with stages("recall"):
            candidates = self.recall_stage.recall(embeddings)
        inputs = [
            RankInput(v.video, f, e, c) for v, f, e, c in zip(videos, features, embeddings, candidates, strict=True)
        ]
        with stages("rank"):
            scores = self.ranker.score(inputs)
        return [ScoredVideo(*parts) for parts in zip(inputs, embeddings, scores, strict=True)]
