"""The reliability diagram as a file."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rank.reliability import reliability
from tagging.evaluation.reliability_figure import draw_reliability

Floats = NDArray[np.float64]


def example(count: int, seed: int = 0) -> tuple[Floats, NDArray[np.bool_]]:
    generator = np.random.default_rng(seed)
    confidences = generator.random(count) ** 2
    return confidences, generator.random(count) < confidences


@pytest.mark.parametrize("everything", [True, False])
def test_a_curve_at_the_edge_of_the_figure_is_drawn(everything: bool, tmp_path: Path) -> None:
    curve = reliability(np.linspace(0, 1, 50), np.full(50, everything))
    draw_reliability({"ranker": curve}, tmp_path / "reliability.png")
    assert (tmp_path / "reliability.png").stat().st_size > 1000


def test_the_figure_is_a_png_with_the_curves_colours_and_empty_margins(tmp_path: Path) -> None:
    first, second = example(2000), example(400, seed=1)
    given = {"blend": reliability(*first), "a long name, " * 6: reliability(second[0], ~second[1])}
    draw_reliability(given, tmp_path / "reliability.png")
    assert [path.name for path in tmp_path.iterdir()] == ["reliability.png"]
    with Image.open(tmp_path / "reliability.png") as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB"))
    assert min(pixels.shape[:2]) > 600
    for colour in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)):
        assert (pixels[: len(pixels) * 2 // 3] == colour).all(axis=2).sum() > 500
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == 255).all()


def test_a_figure_without_curves_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 reliabilities"):
        draw_reliability({}, tmp_path / "reliability.png")
    assert not list(tmp_path.iterdir())
