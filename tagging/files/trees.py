"""Gradient-boosted trees (LightGBM: MIT, maintained, deterministic): fitting them, and their text file.

LightGBM trusts the lengths stated in the text: reading a truncated file ends the process, so it is checked before.
It is imported when it is needed: with scikit-learn and pandas, which it imports, that takes seconds, and a bundle
without trees must not wait for it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lightgbm import Booster

END = "\npandas_categorical:"  # start of the last line


class TreesConfig(Protocol):
    """Options of an ensemble, which all branches of the configuration that fit trees have."""

    @property
    def trees(self) -> int: ...

    @property
    def leaves(self) -> int: ...

    @property
    def rate(self) -> float: ...

    @property
    def least_in_leaf(self) -> int: ...

    @property
    def feature_share(self) -> float: ...


def fit_trees(
    features: NDArray[np.float32],
    correct: NDArray[np.bool_],
    names: Sequence[str],
    config: TreesConfig,
    options: Mapping[str, object],
    *,
    weights: NDArray[np.float32] | None = None,
    group_sizes: list[int] | None = None,
) -> "Booster":
    """Fit gradient-boosted trees; the same input and seed give the same trees, bit for bit.

    features:    (n, F), NaN where a value is missing
    correct:     (n,) labels
    names:       F
    options:     LightGBM's, among them objective, seed and num_threads
    weights:     (n,) of the rows; None: all are equal
    group_sizes: for a ranking objective, how many consecutive rows belong to each query; they sum to n
    """
    import lightgbm

    parameters = {
        "learning_rate": config.rate,
        "num_leaves": config.leaves,
        "min_data_in_leaf": config.least_in_leaf,
        "feature_fraction": config.feature_share,
        "lambda_l2": 1.0,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
        **options,
    }
    data = lightgbm.Dataset(
        features, correct.astype(np.float32), weight=weights, group=group_sizes, feature_name=list(names)
    )
    return lightgbm.train(parameters, data, num_boost_round=config.trees)


def write_trees(booster: "Booster", path: Path) -> None:
    path.write_text(booster.model_to_string(), encoding="utf-8")


def read_trees(path: Path) -> "Booster":
    """Read trees from a file. Raises OSError, or ValueError if it does not hold complete trees."""
    import lightgbm

    text = path.read_text(encoding="utf-8")
    if not (END in text and text.rpartition(END)[2].endswith("\n")):
        raise ValueError(f"{path.name} is truncated")
    try:
        return lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:  # derives directly from Exception
        raise ValueError(f"{path.name} cannot be read: {error}") from error
