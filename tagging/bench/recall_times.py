"""Recall of one video, timed by channel."""

from tagging.bench.timing import StageTimes
from tagging.pipeline.recall_stage import RecallStage
from tagging.types import Candidates, VideoEmbeddings


def recall_one(stage: RecallStage, video: VideoEmbeddings, times: StageTimes) -> Candidates:
    """Return the candidates as `RecallStage.recall` does; add the time of each channel and of what surrounds it."""
    with times("video tower"):
        queries = stage.queries([video])
    proposed = {}
    for channel in stage.channels:
        with times(channel.name):
            [tags] = channel.recall(queries)
            proposed[channel.name] = None if tags is None else stage.tags.resolve_tags(tags)
    with times("union"):
        return stage.unite(video, proposed).candidates
