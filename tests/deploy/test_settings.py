"""Settings in deploy/ agree with the service and with each other."""

import re
from typing import Any

import pytest
import yaml

from tagging.service.clients.clients import ListedClients
from tagging.service.config import ServiceConfig, read_service_config
from tests.support.paths import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
FOLDERS = ("compose", "kubernetes/base")


def settings(folder: str) -> ServiceConfig:
    return read_service_config(DEPLOY / folder / "service.toml")


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def pod() -> dict[str, Any]:
    (deployment,) = documents("kubernetes/base/deployment.yaml")
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return found


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    (file,) = documents("compose/compose.yaml")
    found: dict[str, Any] = file["services"]
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_services_settings_and_clients_can_be_read(folder: str) -> None:
    assert settings(folder).listen.clients is not None
    assert ListedClients(DEPLOY / folder / "clients.toml")


def test_running_calls_end_before_the_process_is_killed(pod: dict[str, Any], composed: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    announced_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= announced_s + settings("kubernetes/base").drain_s + 10
    assert int(composed["videotag"]["stop_grace_period"].removesuffix("s")) >= settings("compose").drain_s + 10
    unit = (DEPLOY / "systemd" / "videotag.service").read_text(encoding="utf-8")
    (stop_s,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert int(stop_s) >= ServiceConfig().drain_s + 10


def test_ports_and_mounted_files_are_those_of_the_services_settings(
    pod: dict[str, Any], composed: dict[str, Any]
) -> None:
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    mounted = [mount["mountPath"] for mount in container["volumeMounts"]]
    config = settings("kubernetes/base")
    assert config.listen.address == f"0.0.0.0:{ports['grpc']}"
    assert config.observe.metrics.listen == f"0.0.0.0:{ports['metrics']}"
    assert {str(config.bundles), str(config.listen.clients and config.listen.clients.parent)} <= set(mounted)

    targets = [volume.split(":")[1].rstrip("}") for volume in composed["videotag"]["volumes"] if "$" not in volume]
    config = settings("compose")
    assert composed["videotag"]["command"][-1] in targets
    assert composed["videotag"]["ports"][0].endswith(config.listen.address.removeprefix("0.0.0.0"))
    prometheus = documents("compose/prometheus.yml")[0]["scrape_configs"][0]
    (target,) = prometheus["static_configs"][0]["targets"]
    assert prometheus["job_name"] == "videotag"
    assert target.removeprefix("videotag") == (config.observe.metrics.listen or "").removeprefix("0.0.0.0")


def test_containers_run_as_an_ordinary_user_on_a_read_only_file_system(
    pod: dict[str, Any], composed: dict[str, Any]
) -> None:
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    user = pod["securityContext"]["runAsUser"]
    assert composed["videotag"]["user"] == f"{user}:{user}"
    assert composed["videotag"]["read_only"]
    assert f"USER {user}:{user}" in (DEPLOY / "docker" / "Dockerfile").read_text(encoding="utf-8")


def test_the_autoscaler_uses_the_metric_that_the_adapter_serves() -> None:
    ((metric,),) = (file["spec"]["metrics"] for file in documents("kubernetes/base/autoscaler.yaml"))
    (rules,) = documents("kubernetes/base/adapter-rules.yaml")
    (rule,) = rules["rules"]["custom"]
    assert metric["pods"]["metric"]["name"] == rule["seriesQuery"].partition("{")[0] == "tagging_admission_waiting"


def test_every_alert_is_tested_with_series() -> None:
    (alerts,), (tests,) = documents("alerts.yaml"), documents("alerts_test.yaml")
    fires = [
        sample["labels"]
        for case in tests["tests"]
        for expected in case["promql_expr_test"]
        for sample in expected["exp_samples"]
    ]
    assert fires == [f'{{alertname="{rule["alert"]}"}}' for group in alerts["groups"] for rule in group["rules"]]
