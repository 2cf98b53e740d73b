"""The dashboard and the alerts use the metrics of the service, and all of them."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, get_args

import grpc
import pytest
import yaml
from opentelemetry.trace import NoOpTracer
from prometheus_client import CollectorRegistry

from tagging.features.triton.availability import Availability
from tagging.pipeline.stages import Stage
from tagging.service.clients.roles import TAGGING
from tagging.service.contract import OTHER
from tagging.service.observe.metrics import REJECTING, Metrics, Outcome
from tagging.service.observe.readings import Readings, ReadingsCollector, register_server
from tagging.service.observe.stages import TimedStages
from tagging.service.observe.triton import TritonCollector
from tests.support.paths import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
SCRAPED = {"instance", "job"}  # labels that Prometheus adds
VALUES = {
    "method": {*TAGGING.methods, OTHER},
    "code": {code.name for code in grpc.StatusCode},
    "stage": set(get_args(Stage)),
    "outcome": set(get_args(Outcome)),
    "reason": set(REJECTING.values()),
    "role": {"active", "previous", "shadow"},
    "job": {"videotag"},
}
NAME = re.compile(r"\b(?:tagging|process|python)_[a-z_]+\b")
SELECTED = re.compile(r"\b((?:tagging|process|python)_[a-z_]+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


class OneModel:
    """Stands for a connection to Triton with one model."""

    models = (SimpleNamespace(spec=SimpleNamespace(name="text")),)
    client = SimpleNamespace(availability=Availability(), reloads=0)
    certificate = SimpleNamespace(ends=datetime.now(UTC))


@pytest.fixture(scope="module")
def measured() -> dict[str, set[str]]:
    """Every sample that a service exports, with its labels."""
    registry = CollectorRegistry()
    stages = TimedStages(Metrics(registry), NoOpTracer())
    with pytest.raises(KeyError), stages("decode"):
        raise KeyError
    readings = Readings(
        serving=lambda: True,
        connections=lambda: 0,
        connections_allowed=256,
        certificate_expiry_s=lambda: 0.0,
        admission_waiting=lambda: {"texts": 0, "media": 0},
        bundles=lambda: {"active": "v1"},
        labelled_videos=lambda: 0,
        tag_edits=lambda: 0,
        decode_workers=lambda: 0,
        decode_workers_killed=lambda: 0,
    )
    register_server(registry, readings)
    registry.register(ReadingsCollector(readings))
    triton: Any = OneModel()
    registry.register(TritonCollector(triton))
    found: dict[str, set[str]] = {}
    for family in registry.collect():
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


def dashboard() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((DEPLOY / "dashboards" / "videotag.json").read_text(encoding="utf-8"))
    return read


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def rules() -> list[dict[str, Any]]:
    read = yaml.safe_load((DEPLOY / "alerts.yaml").read_text(encoding="utf-8"))
    return [rule for group in read["groups"] for rule in group["rules"]]


def expressions() -> Iterator[str]:
    for panel in panels():
        yield from (target["expr"] for target in panel["targets"])
    yield from (variable["definition"] for variable in dashboard()["templating"]["list"] if "definition" in variable)
    yield from (rule["expr"] for rule in rules())


@pytest.mark.parametrize("expression", list(expressions()))
def test_expressions_use_existing_metrics_labels_and_values(expression: str, measured: dict[str, set[str]]) -> None:
    assert NAME.search(expression)
    labels: set[str] = set()
    for name, selector in SELECTED.findall(expression):
        assert name in measured
        labels |= measured[name]
        for label, compared, value in MATCHER.findall(selector):
            assert label in measured[name] | SCRAPED
            if value != "$instance":
                assert set(value.split("|")) <= VALUES[label], (label, compared, value)
        assert MATCHER.sub("", selector).strip(", ") == ""
    for grouped in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
        assert {label.strip() for label in grouped.split(",")} <= labels | SCRAPED
    for left, right in ("()", "{}", "[]"):
        assert expression.count(left) == expression.count(right)


def test_every_metric_of_the_service_is_on_the_dashboard(measured: dict[str, set[str]]) -> None:
    shown = {name for panel in panels() for target in panel["targets"] for name in NAME.findall(target["expr"])}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in measured if name.startswith("tagging_")}
    assert families == {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown if name.startswith("tagging_")}
    histograms = {name for name in measured if name.startswith("tagging_") and name.endswith("_bucket")}
    assert histograms == {"tagging_request_seconds_bucket", "tagging_stage_seconds_bucket"}
    assert histograms <= shown


def test_counters_are_queried_as_rates() -> None:
    for expression in expressions():
        for counter in re.findall(r"\b\w+_(?:total|bucket|sum|count)\b", expression):
            assert re.search(rf"rate\({counter}(\{{[^}}]*\}})?\[", expression), expression


def test_panels_have_descriptions_and_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        assert panel["title"]
        area = panel["gridPos"]
        cells = {
            (x, y) for x in range(area["x"], area["x"] + area["w"]) for y in range(area["y"], area["y"] + area["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert all(panel["description"] and panel["fieldConfig"]["defaults"]["unit"] for panel in panels())
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(dashboard()["panels"])


def test_alerts_have_a_severity_and_a_runbook() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"].endswith(".")
        assert len(rule["annotations"]["runbook"]) > 40
        assert "\n" not in rule["annotations"]["runbook"]
        assert "for" in rule or "_over_time(" in rule["expr"]  # one bad scrape is no alarm
