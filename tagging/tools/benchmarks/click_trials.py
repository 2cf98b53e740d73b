"""Trials of a click system: divide the impressions, train on one part, measure another, compare over seeds."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch
from torch import nn

from tagging.config.clicks import ClicksConfig
from tagging.config.random_streams import Stream
from tagging.errors import InvalidManifestError, NothingToLearnError
from tagging.recommendation.clicks.impressions import build_vocabulary
from tagging.recommendation.clicks.measures import measures
from tagging.recommendation.clicks.split import Parts, divide
from tagging.recommendation.clicks.table import VIDEO, ImpressionTable
from tagging.recommendation.clicks.train import Inputs, fit, probabilities
from tagging.recommendation.split import HeldOut
from tagging.tools.benchmarks.review import mean_and_spread
from tagging.types import FloatRows, Indices

MEASURES = ("AUC", "log loss", "GAUC")

Build = Callable[[Mapping[str, int], ClicksConfig], nn.Module]  # rows of each field's table -> fields -> logits (B,)


def divided(table: ImpressionTable, held_out: HeldOut, seeds: Sequence[int]) -> dict[int, Parts]:
    """Divide the impressions for each seed. Raises InvalidManifestError for impressions that cannot be divided."""
    try:
        return {seed: divide(table, held_out, seed) for seed in seeds}
    except ValueError as error:
        raise InvalidManifestError(f"the impressions cannot be divided: {error}", "give more impressions") from error


def measure(
    table: ImpressionTable,
    parts: Parts,
    fields: Sequence[str],
    build: Build,
    config: ClicksConfig,
    content: Mapping[str, FloatRows] = MappingProxyType({}),
) -> dict[str, float]:
    """Train a system on some of the fields, and return its measures of the test part.

    content: (V, dim) of each modality, in the order of the table's videos; zeros where missing
    Raises InvalidManifestError if the impressions share no users or videos.
    """
    try:
        vocabulary = build_vocabulary(table, parts.training, fields, config.min_count)
    except NothingToLearnError as error:
        raise InvalidManifestError(f"nothing to learn: {error}", "give more impressions of the same users") from error
    impressions = vocabulary.impressions(table)
    videos = table.fields[VIDEO].rows.values
    training, validation, test = (
        with_content(Inputs.of(impressions.only(rows)), content, videos[rows])
        for rows in (parts.training, parts.validation, parts.test)
    )
    draws = np.random.default_rng([config.seed, Stream.CLICK_TRAINING])
    order = torch.Generator().manual_seed(int(draws.integers(2**63)))
    with torch.random.fork_rng():
        torch.manual_seed(int(draws.integers(2**63)))  # of first weights and dropout
        network = build(vocabulary.sizes, config)
        fit(network, training, validation, config, order)
    return measures(probabilities(network, test), table.clicked[parts.test], table.users[parts.test])


def with_content(inputs: Inputs, content: Mapping[str, FloatRows], videos: Indices) -> Inputs:
    """Return n impressions with the content of their videos; videos: (n,) rows of the content."""
    rows = {name: torch.from_numpy(values[videos]) for name, values in content.items()}
    return Inputs({**inputs.fields, **rows}, inputs.clicked)


def gains(
    measured: Sequence[Mapping[str, float]], reference: Sequence[Mapping[str, float]], measure: str, against: str
) -> dict[str, str | None]:
    """Return the mean difference to the reference of the same seed; None for the reference itself."""
    if measured is reference:
        return {f"{measure} against {against}": None}
    differences = [found[measure] - base[measure] for found, base in zip(measured, reference, strict=True)]
    return {f"{measure} against {against}": mean_and_spread(differences, "+.4f")}
