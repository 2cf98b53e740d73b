"""Ingest: `videotag batch` of clips against each stage alone, with the same models, batches and threads.

With enough cores, stages that overlap make the whole as fast as its slowest stage: a ratio of 1.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tagging.bench.batch_run import BatchRunner, write_manifest
from tagging.bench.figure import Figure, Row
from tagging.bench.plan import Plan
from tagging.bench.timing import Spent, Work, family_cpu_s, in_turn, median_cpu_s, median_s, ratios
from tagging.features.factory import Encoders
from tagging.media.read_ahead import Failure, ReadVideo, read_batches
from tagging.pipeline.models import EncodedVideo, encode
from tagging.pipeline.stages import untimed
from tagging.pipeline.tagger import VIDEOS_PER_BATCH, Tagger
from tagging.types import VideoRef

WHOLE = "end to end"
STAGES = ("decode", "encode", "recall, rank and select")
Batches = Sequence[Sequence[ReadVideo]]


def measure(plan: Plan) -> list[Figure]:
    """Return the figures over the slowest stage of the pipeline, and over the slowest encoder or reader.

    Raises what `load_tagger` and `Plan.clips` raise, and the error of a clip that cannot be decoded.
    """
    clips = plan.clips()
    with BatchRunner.loaded(plan.bundle) as runner:
        batch = partial(_tag, runner, write_manifest(plan.folder / "ingest.jsonl", clips), plan.folder)
        sides: dict[str, Work] = {WHOLE: batch, **_stages(runner.tagger, clips)}
        with plan.progress.track("tag clips", plan.repeats * len(sides)) as advance:
            spent = in_turn(sides, plan.repeats, advance, family_cpu_s)
    parts = tuple(_row(name, times, len(clips)) for name, times in spent.items())
    stages, encoders = list(STAGES), [name for name in spent if name not in (WHOLE, *STAGES)]
    return [_figure(stages, spent, parts), *([_figure(encoders, spent, ())] if encoders else [])]


def _figure(names: Sequence[str], spent: dict[str, list[Spent]], parts: tuple[Row, ...]) -> Figure:
    slowest = max(names, key=lambda name: median_s(spent[name]))
    # A ratio of rates is that of the times the other way round.
    return Figure("ingest", f"videos/s {WHOLE} / of {slowest} alone", *ratios(spent[slowest], spent[WHOLE]), parts)


def _stages(tagger: Tagger, clips: Sequence[VideoRef]) -> dict[str, Work]:
    """Return the work of each stage and of each encoder, whose inputs are in memory; all models have run once."""
    read = _read(tagger, clips)
    encoded = [encode(tagger.models.encoders, batch, untimed) for batch in read]
    _score(tagger, encoded, 0)
    return {
        "decode": lambda _: _read(tagger, clips),
        "encode": partial(_encode, tagger.models.encoders, read),
        "recall, rank and select": partial(_score, tagger, encoded),
        **{name: partial(_encode, part, read) for name, part in _each(tagger.models.encoders).items()},
    }


def _each(encoders: Encoders) -> dict[str, Encoders]:
    """Return each encoder and reader without the others."""
    none = replace(encoders, text=None, frames=None, audio=None, speech=None, screen=None)
    names = ("text", "frames", "audio", "speech", "screen")
    parts = {name: getattr(encoders, name) for name in names}
    return {f"encode {name}": replace(none, **{name: part}) for name, part in parts.items() if part is not None}


def _tag(runner: BatchRunner, manifest: Path, folder: Path, repeat: int) -> None:
    runner.run(manifest, folder / f"tagged-{repeat}")


def _read(tagger: Tagger, clips: Sequence[VideoRef]) -> Batches:
    """Return the decoded clips in the batches that are encoded. Raises the error of the first that fails."""
    read: list[list[ReadVideo]] = []
    for batch in read_batches(clips, tagger.decoder, VIDEOS_PER_BATCH):
        read.append([])
        for clip in batch:
            if isinstance(clip, Failure):
                raise clip.error
            read[-1].append(clip)
    return read


def _encode(encoders: Encoders, read: Batches, _: int) -> None:
    for batch in read:
        encode(encoders, batch, untimed)


def _score(tagger: Tagger, encoded: Sequence[Sequence[EncodedVideo]], _: int) -> None:
    for batch in encoded:
        tagger.tag_encoded(batch, [tagger.selection(None)] * len(batch))


def _row(name: str, spent: Sequence[Spent], clips: int) -> Row:
    return {
        "alone": name,
        "videos/s": round(clips / median_s(spent), 2),
        "videos/CPU s": round(clips / max(median_cpu_s(spent), 1e-6), 2),
    }
