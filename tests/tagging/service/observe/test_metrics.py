"""Prometheus metrics: closed label sets, series that start at zero, and readings at scrape time."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from grpc import StatusCode
from prometheus_client import CollectorRegistry, generate_latest
from videotag.v1 import tagging_pb2 as pb

from tagging import errors
from tagging.pipeline.stages import Stage
from tagging.service.clients.roles import TAGGING
from tagging.service.errors.status import CODES
from tagging.service.observe.metrics import Metrics, Outcome, error_reason
from tagging.service.observe.readings import Readings, ReadingsCollector, register_server


def readings(**others: Any) -> Readings:
    quiet: dict[str, Any] = {
        "serving": lambda: True,
        "connections": lambda: 12,
        "connections_allowed": 256,
        "admission_waiting": lambda: {"texts": 3, "media": 1},
        "bundles": lambda: {"active": "v2", "previous": "v1"},
        "labelled_videos": lambda: 60,
        "tag_edits": lambda: 5,
        "decode_workers": lambda: 2,
        "decode_workers_killed": lambda: 7,
        "certificate_expiry_s": lambda: None,
    }
    return Readings(**quiet | others)


def register(registry: CollectorRegistry, values: Readings) -> None:
    """Register all readings, as the service does."""
    register_server(registry, values)
    registry.register(ReadingsCollector(values))


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/videotag.v1.TaggingService/TagVideo", "TagVideo"),
        ("/videotag.v1.TaggingService/GetChurn", "GetChurn"),
        ("/videotag.v1.TaggingService/Nothing", "other"),
        ("/other.Service/TagVideo", "other"),
        ("TagVideo", "other"),
        ("", "other"),
        ("/videotag.v1.TaggingService/", "other"),
        ("/videotag.v1.TaggingService//videotag.v1.TaggingService/TagVideo", "other"),
    ],
)
def test_the_method_label_is_a_known_method_or_other(path: str, method: str) -> None:
    assert TAGGING.method_of(path) == method


def test_the_methods_are_those_of_the_proto() -> None:
    assert set(TAGGING.methods) == set(pb.DESCRIPTOR.services_by_name["TaggingService"].methods_by_name)


def test_counters_exist_with_zero_before_the_first_event() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    for stage in get_args(Stage):
        assert registry.get_sample_value("tagging_stage_seconds_count", {"stage": stage}) == 0
    for outcome in get_args(Outcome):
        assert registry.get_sample_value("tagging_videos_total", {"outcome": outcome}) == 0
    for method in TAGGING.methods:
        assert registry.get_sample_value("tagging_in_flight", {"method": method}) == 0
    for reason in ("OVERLOADED", "QUOTA_EXCEEDED", "UNAUTHENTICATED", "FORBIDDEN"):
        assert registry.get_sample_value("tagging_rejected_total", {"reason": reason}) == 0
    assert registry.get_sample_value("tagging_database_errors_total") == 0


def subclasses(kind: type[errors.VideotagError]) -> Iterator[type[errors.VideotagError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from subclasses(child)


def test_only_rejections_are_counted_as_rejections() -> None:
    class OwnError(errors.QuotaExceededError):
        """An error class of a later version."""

    rejecting = {StatusCode.RESOURCE_EXHAUSTED, StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED}
    for kind, code in CODES.items():
        registry = CollectorRegistry()
        Metrics(registry).rejected(kind("no"))
        counted = sum(s.value for f in registry.collect() for s in f.samples if s.name == "tagging_rejected_total")
        assert counted == (code in rejecting), kind
    registry = CollectorRegistry()
    Metrics(registry).rejected(OwnError("no"))
    assert registry.get_sample_value("tagging_rejected_total", {"reason": "QUOTA_EXCEEDED"}) == 1


def test_the_reason_of_an_error_comes_from_a_closed_set() -> None:
    class OwnError(errors.MediaTooBigError):
        """An error class of a later version."""

    assert error_reason(errors.MediaTooBigError("5 GiB")) == "MEDIA_TOO_BIG"
    assert error_reason(OwnError("5 GiB")) == "MEDIA_TOO_BIG"
    assert error_reason(KeyError("a title")) == "INTERNAL"
    assert error_reason(errors.VideotagError("no kind")) == "INTERNAL"


def test_counts_kept_elsewhere_are_read_at_each_scrape() -> None:
    registry, waiting = CollectorRegistry(), [0]
    register(registry, readings(admission_waiting=lambda: {"texts": waiting[0], "media": 2}))
    for waiting[0] in (4, 9):
        assert registry.get_sample_value("tagging_admission_waiting", {"inputs": "texts"}) == waiting[0]
    assert registry.get_sample_value("tagging_admission_waiting", {"inputs": "media"}) == 2
    assert registry.get_sample_value("tagging_serving") == 1
    assert registry.get_sample_value("tagging_labelled_videos") == 60
    assert registry.get_sample_value("tagging_connections") == 12
    assert registry.get_sample_value("tagging_connections_allowed") == 256
    assert registry.get_sample_value("tagging_tag_edits") == 5
    assert registry.get_sample_value("tagging_decode_workers") == 2
    assert registry.get_sample_value("tagging_decode_workers_killed_total") == 7


def test_the_certificate_expiry_is_exported_if_there_is_a_certificate() -> None:
    name = "tagging_tls_certificate_expiry_timestamp_seconds"
    for ends in (None, 1_900_000_000.5):
        registry = CollectorRegistry()
        register(registry, readings(certificate_expiry_s=lambda ends=ends: ends))
        assert registry.get_sample_value(name) == ends


def test_the_series_of_a_replaced_bundle_is_removed() -> None:
    registry, versions = CollectorRegistry(), {"active": "v1"}
    register(registry, readings(bundles=lambda: versions))
    assert bundles(registry) == {("v1", "active")}
    versions |= {"active": "v2", "previous": "v1"}
    assert bundles(registry) == {("v2", "active"), ("v1", "previous")}


def bundles(registry: CollectorRegistry) -> set[tuple[str, str]]:
    samples = [sample for family in registry.collect() for sample in family.samples]
    return {(s.labels["version"], s.labels["role"]) for s in samples if s.name == "tagging_bundle_info"}


@pytest.mark.parametrize("broken", ["serving", "bundles", "decode_workers_killed"])
def test_a_failed_reading_does_not_affect_others(broken: str, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> int:
        raise RuntimeError("closed")

    registry = CollectorRegistry()
    register(registry, readings())
    whole = {family.name for family in registry.collect()}
    registry = CollectorRegistry()
    register(registry, readings(**{broken: fail}))
    caplog.clear()
    [lost] = whole - {family.name for family in registry.collect()}
    assert broken.removesuffix("s").removesuffix("_killed") in lost
    assert [vars(record)["metric"] for record in caplog.records] == [lost]


def test_process_memory_cpu_and_files_are_exported() -> None:
    registry = CollectorRegistry()
    register(registry, readings())
    text = generate_latest(registry).decode()
    for name in ("process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"):
        assert f"\n{name} " in text
