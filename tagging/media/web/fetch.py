"""HTTP client of the command line: any http(s) address, through the proxies of the environment, with retries."""

import ssl
import urllib.request
from collections.abc import Sequence
from functools import cache
from random import Random
from socket import gaierror

from tagging.config.media import MediaConfig
from tagging.media.web.client import DownloadLimits, WebClient
from tagging.media.web.network import CheckedNetwork, Connections, IPAddress, resolve
from tagging.media.web.retries import Retries
from tagging.media.web.urls import WebAddress

IDLE_TIMEOUT_S = 30.0  # shorter than the whole download may take, so that a server that hangs is tried again
REDIRECTS = 10
FIRST_WAIT_S = 1.0


def web_client(config: MediaConfig, retries: Retries | None = None) -> WebClient:
    """Return a client with the limits of `media`; its jitter is drawn from a generator of this process by default."""
    limits = DownloadLimits(
        max_bytes=config.max_bytes,
        timeout_s=config.decode_timeout_s,
        idle_timeout_s=min(IDLE_TIMEOUT_S, config.decode_timeout_s),
        redirects=REDIRECTS,
        max_bytes_key="media.max_bytes",
        timeout_key="media.decode_timeout_s",
    )
    network = CheckedNetwork(_resolve, lambda _: True)
    connections = Connections(network, _ssl_context(), _proxy_of)
    return WebClient(limits, connections, lambda _: True, retries or Retries(Random(), first_s=FIRST_WAIT_S))


async def _resolve(host: str, port: int) -> Sequence[IPAddress]:
    """Resolve a name. A machine without a network may answer that it does not exist, so that is no final failure."""
    try:
        return await resolve(host, port)
    except gaierror as error:
        raise OSError(f"{host} cannot be resolved: {error.strerror}") from error


@cache
def _ssl_context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _proxy_of(address: WebAddress) -> str | None:
    """Return the proxy of the environment, such as http_proxy, for an address, unless no_proxy excludes the host."""
    if urllib.request.proxy_bypass(address.host):
        return None
    return urllib.request.getproxies().get(address.scheme)
