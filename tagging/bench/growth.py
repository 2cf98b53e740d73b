"""Growth of cost: recall over the number of labelled videos and of tags, a batch over its rows."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from tagging.bench.batch_run import BatchRunner, write_manifest
from tagging.bench.drawn_bundle import write_bundle
from tagging.bench.figure import Curve, Figure, Row
from tagging.bench.grown import Growth, grown
from tagging.bench.plan import Plan
from tagging.bench.recall_times import recall_one
from tagging.bench.timing import Spent, StageTimes, in_turn, median_cpu_s, ratios
from tagging.bundle.manifest import BUNDLE
from tagging.config.recall import IndexConfig
from tagging.features.factory import load_encoders
from tagging.media.read_ahead import ReadVideo
from tagging.pipeline.models import encode
from tagging.pipeline.recall_parts import RecallParts, load_fusion
from tagging.pipeline.recall_stage import RecallStage
from tagging.pipeline.stages import untimed
from tagging.progress import Silent
from tagging.types import VideoEmbeddings, VideoRef

RECALL = "recall"
DRAWN_TAGS = 1_000  # of the bundle whose labelled videos are grown, if the given one has none
Stages = dict[str, list[Spent]]


def measure(plan: Plan) -> list[Figure]:
    """Return a figure for each curve: over rows, over labelled videos, and over tags if the sizes ask for it.

    Raises what `load_tagger` and `Plan.titles` raise.
    """
    figures = [_batch_over_rows(plan), _recall_over_labelled(plan)]
    return [*figures, _recall_over_tags(plan)] if plan.sizes.tags else figures


def _batch_over_rows(plan: Plan) -> Figure:
    """Return the cost of batches of titles; the titles of the plan are repeated."""
    titles, sizes = plan.titles(), plan.sizes.batch_rows
    with BatchRunner.loaded(plan.bundle, reads_media=False) as runner:
        manifests = {rows: plan.folder / f"{rows}.jsonl" for rows in sizes}
        for rows, manifest in manifests.items():
            write_manifest(manifest, islice(cycle(titles), rows))
        runner.run(manifests[sizes[0]], plan.folder / "warm")
        sides = {str(rows): partial(_tag, runner, manifest) for rows, manifest in manifests.items()}
        with plan.progress.track("tag batches", plan.repeats * len(sides)) as advance:
            spent = in_turn(sides, plan.repeats, advance)
    return _figure("batch", "rows", {rows: {"batch": spent[str(rows)]} for rows in sizes})


def _tag(runner: BatchRunner, manifest: Path, repeat: int) -> None:
    runner.run(manifest, manifest.with_name(f"{manifest.stem}-{repeat}"))


def _recall_over_labelled(plan: Plan) -> Figure:
    """Return the cost of recall with the labelled videos of the bundle, or of a drawn one, grown to each size."""
    bundle = plan.bundle
    if not len(RecallParts.load(bundle, BUNDLE.read(bundle)).labelled.ids):
        bundle = write_bundle(plan.folder / "drawn", DRAWN_TAGS, plan.seed)
    manifest = BUNDLE.read(bundle)
    parts, config = RecallParts.load(bundle, manifest), manifest.config.recall
    fusion, videos = load_fusion(bundle, parts), _embedded(bundle, plan.titles())
    stages = {}
    for size in plan.sizes.labelled:
        more, _ = grown(parts, Growth(size, IndexConfig(), plan.seed), config, [], Silent())
        stages[size] = RecallStage.of(more, fusion, config)
    return _figure(RECALL, "labelled videos", _recalled(stages, videos, plan))


def _recall_over_tags(plan: Plan) -> Figure:
    """Return the cost of recall by drawn bundles that differ in their number of tags."""
    stages, videos = {}, None
    for size in plan.sizes.tags:
        bundle = write_bundle(plan.folder / f"drawn-{size}", size, plan.seed)
        videos = videos or _embedded(bundle, plan.titles())  # all bundles have one encoder
        stages[size] = RecallStage.load(bundle, BUNDLE.read(bundle))
    return _figure(RECALL, "tags", _recalled(stages, videos or [], plan))


def _embedded(bundle: Path, titles: Sequence[VideoRef]) -> list[VideoEmbeddings]:
    encoders = load_encoders(BUNDLE.read(bundle).config.encoders.of_text())
    return [video.embeddings for video in encode(encoders, [ReadVideo(title, None) for title in titles], untimed)]


def _recalled(stages: Mapping[int, RecallStage], videos: list[VideoEmbeddings], plan: Plan) -> dict[int, Stages]:
    """Recall each video at each size in turn; return what each channel spent, and the whole."""
    times = {size: StageTimes() for size in stages}
    for stage in stages.values():
        recall_one(stage, videos[0], StageTimes())
    with plan.progress.track("recall titles one by one", plan.repeats * len(videos) * len(stages)) as advance:
        for video in videos * plan.repeats:
            for size, stage in stages.items():
                with times[size](RECALL):
                    recall_one(stage, video, times[size])
                advance(1)
    return {size: each.spent for size, each in times.items()}


def _figure(name: str, size_name: str, spent: Mapping[int, Stages]) -> Figure:
    """Return the cost at the largest size over that at the smallest, and the curve of each stage.

    name: the stage that is the whole
    """
    sizes = list(spent)
    curves = tuple(
        Curve(
            f"{name}: {stage}" if stage != name else name,
            size_name,
            "CPU ms",
            tuple((size, 1e3 * median_cpu_s(spent[size][stage])) for size in sizes),
        )
        for stage in spent[sizes[0]]
    )
    rows: list[Row] = [
        {"stage": curve.name, **{f"{size:,} {size_name}, CPU ms": round(cost, 3) for size, cost in curve.points}}
        for curve in curves
    ]
    meaning = f"{name}: {sizes[-1]:,} / {sizes[0]:,} {size_name}"
    return Figure("growth", meaning, *ratios(spent[sizes[-1]][name], spent[sizes[0]][name]), tuple(rows), curves)
