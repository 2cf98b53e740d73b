"""Composite set: clips made of real pictures, sounds and titles, so that their tags are known and complete.

    clips/ID.mp4        the clips
    manifest.parquet    every clip: a manifest of videotag with `split`, and `carried_by`, the modality of each tag
    train.parquet, test.parquet   its two parts, so that the folder is a benchmark like any other
    sources.json        the seed and the sources of each clip

A killed run can be resumed: the plan is drawn again from the seed, and existing clips are kept.
"""

import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tagging.errors import InvalidManifestError
from tagging.files.atomic import atomic_file
from tagging.progress import Progress
from tagging.tools.benchmarks.composite_clip import FPS, moving_crop, repeated, write_clip
from tagging.tools.benchmarks.composite_plan import ClipPlan, plan_clips
from tagging.tools.benchmarks.folder import BenchmarkFolder
from tagging.tools.benchmarks.settings import keep_settings
from tagging.tools.benchmarks.sources import read_pictures, read_sounds, read_talks
from tagging.types import MODALITIES

CLIPS = 1000


def write_composite(data: Path, out: Path, clips: int, seed: int, progress: Progress) -> dict[str, float]:
    """Write the set and return counts and seconds per clip.

    Raises InvalidManifestError for sources that cannot be read or are too few, OutputExistsError if `out` holds the
    clips of another plan.
    """
    try:
        plans = plan_clips(read_talks(data), read_pictures(data), read_sounds(data), clips, seed)
    except (OSError, LookupError, zipfile.BadZipFile) as error:
        raise InvalidManifestError(
            f"{data}: cannot read the sources: {error!r}", "see the benchmarks README"
        ) from error
    out.mkdir(parents=True, exist_ok=True)
    settings = {"seed": seed, "clips": [_sources_of(plan) for plan in plans]}
    keep_settings(out / "sources.json", settings, "choose another folder, or the same number of clips and seed")
    missing = [plan for plan in plans if not _clip(out, plan).exists()]
    (out / "clips").mkdir(exist_ok=True)
    started = time.monotonic()
    with progress.track("clips", len(missing)) as advance:
        for plan in missing:
            rng = np.random.default_rng(plan.seed)
            frames = moving_crop(plan.picture.read().astype(np.uint8), round(plan.seconds * FPS), rng)
            samples = repeated(plan.sound.read().astype(np.float32), plan.seconds)
            write_clip(_clip(out, plan), frames, samples)
            advance(1)
    elapsed_s = time.monotonic() - started
    parts = {name: [plan for plan in plans if plan.split == name] for name in ("train", "test")}
    folder = BenchmarkFolder(out)
    for name, part in (*parts.items(), ("manifest", plans)):
        _write_manifest(part, folder.table(name))
    return {
        **{f"{name}_clips": len(part) for name, part in parts.items()},
        "clips_written": len(missing),
        "seconds_a_clip": elapsed_s / max(len(missing), 1),
        "mean_clip_seconds": float(np.mean([plan.seconds for plan in plans])),
        **{f"tags_carried_by_{m}": sum(by == m for plan in plans for _, by in plan.carried) for m in MODALITIES},
    }


def _clip(out: Path, plan: ClipPlan) -> Path:
    return out / "clips" / f"{plan.video_id}.mp4"


def _sources_of(plan: ClipPlan) -> dict[str, Any]:
    names = {"talk": plan.talk.name, "picture": plan.picture.name, "sound": plan.sound.name}
    return {"video_id": plan.video_id, **names, "seconds": plan.seconds, "seed": plan.seed}


def _write_manifest(plans: Sequence[ClipPlan], path: Path) -> None:
    texts = {
        "video_id": [plan.video_id for plan in plans],
        "uri": [f"clips/{plan.video_id}.mp4" for plan in plans],
        "title": [plan.talk.title for plan in plans],
        "description": [plan.talk.description for plan in plans],
        "split": [plan.split for plan in plans],
    }
    lists = {
        "tags": [[tag for tag, _ in plan.carried] for plan in plans],
        "carried_by": [[modality for _, modality in plan.carried] for plan in plans],
    }
    columns = {name: pa.array(values, pa.string()) for name, values in texts.items()}
    columns |= {name: pa.array(values, pa.list_(pa.string())) for name, values in lists.items()}
    with atomic_file(path) as partial:
        pq.write_table(pa.table(columns), partial, compression="zstd")
