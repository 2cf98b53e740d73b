"""Health and metrics of Triton: real inferences find models that died, which Triton itself still calls ready.

The health is NOT_SERVING from the first failed call or probe of a model until the next one that succeeds. A database
gets more patience (watch.py), but a model that fails fails every video; those that arrive meanwhile wait for it.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextvars import copy_context
from dataclasses import dataclass
from typing import NoReturn

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from tagging import concurrency
from tagging.features.triton.client import TritonClient
from tagging.features.triton.model import TritonModel
from tagging.pipeline.models import PipelineModels
from tagging.pipeline.triton_towers import triton_models
from tagging.service.config import HealthConfig
from tagging.service.net.tls import TritonClientCertificate
from tagging.service.observe.health import Health

DEPENDENCY = "triton"


@dataclass(frozen=True, slots=True, eq=False)
class ObservedTriton:
    """A connection to Triton, the models of the active bundle, and this process's certificate."""

    client: TritonClient
    active: Callable[[], PipelineModels]
    certificate: TritonClientCertificate | None = None  # None: without mutual TLS

    @property
    def models(self) -> list[TritonModel]:
        """The models that the active bundle uses now."""
        return triton_models(self.active())


async def watch_triton(triton: ObservedTriton, health: Health, config: HealthConfig) -> NoReturn:
    """Probe the models until cancelled, and report to `health` what probes and calls find."""
    loop, availability = asyncio.get_running_loop(), triton.client.availability

    def report(failing: frozenset[str]) -> None:
        loop.call_soon_threadsafe(health.set_working, DEPENDENCY, not failing)

    availability.listener = report
    report(availability.failing)
    probing = copy_context()
    while True:
        models = triton.models
        availability.forget_all_but({model.spec.name for model in models})
        for model in models:
            probing.run(concurrency.set_deadline, config.check_timeout_s)
            await loop.run_in_executor(None, probing.run, model.works)
        await asyncio.sleep(config.check_every_s)


class TritonCollector(Collector):
    """Prometheus collector of the state of the models, of repairs, and of the client certificate."""

    def __init__(self, triton: ObservedTriton) -> None:
        self._triton = triton

    def collect(self) -> Iterable[Metric]:
        client = self._triton.client
        works = GaugeMetricFamily(
            "tagging_triton_model_works", "1 if the latest call of the model on Triton succeeded.", labels=("model",)
        )
        failing = client.availability.failing
        for model in self._triton.models:
            works.add_metric((model.spec.name,), float(model.spec.name not in failing))
        yield works
        yield CounterMetricFamily(
            "tagging_triton_failures",
            "Failed calls of Triton, those that were repeated included.",
            value=client.availability.failures,
        )
        yield CounterMetricFamily(
            "tagging_triton_reloads", "Models on Triton that had died and were reloaded.", value=client.reloads
        )
        certificate = self._triton.certificate
        if certificate is not None and (ends := certificate.ends) is not None:
            yield GaugeMetricFamily(
                "tagging_triton_certificate_expiry_timestamp_seconds",
                "Expiry of the certificate that is shown to Triton, Unix time.",
                value=ends.timestamp(),
            )
