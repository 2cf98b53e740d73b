"""Default ports of the services of one model, and keys that are refused."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from tagging.errors import InvalidConfigError
from tagging.recommendation.service.config import RecommendationServiceConfig
from tagging.service.config import ModelServiceConfig, ServiceConfig, read_service_config
from tagging.topics.service.config import TopicServiceConfig

MODEL_SERVICES: list[type[ModelServiceConfig]] = [TopicServiceConfig, RecommendationServiceConfig]


def test_all_services_have_default_ports_of_their_own() -> None:
    configs: list[ServiceConfig | ModelServiceConfig] = [ServiceConfig(), *(kind() for kind in MODEL_SERVICES)]
    addresses = [address for config in configs for address in (config.listen.address, config.observe.metrics.listen)]
    assert len(set(addresses)) == 2 * len(configs)


@pytest.mark.parametrize("kind", MODEL_SERVICES)
def test_a_table_without_its_address_keeps_the_port_of_its_service(kind: type[ModelServiceConfig]) -> None:
    given = {"listen": {"connections": 3}, "observe": {"metrics": {"connections": 4}, "health": {}}, "drain_s": 1.0}
    config = kind.model_validate(given)
    assert config.listen == kind().listen.model_copy(update={"connections": 3})
    assert config.observe.metrics == kind().observe.metrics.model_copy(update={"connections": 4})
    assert config.drain_s == 1.0


@pytest.mark.parametrize("kind", MODEL_SERVICES)
def test_a_stated_address_is_taken_and_the_metrics_can_be_disabled(kind: type[ModelServiceConfig]) -> None:
    config = kind.model_validate({"listen": {"address": "127.0.0.1:1"}, "observe": {"metrics": {"listen": None}}})
    assert (config.listen.address, config.observe.metrics.listen) == ("127.0.0.1:1", None)


@pytest.mark.parametrize("kind", MODEL_SERVICES)
@pytest.mark.parametrize("tree", [{"listen": 3}, {"observe": {"metrics": "off"}}, {"listen": {"adress": "x"}}, [], 3])
def test_what_is_no_table_of_the_configuration_is_refused(kind: type[ModelServiceConfig], tree: object) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate(tree)


def test_a_former_or_misspelt_key_is_refused_with_the_keys_of_its_table(tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    file.write_text("[admission]\nvideos = 16\n")
    with pytest.raises(InvalidConfigError, match=r"admission\.videos: unknown key, expected texts, media"):
        read_service_config(file)
