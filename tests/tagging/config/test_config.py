from pathlib import Path

import pytest

from tagging.config.encoders import FrameStatisticsConfig
from tagging.config.profiles import PROFILES, load_config
from tagging.errors import InvalidConfigError


def test_the_offline_profile_names_weights_that_ship_in_packages() -> None:
    encoders = PROFILES["offline"].encoders
    for encoder in (encoders.text, encoders.vision, encoders.audio):
        assert getattr(encoder, "weights", "").startswith("package")
    assert encoders.speech is not None
    assert encoders.screen is not None
    assert encoders.speech.weights == encoders.screen.weights == "packaged"


def test_a_file_replaces_single_values_and_whole_backends(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[recall]\nneighbours = 7\n[encoders.vision]\nbackend = "frame-statistics"\n', encoding="utf-8")
    config = load_config("production", path)
    assert config.recall.neighbours == 7
    assert config.recall.tags_per_channel == PROFILES["production"].recall.tags_per_channel
    assert config.encoders.vision == FrameStatisticsConfig(backend="frame-statistics")
    assert config.encoders.audio == PROFILES["production"].encoders.audio


def test_later_config_files_override_earlier_ones(tmp_path: Path) -> None:
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text("[recall]\nneighbours = 7\ntags_per_channel = 9\n", encoding="utf-8")
    second.write_text("[recall]\nneighbours = 8\n", encoding="utf-8")
    recall = load_config("offline", first, second).recall
    assert (recall.neighbours, recall.tags_per_channel) == (8, 9)
    assert load_config("offline", second, first).recall.neighbours == 7


def test_a_modality_can_be_disabled(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[encoders.vision]\nbackend = "none"\n', encoding="utf-8")
    encoders = load_config("offline", path).encoders
    assert encoders.vision is None
    assert encoders.audio == PROFILES["offline"].encoders.audio


def test_the_ranker_can_be_disabled(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[rank.ranker]\nbackend = "none"\n', encoding="utf-8")
    rank = load_config("offline", path).rank
    assert rank.ranker is None
    assert rank.fusion == PROFILES["offline"].rank.fusion


def test_relative_paths_of_weights_become_absolute_and_model_names_stay(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    path = tmp_path / "c.toml"
    for stated, kept in [
        ("mine", str(tmp_path / "mine")),
        ("./mine", str(tmp_path / "mine")),
        ("owner/name", "owner/name"),
    ]:
        path.write_text(f'[encoders.text]\nbackend = "sentence-transformers"\nweights = "{stated}"\n', encoding="utf-8")
        assert getattr(load_config("offline", path).encoders.text, "weights", None) == kept


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[recall]\nneighbors = 7", "recall.neighbors"),
        ("[recall]\nneighbours = 0", "recall.neighbours"),
        ('[encoders.vision]\nbackend = "magic"', "encoders.vision"),
        ("recall = ", "cannot read"),
        ("[recall.learnt]\nwidth = 1e9", "recall.learnt.width: Input should be less than or equal to 16384"),
        ("[recall.learnt]\nlikened = 1e9", "recall.learnt.likened: Input should be less than or equal to 1000000"),
        ("[recall.blend]\nfew_leaves = 1e9", "recall.blend.few_leaves: Input should be less than or equal to 131072"),
        ("[rank.ranker.towers]\nwidth = 1e9", "towers.width: Input should be less than or equal to 16384"),
        ("[rank.ranker.negatives]\ntwo_hop = 1e9", "two_hop: Input should be less than or equal to 100000"),
    ],
)
def test_an_invalid_config_file_is_reported_with_the_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidConfigError) as caught:
        load_config("offline", path)
    assert message in caught.value.message


def test_an_unknown_profile_is_reported_with_the_available_ones() -> None:
    with pytest.raises(InvalidConfigError, match="'laptop'") as caught:
        load_config("laptop")
    assert "offline, production" in caught.value.hint
