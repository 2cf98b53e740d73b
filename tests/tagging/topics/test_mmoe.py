import math

import numpy as np
import pytest
import torch

from tagging.config.topics import MmoeConfig
from tagging.topics.content import ContentRows
from tagging.topics.mmoe import Mmoe

DIMS = {"frames": 3, "text": 2}
TASKS = {"category": 2, "tags": 5}
CONFIG = MmoeConfig(experts=4, width=3)


@pytest.fixture
def mmoe() -> Mmoe:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Mmoe(DIMS, TASKS, CONFIG)
        for vector in model.missing.values():
            vector.data.normal_()
    return model.eval().requires_grad_(False)


def content(present: list[list[bool]], seed: int = 1) -> ContentRows:
    generator = np.random.default_rng(seed)
    mask = np.array(present)
    values = {
        name: generator.standard_normal((len(mask), dim)).astype(np.float32) * mask[:, column, None]
        for column, (name, dim) in enumerate(DIMS.items())
    }
    return ContentRows(values, mask)


def softmax(values: list[float]) -> list[float]:
    powers = [math.exp(value) for value in values]
    return [power / sum(powers) for power in powers]


def linear(layer: torch.nn.Module, x: list[float]) -> list[float]:
    assert isinstance(layer, torch.nn.Linear)
    return [
        sum(w * v for w, v in zip(row, x, strict=True)) + b
        for row, b in zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
    ]


def mixture_by_loops(mmoe: Mmoe, task: str, x: list[float]) -> list[float]:
    """f^k(x) = Σ_i g^k(x)_i f_i(x), an expert and a coordinate at a time."""
    gate = softmax(linear(mmoe.gates[task], x))
    outputs = linear(mmoe.experts, x)
    total = [0.0] * CONFIG.width
    for expert in range(CONFIG.experts):
        for column in range(CONFIG.width):
            total[column] += gate[expert] * max(0.0, outputs[expert * CONFIG.width + column])
    return total


def inputs(rows: ContentRows) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    return {name: torch.from_numpy(values) for name, values in rows.values.items()}, torch.from_numpy(rows.present)


def test_logits_are_those_of_equation_one(mmoe: Mmoe) -> None:
    rows = content([[True, True]] * 3)
    logits = mmoe(*inputs(rows))
    for video in range(3):
        x = [*rows.values["frames"][video].tolist(), *rows.values["text"][video].tolist()]
        for task in TASKS:
            want = linear(mmoe.towers[task], mixture_by_loops(mmoe, task, x))
            np.testing.assert_allclose(logits[task][video], want, atol=1e-5)


def test_a_missing_modality_is_a_vector_of_its_own_whatever_its_row_holds(mmoe: Mmoe) -> None:
    rows = content([[True, False]])
    noisy = ContentRows({**rows.values, "text": np.full((1, 2), 9, np.float32)}, rows.present)
    x = [*rows.values["frames"][0].tolist(), *mmoe.missing["text"].tolist()]
    want = linear(mmoe.towers["tags"], mixture_by_loops(mmoe, "tags", x))
    for given in (rows, noisy):
        np.testing.assert_allclose(mmoe(*inputs(given))["tags"][0], want, atol=1e-5)
    zeros = ContentRows({**rows.values, "text": np.zeros((1, 2), np.float32)}, np.array([[True, True]]))
    assert not torch.allclose(mmoe(*inputs(zeros))["tags"][0], torch.tensor(want))


def test_the_joint_representation_is_the_mean_of_the_tasks_unit_mixtures(mmoe: Mmoe) -> None:
    rows = content([[True, True], [False, True]])
    z = mmoe.represent(rows)
    for video in range(2):
        frames = rows.values["frames"][video] if rows.present[video, 0] else mmoe.missing["frames"].numpy()
        x = [*frames.tolist(), *rows.values["text"][video].tolist()]
        mixtures = [np.array(mixture_by_loops(mmoe, task, x)) for task in TASKS]
        mean = sum(mixture / np.linalg.norm(mixture) for mixture in mixtures)
        np.testing.assert_allclose(z[video], mean / np.linalg.norm(mean), atol=1e-5)


def test_a_video_without_any_modality_has_no_representation(mmoe: Mmoe) -> None:
    z = mmoe.represent(content([[False, False], [True, False]]))
    assert not z[0].any()
    assert abs(np.linalg.norm(z[1]) - 1) < 1e-5


def test_rows_are_standardised_by_the_videos_that_have_them(mmoe: Mmoe) -> None:
    rows = content([[True, True]] * 5 + [[False, True]] * 5)
    mmoe.standardise(rows, np.array([0, 2, 3, 7]))
    np.testing.assert_allclose(mmoe.mean["frames"], rows.values["frames"][[0, 2, 3]].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(mmoe.scale["frames"], rows.values["frames"][[0, 2, 3]].std(axis=0), atol=1e-6)


def test_a_modality_that_no_training_video_has_leaves_the_others_finite(mmoe: Mmoe) -> None:
    rows = content([[False, True]] * 5 + [[True, True]])
    mmoe.standardise(rows, np.arange(5))
    assert np.isfinite(mmoe.represent(rows)).all()
