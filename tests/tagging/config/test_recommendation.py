from pathlib import Path

import pytest

from tagging.config.overrides import overridden
from tagging.config.recommendation import TwoTowersConfig
from tagging.errors import InvalidConfigError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wdith = 3", "wdith"),
        ("width = 10\nheads = 4", "towers.toml: width 10 is not a multiple of heads 4"),
        ("rate = 1e39", "rate: Input should be less than or equal to 1"),
        ("weight_decay = inf", "weight_decay: Input should be a finite number"),
        ("epochs = inf", "epochs: Input should be a finite number"),
        ("epochs = 1e308", "epochs: Input should be less than or equal to 100000"),
        ("batch = 1e10", "batch: Input should be less than or equal to 1000000000"),
        ('views = ["id", "colour"]', "views.1"),
        ("views = []", "views"),
        ('loss = "hinge"', "loss"),
        ("width = 1e9", "width: Input should be less than or equal to 16384"),
        ("history = 1e9", "history: Input should be less than or equal to 10000"),
        ("negatives = 1e9", "negatives: Input should be less than or equal to 1000000"),
    ],
)
def test_a_wrong_value_is_one_error_that_names_it(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "towers.toml"
    path.write_text(text)
    with pytest.raises(InvalidConfigError, match=message):
        overridden(TwoTowersConfig(), [path])


def test_later_files_override_earlier_ones(tmp_path: Path) -> None:
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text('width = 32\nviews = ["id"]\n')
    second.write_text("width = 16\n")
    config = overridden(TwoTowersConfig(), [first, second])
    assert (config.width, config.views, config.heads) == (16, ("id",), TwoTowersConfig().heads)
