"""Settings in deploy/ agree with the service and with each other."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tagging.service.clients.clients import ListedClients
from tagging.service.config import ServiceConfig, TlsConfig, read_service_config
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
    assert rule["metricsQuery"].startswith("sum by")  # a pod has a series for texts and one for media


def test_every_alert_is_tested_with_series() -> None:
    (alerts,), (tests,) = documents("alerts.yaml"), documents("alerts_test.yaml")
    fires = [
        sample["labels"]
        for case in tests["tests"]
        for expected in case["promql_expr_test"]
        for sample in expected["exp_samples"]
    ]
    assert fires == [f'{{alertname="{rule["alert"]}"}}' for group in alerts["groups"] for rule in group["rules"]]


@pytest.mark.parametrize(
    ("secured", "plain"),
    [
        ("compose/service.triton-tls.toml", "compose/service.toml"),
        ("kubernetes/triton-tls/service.toml", "kubernetes/base/service.toml"),
    ],
)
def test_the_settings_with_tls_to_triton_differ_in_nothing_else(secured: str, plain: str) -> None:
    config = read_service_config(DEPLOY / secured)
    assert config.triton == "grpcs://triton:8001"
    assert config.triton_tls is not None
    assert {file.name for file in config.triton_tls.files} == {"ca.crt", "tls.crt", "tls.key"}
    without_triton = config.model_copy(update={"triton": None, "triton_tls": None})
    assert without_triton == read_service_config(DEPLOY / plain)


def test_compose_mounts_the_certificates_where_service_and_triton_read_them() -> None:
    (plain,), (secured,) = documents("compose/compose.triton.yaml"), documents("compose/compose.triton-tls.yaml")
    service, triton = secured["services"]["videotag"], secured["services"]["triton"]
    settings_file, folder = (volume.rsplit(":", 2)[1] for volume in service["volumes"])
    assert service["command"] == ["serve", "--config", settings_file]
    config = read_service_config(DEPLOY / "compose" / Path(settings_file).name)
    assert config.triton_tls is not None
    assert {str(file.parent) for file in config.triton_tls.files} == {folder}
    before = plain["services"]["triton"]["command"]
    (certificates,) = (volume.rsplit(":", 2)[1] for volume in triton["volumes"])
    assert triton["command"] == before + tls_options(certificates)


def test_compose_and_kubernetes_start_triton_with_the_same_options() -> None:
    (composed,) = documents("compose/compose.triton.yaml")
    (deployment,) = (file for file in documents("kubernetes/triton/triton.yaml") if file["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert [*container["command"], *container["args"]] == composed["services"]["triton"]["command"]


def test_libraries_of_the_pod_start_as_many_threads_as_it_requests_cores(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    [threads] = [variable for variable in container["env"] if variable["name"] == "OMP_NUM_THREADS"]
    assert threads["valueFrom"]["resourceFieldRef"]["resource"] == "requests.cpu"
    assert int(container["resources"]["requests"]["cpu"]) >= 1


def test_the_pods_with_tls_mount_the_certificates_where_they_are_read() -> None:
    (overlay,) = documents("kubernetes/triton-tls/kustomization.yaml")
    (patched,) = documents("kubernetes/triton/kustomization.yaml")
    patches = {patch["target"]["name"]: yaml.safe_load(patch["patch"]) for patch in overlay["patches"]}
    config = read_service_config(DEPLOY / "kubernetes" / "triton-tls" / "service.toml")
    assert config.triton_tls is not None

    (deployment,) = documents("kubernetes/base/deployment.yaml")
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    arguments += [step["value"] for step in yaml.safe_load(patched["patches"][0]["patch"])]
    tested, replaced, mounted, _ = patches["videotag"]
    assert arguments[int(tested["path"].rpartition("/")[2])] == tested["value"]
    assert (replaced["path"], replaced["value"]) == (tested["path"], config.triton)
    assert {str(file.parent) for file in config.triton_tls.files} == {mounted["value"]["mountPath"]}

    *added, mounted, volume = patches["triton"]
    assert [step["value"] for step in added] == tls_options(mounted["value"]["mountPath"])
    assert volume["value"]["name"] == mounted["value"]["name"]


def test_the_service_with_tls_is_probed_with_the_certificates_that_it_mounts() -> None:
    file = DEPLOY / "kubernetes" / "listen-tls" / "kustomization.yaml"
    (setting,) = re.findall(r"^#   (tls = .*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    tls = TlsConfig.model_validate(tomllib.loads(setting)["tls"])
    (component,) = documents("kubernetes/listen-tls/kustomization.yaml")
    patched = yaml.safe_load(component["patches"][0]["patch"])["spec"]["template"]["spec"]
    (container,) = patched["containers"]
    (mounted,), (volume,) = container["volumeMounts"], patched["volumes"]
    assert volume["name"] == mounted["name"]
    assert {str(tls.certificate.parent), str(tls.key.parent)} == {mounted["mountPath"]}

    startup, readiness = container["startupProbe"], container["readinessProbe"]
    assert startup == readiness
    assert startup["grpc"] is None  # a probe has one kind
    python, program, *options = startup["exec"]["command"]
    assert (python, program) == ("python", "/opt/videotag/health.py")
    given = dict(option.split("=") for option in options)
    assert (given["--certificate"], given["--key"]) == (str(tls.certificate), str(tls.key))
    assert Path(given["--ca"]).parent == tls.certificate.parent


def tls_options(folder: str) -> list[str]:
    """Triton's options for mutual TLS with the certificates of a folder."""
    return [
        "--grpc-use-ssl=true",
        "--grpc-use-ssl-mutual=true",
        f"--grpc-root-cert={folder}/ca.crt",
        f"--grpc-server-cert={folder}/tls.crt",
        f"--grpc-server-key={folder}/tls.key",
    ]


def test_every_image_has_a_name_of_its_own(composed: dict[str, Any]) -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    named = dict[str, str]()
    for goal in ("image", "image-batch"):
        command = [make, "--dry-run", goal, "BUILD_ARGS=--target batch"]  # of two targets a builder takes the last
        printed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
        (name,) = re.findall(r"--tag (\S+)", printed)
        named[re.findall(r"--target (\S+)", printed)[-1]] = name
    dockerfile = (DEPLOY / "docker" / "Dockerfile").read_text(encoding="utf-8")
    assert set(named) == set(re.findall(r"^FROM \S+ AS (service|batch)$", dockerfile, re.MULTILINE))
    assert named["service"] != named["batch"]
    assert composed["videotag"]["image"] == f"${{VIDEOTAG_IMAGE:-{named['service']}:latest}}"
