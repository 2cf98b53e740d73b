from pathlib import Path

import pytest

from tagging.config.topics import TopicsConfig, load_topics_config
from tagging.errors import InvalidConfigError


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_without_files_it_is_the_papers_configuration() -> None:
    config = load_topics_config()
    assert config == TopicsConfig()
    assert (config.mmoe.experts, config.mmoe.batch, config.mmoe.rate) == (12, 300, 0.001)
    assert (config.walks.length, config.walks.weight, config.topics_a_video) == (100, "videos", 4.0)


def test_later_files_override_single_values(tmp_path: Path) -> None:
    first = write(tmp_path / "a.toml", "count = 50\n[mmoe]\nexperts = 4\nwidth = 32\n")
    second = write(tmp_path / "b.toml", "[mmoe]\nexperts = 6\n")
    config = load_topics_config(first, second)
    assert (config.count, config.mmoe.experts, config.mmoe.width, config.mmoe.batch) == (50, 6, 32, 300)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cuont = 3", "cuont"),
        ("[mmoe]\nwidth = 0", "mmoe.width"),
        ("mmoe = 3", "mmoe"),
        ("[mmoe]\nwidth = 1e9", "mmoe.width: Input should be less than or equal to 16384"),
        ("[mmoe]\nexperts = 1e9", "mmoe.experts: Input should be less than or equal to 1000"),
        ("[mmoe]\nmost_steps = 100", "mmoe: least_steps 200 is more than most_steps 100"),
        ("[walks]\ndim = 1e9", "walks.dim: Input should be less than or equal to 16384"),
        ("[walks]\nlength = 1e9", "walks.length: Input should be less than or equal to 10000"),
        ("[walks]\nnoise = 1e9", "walks.noise: Input should be less than or equal to 1000000"),
        ("[[", "cannot read"),
    ],
)
def test_a_wrong_value_is_one_error_that_names_it(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match=message):
        load_topics_config(write(tmp_path / "c.toml", text))


def test_a_missing_file_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match="cannot read"):
        load_topics_config(tmp_path / "none.toml")
