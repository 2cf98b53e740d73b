"""Benchmark of the fusion of modalities in the click model: user-guided, by attention alone, and concatenation.

Each of the three is the model's content next to the ids of user and video; `Concatenation` of one modality is that
modality alone.
"""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from tagging.config.clicks import ClicksConfig
from tagging.pipeline.feature_reader import FeatureReader
from tagging.progress import Progress
from tagging.recommendation.clicks.fusion import AttentionFusion, Concatenation, Fusion, UserGuidedFusion
from tagging.recommendation.clicks.network import ClickNetwork
from tagging.recommendation.clicks.table import USER, VIDEO
from tagging.recommendation.interactions import read_interactions
from tagging.recommendation.split import HeldOut
from tagging.recommendation.tables import Catalog, Sources, read_videos
from tagging.store.features import FeatureStore
from tagging.tools.benchmarks.click_content import TAGS, TEXT, WORDS, content_rows
from tagging.tools.benchmarks.click_drawn import drawn_impressions
from tagging.tools.benchmarks.click_trials import MEASURES, divided, gains, measure
from tagging.tools.benchmarks.review import mean_and_spread

logger = logging.getLogger(__name__)

REFERENCE = "attention"
CONDITIONS: Mapping[str, tuple[tuple[str, ...], type[Fusion]]] = {
    REFERENCE: ((TAGS, WORDS, TEXT), AttentionFusion),
    "user-guided": ((TAGS, WORDS, TEXT), UserGuidedFusion),
    "concatenation": ((TAGS, WORDS, TEXT), Concatenation),
    "tags alone": ((TAGS,), Concatenation),
    "words alone": ((WORDS,), Concatenation),
    "text embedding alone": ((TEXT,), Concatenation),
    "no content": ((), Concatenation),
}


def fusion_benchmark(
    sources: Sources,
    bundle: Path,
    held_out: HeldOut,
    seeds: Sequence[int],
    config: ClicksConfig,
    store: FeatureStore,
    progress: Progress,
) -> dict[str, list[dict[str, Any]]]:
    """Return the measures of each condition on the test part, mean and spread, and differences to attention.

    bundle: whose text encoder represents the titles
    seeds:  each draws the videos that were not clicked, and new videos where those are held out
    Raises InvalidManifestError for tables that cannot be read, or are too small, and ArtifactError for a bundle that is
    damaged.
    """
    videos = read_videos(sources.manifests, sources.columns)
    refs = [video.video for video in videos]
    interactions = read_interactions(sources.interactions, [ref.video_id for ref in refs])
    catalog = Catalog(videos, FeatureReader.of_bundle(bundle, refs).read(refs, store, progress))
    content = content_rows(catalog)
    tables = {seed: drawn_impressions(interactions, len(catalog), seed) for seed in seeds}
    parts = {seed: divided(tables[seed], held_out, [seed])[seed] for seed in seeds}
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in CONDITIONS}
    with progress.track("train", len(CONDITIONS) * len(seeds)) as advance:
        for seed in seeds:
            settings = config.model_copy(update={"seed": seed})
            for name, (modalities, fusion) in CONDITIONS.items():
                read = {modality: content[modality] for modality in modalities}
                dims = {modality: rows.shape[1] for modality, rows in read.items()}
                build = partial(_network, fusion=fusion, dims=dims)
                found = measure(tables[seed], parts[seed], (USER, VIDEO), build, settings, read)
                measured[name].append(found)
                logger.info("seed %d, %s: AUC %.4f", seed, name, found["AUC"])
                advance(1)
    rows = [
        {"content": name}
        | {column: mean_and_spread([row[column] for row in found]) for column in MEASURES}
        | gains(found, measured[REFERENCE], "AUC", REFERENCE)
        | gains(found, measured[REFERENCE], "log loss", REFERENCE)
        for name, found in measured.items()
    ]
    return {f"fusion, {held_out}": rows}


def _network(
    sizes: Mapping[str, int], config: ClicksConfig, fusion: type[Fusion], dims: Mapping[str, int]
) -> nn.Module:
    return ClickNetwork(sizes, config, fusion(dims, config.width) if dims else None)
