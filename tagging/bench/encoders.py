"""Throughput of the encoders: items/s of each one, and its share in the encoding of a video."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from tagging.bench.encoding_work import Work, encoding_work
from tagging.bench.figure import Figure, Row
from tagging.bench.plan import Plan
from tagging.bench.timing import Spent, in_turn, median_cpu_s, median_s, ratios, spent_on
from tagging.bundle.manifest import BUNDLE
from tagging.features.factory import load_encoders

VIDEOS = 4  # encoded at once: as many as a batch of decoded videos has


def measure(plan: Plan) -> list[Figure]:
    """Return a figure for each encoder of the bundle; the readers of speech and screen text are not among them.

    Raises ArtifactError for a bundle that is missing or damaged, MissingWeightsError for an encoder that is not here.
    """
    config = BUNDLE.read(plan.bundle).config.encoders.model_copy(update={"speech": None, "screen": None})
    work = encoding_work(load_encoders(config), plan.seed, VIDEOS)
    for encode in work.values():
        encode()
    calls = {name: calls_in(encode, plan.sizes.encoder_seconds) for name, encode in work.items()}
    sides = {name: partial(repeated, encode, calls[name]) for name, encode in work.items()}
    with plan.progress.track("encode", plan.repeats * len(sides)) as advance:
        spent = in_turn(sides, plan.repeats, advance)
    each = {name: [_one(found, calls[name]) for found in times] for name, times in spent.items()}
    whole = each.pop("video")
    backends = {"text": config.text, "frames": config.vision, "audio": config.audio}
    rows: list[Row] = []
    for name, times in each.items():
        configured = backends[name]
        assert configured is not None
        rows.append({"encodes": name, "encoder": configured.backend, "device": config.device, **_rates(times)})
    figures = [
        Figure("encoders", f"{name} / {' and '.join(each)}", *ratios(times, whole)) for name, times in each.items()
    ]
    return [replace(figures[0], parts=tuple(rows)), *figures[1:]] if figures else []


def calls_in(encode: Work, seconds: float) -> int:
    """Return how many calls take about that long."""
    return max(1, round(seconds / max(spent_on(lambda _: encode(), 0).elapsed_s, 1e-6)))


def repeated(encode: Work, calls: int, _: int) -> None:
    for _ in range(calls):
        encode()


def _one(spent: Spent, calls: int) -> Spent:
    return Spent(spent.elapsed_s / calls, spent.cpu_s / calls)


def _rates(times: Sequence[Spent]) -> Row:
    return {
        "videos/s": round(VIDEOS / median_s(times), 2),
        "videos/CPU s": round(VIDEOS / median_cpu_s(times), 2),
    }
