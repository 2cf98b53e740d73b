"""Interceptor chain: telemetry, errors, drain and authentication, from the outermost to the innermost."""

from dataclasses import dataclass

import grpc
from opentelemetry.trace import Tracer

from tagging.service.clients.quotas import Quotas
from tagging.service.config import ListenConfig
from tagging.service.interceptors.auth import AuthInterceptor
from tagging.service.interceptors.drain import DrainInterceptor
from tagging.service.interceptors.errors import ErrorInterceptor
from tagging.service.interceptors.observe import TelemetryInterceptor
from tagging.service.net.port import load_clients
from tagging.service.observe.metrics import CallMetrics


@dataclass(frozen=True, slots=True, eq=False)
class InterceptorChain:
    """The interceptors of the server, and the one that drains it."""

    all: tuple[grpc.aio.ServerInterceptor, ...]
    drain: DrainInterceptor


def build_interceptors(config: ListenConfig, quotas: Quotas, metrics: CallMetrics, tracer: Tracer) -> InterceptorChain:
    """Build the chain; raises InvalidConfigError for a file of clients that cannot be used."""
    contract = metrics.contract
    drain = DrainInterceptor(contract.service)
    auth = AuthInterceptor(contract, load_clients(config), quotas)
    return InterceptorChain((TelemetryInterceptor(metrics, tracer), ErrorInterceptor(), drain, auth), drain)
