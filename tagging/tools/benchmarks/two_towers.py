"""Ablation of the two towers: one kind of metadata, concatenation, attention, IDs, and the number of negatives.

The conditions are those of tables 1 and 2 of Wang et al. 2022, and its numbers of negatives (section 4.1).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tagging.config.recommendation import TwoTowersConfig
from tagging.pipeline.feature_reader import FeatureReader
from tagging.progress import Progress
from tagging.recommendation.interactions import read_interactions
from tagging.recommendation.items import ID, TAG_WORDS, TAGS, WORDS
from tagging.recommendation.split import HeldOut
from tagging.recommendation.tables import Catalog, Sources, read_videos
from tagging.recommendation.two_towers.compare import Compared, Condition, compare
from tagging.store.features import FeatureStore

METADATA = (TAGS, TAG_WORDS, WORDS, "text")
REFERENCE = "attention"
RATIOS = (1, 5, 20, 30)
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "ID alone": {"views": (ID,)},
    "tags alone": {"views": (TAGS, TAG_WORDS)},
    "words alone": {"views": (WORDS,)},
    "text embedding alone": {"views": ("text",)},
    "concatenation": {"views": METADATA, "fusion": "concatenation"},
    REFERENCE: {"views": METADATA},
    "concatenation with ID": {"views": (ID, *METADATA), "fusion": "concatenation"},
    "attention with ID": {"views": (ID, *METADATA)},
    "attention with ID, never hidden": {"views": (ID, *METADATA), "id_dropout": 0.0},
    **{
        f"attention with ID, sigmoid, {ratio} negatives": {"views": (ID, *METADATA), "loss": "sigmoid", "ratio": ratio}
        for ratio in RATIOS
    },
}


def two_towers_benchmark(
    sources: Sources,
    bundle: Path,
    held_out: HeldOut,
    seeds: Sequence[int],
    config: TwoTowersConfig,
    store: FeatureStore,
    progress: Progress,
) -> dict[str, list[dict[str, object]]]:
    """Return a table of the baselines and conditions, with HR@10 against attention without IDs.

    bundle: whose encoders represent the videos
    Raises InvalidManifestError for tables that cannot be read, and ArtifactError for a damaged bundle.
    """
    videos = read_videos(sources.manifests, sources.columns)
    refs = [video.video for video in videos]
    interactions = read_interactions(sources.interactions, [ref.video_id for ref in refs])
    catalog = Catalog(videos, FeatureReader.of_bundle(bundle, refs).read(refs, store, progress))
    conditions = {name: Condition(catalog, changes) for name, changes in CHANGES.items()}
    found = compare(conditions, REFERENCE, interactions, held_out, seeds, config, progress)
    return {held_out: [_row(system, measured) for system, measured in found.items()]}


def _row(system: str, measured: Mapping[str, Compared]) -> dict[str, object]:
    row: dict[str, object] = {"system": system}
    for name, value in measured.items():
        row[name] = f"{value.mean:.4g} ± {value.spread:.2g}"
    first = measured["HR@10"]
    row["HR@10 against attention"] = "" if first.gain is None else f"{first.gain:+.4f} ± {first.gain_spread:.4f}"
    return row
