"""Cost of decoding against the duration of a video: it should grow with the frames sampled, not with the duration."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from tagging.bench.figure import Curve, Figure, Row
from tagging.bench.long_clip import write_clip
from tagging.bench.plan import Plan
from tagging.bench.timing import in_turn, median_cpu_s, ratios, spent_on
from tagging.bundle.manifest import BUNDLE
from tagging.config.media import MediaConfig
from tagging.media.decode import decode

# What is decoded, and the settings for it: a second of sound costs next to nothing.
READ: dict[str, dict[str, float]] = {"pictures and sound": {}, "pictures": {"sound_max_s": 1.0}}


def measure(plan: Plan) -> list[Figure]:
    """Return the cost of the longest clip over that of the shortest, and its curve, with the bundle's settings.

    Raises ArtifactError for a bundle that is missing or damaged.
    """
    config, rng = BUNDLE.read(plan.bundle).config.media, np.random.default_rng(plan.seed)
    durations = plan.sizes.durations_s
    clips = {duration: plan.folder / f"{duration}s.mp4" for duration in durations}
    for duration, clip in clips.items():
        write_clip(clip, duration, rng)
    return [_figure(name, clips, config.model_copy(update=settings), plan) for name, settings in READ.items()]


def _figure(name: str, clips: Mapping[int, Path], config: MediaConfig, plan: Plan) -> Figure:
    sides = {str(duration): partial(_decode, clip, config) for duration, clip in clips.items()}
    shortest, *_, longest = sides
    spent_on(sides[shortest], 0)
    with plan.progress.track(f"decode {name}", plan.repeats * len(sides)) as advance:
        spent = in_turn(sides, plan.repeats, advance)
    ratio, cpu_ratio = ratios(spent[longest], spent[shortest])
    costs = {duration: 1e3 * median_cpu_s(spent[str(duration)]) for duration in clips}
    parts: list[Row] = [
        {
            "duration s": duration,
            "frames": config.frames,
            "sound s": min(duration, config.sound_max_s),
            "CPU ms": round(cost, 1),
            "CPU ms / s of video": round(cost / duration, 3),
        }
        for duration, cost in costs.items()
    ]
    curve = Curve(f"decode {name}", "duration s", "CPU ms", tuple(costs.items()))
    return Figure("decode", f"{name}: {longest} s / {shortest} s of video", ratio, cpu_ratio, tuple(parts), (curve,))


def _decode(clip: Path, config: MediaConfig, _: int) -> None:
    decode(clip, config)
