"""Configurations that train in seconds."""

from typing import Any

from tagging.config.profiles import parse_config
from tagging.config.rank import TagOffsetsConfig
from tagging.config.recall import NgramConfig, RecallFusionConfig, RecallModelConfig
from tagging.config.root import Config
from tests.support.topics import LEARNT

# The same as files for --config.
UNREAD_TOML = '[encoders.speech]\nbackend = "none"\n[encoders.screen]\nbackend = "none"\n'
TEXT_ONLY_TOML = (
    '[encoders.text]\nbackend = "hashed-ngrams"\n'
    '[encoders.vision]\nbackend = "none"\n[encoders.audio]\nbackend = "none"\n' + UNREAD_TOML
)
TINY_TOML = (
    '[encoders.text]\nbackend = "hashed-ngrams"\n[encoders.vision]\nbackend = "frame-statistics"\n'
    '[encoders.audio]\nbackend = "sound-statistics"\n' + UNREAD_TOML
)
FUSION = RecallFusionConfig(trees=20, least_in_leaf=5, rate=0.2)


def tiny_config() -> Config:
    """Every modality, encoded without weights; a small ranker; nothing learnt in recall."""
    return parse_config(
        {
            "profile": "tiny",
            "encoders": {
                "text": {"backend": "hashed-ngrams", "dim": 128},
                "vision": {"backend": "frame-statistics"},
                "audio": {"backend": "sound-statistics"},
            },
            "rank": {
                "ranker": {
                    "towers": {"width": 32, "clusters": 4, "groups": 2},
                    "walks": {"walks": 1, "dim": 8, "length": 10},
                    "negatives": {"drawn": 10, "two_hop": 2, "recalled": 0},
                    "batch": 32,
                    "epochs": 1,
                    "least_steps": 40,
                }
            },
        },
        source="tests",
    )


def with_training(config: Config, **changes: Any) -> Config:
    """`config` with other values under [training]."""
    return config.model_copy(update={"training": config.training.model_copy(update=changes)})


def with_recall(config: Config, **changes: Any) -> Config:
    """`config` with other values under [recall]."""
    return config.model_copy(update={"recall": config.recall.model_copy(update=changes)})


def with_ranker(config: Config, **changes: Any) -> Config:
    """`config` with other values under [rank.ranker]."""
    assert config.rank.ranker is not None
    ranker = config.rank.ranker.model_copy(update=changes)
    return config.model_copy(update={"rank": config.rank.model_copy(update={"ranker": ranker})})


def without_ranker(config: Config) -> Config:
    return config.model_copy(update={"rank": config.rank.model_copy(update={"ranker": None})})


def with_learnt_recall(config: Config) -> Config:
    """`config` with a small recall model and its fusion, learnt from 100 videos on, without folds from 400 on."""
    learnt = RecallModelConfig(ngrams=NgramConfig(least=1), width=16, epochs=10, batch=32, negatives=8, likened=32)
    names = config.recall.names.model_copy(update={"tags": 3})  # so that the catalog has tags beyond them
    return with_training(with_recall(config, learnt=learnt, blend=FUSION, names=names), least_videos=100, blended=80)


def with_precise_recall(config: Config) -> Config:
    """`config` with a recall model that learns the topics well, and every tag with a threshold of its own.

    The fusion of 400 videos or more is fitted without folds.
    """
    # The negative bar keeps an offset whether it helps or not.
    offsets = TagOffsetsConfig(standard_errors=-1000.0, least_uploaders=2)
    learnt = LEARNT.model_copy(update={"epochs": 20})
    config = with_recall(with_ranker(config, offsets=offsets), learnt=learnt, blend=FUSION)
    return with_training(config, least_videos=100, blended=80)
