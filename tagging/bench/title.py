"""Latency of one title: recall by channel, rank and selection, relative to the encoding of the title."""

from tagging.bench.figure import Figure, Row
from tagging.bench.plan import Plan
from tagging.bench.recall_times import recall_one
from tagging.bench.timing import StageTimes, median_s, ratios
from tagging.media.read_ahead import ReadVideo
from tagging.pipeline.answer import ranked_tags, stated_by
from tagging.pipeline.load import load_tagger
from tagging.pipeline.models import encode
from tagging.pipeline.stages import untimed
from tagging.pipeline.tagger import Tagger
from tagging.types import VideoRef

WARM = 5  # titles that are tagged before timing starts
ENCODE, AFTER = "encode", "all after it"


def measure(plan: Plan) -> list[Figure]:
    """Return the figure of recall, rank and selection, with a row for each stage; its spread is that of the titles.

    Raises what `load_tagger` and `Plan.titles` raise.
    """
    titles, times = plan.titles(), StageTimes()
    with load_tagger(plan.bundle, reads_media=False) as tagger:
        for title in titles[:WARM]:
            tag_one(tagger, title, StageTimes())
        with plan.progress.track("tag titles one by one", plan.repeats * len(titles)) as advance:
            for title in titles * plan.repeats:
                tag_one(tagger, title, times)
                advance(1)
    encode_s = median_s(times.spent[ENCODE])
    parts: list[Row] = [
        {**row, "p50 / encode": round(median_s(times.spent[row["stage"]]) / encode_s, 3)} for row in times.rows()
    ]
    meaning = "recall, rank and selection / encoding of a title"
    return [Figure("title", meaning, *ratios(times.spent[AFTER], times.spent[ENCODE]), tuple(parts))]


def tag_one(tagger: Tagger, video: VideoRef, times: StageTimes) -> None:
    """Tag a video without media, as `Tagger.tag` does, and add the time of every stage."""
    models, selection = tagger.models, tagger.selection(None)
    with times(ENCODE):
        [encoded] = encode(models.encoders, [ReadVideo(video, None)], untimed)
    with times(AFTER):
        candidates = recall_one(models.recall_stage, encoded.embeddings, times)
        with times("rank"):
            stated = stated_by(selection, models.recall_stage.catalog.parents)
            [scored] = models.rank([encoded], [candidates], [stated], untimed)
        with times("select"):
            ranked_tags(scored, selection, models.recall_stage, tagger.bundle_version)
