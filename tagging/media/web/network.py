"""Network connections of the HTTP client: to addresses that were checked, or through a proxy.

A name is resolved once, by the code that connects, and the connection goes to an address that was checked (no DNS
rebinding). TLS still verifies the name.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import unquote, urlsplit

import httpcore2

from tagging.errors import MediaNotFoundError, SourceNotAllowedError
from tagging.media.web.urls import WebAddress

logger = logging.getLogger(__name__)

IPAddress = IPv4Address | IPv6Address
AddressPolicy = Callable[[IPAddress], bool]  # True: may be connected to
Resolver = Callable[[str, int], Awaitable[Sequence[IPAddress]]]  # host and port -> addresses; raises OSError
ProxyOf = Callable[[WebAddress], str | None]  # the URL of the proxy for an address; None: connect directly

TRIED = 4  # addresses tried per name, at most


def is_ip(host: str) -> bool:
    """Return whether a host is an IP address, not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def resolve(host: str, port: int) -> Sequence[IPAddress]:
    """Resolve a host with the system's resolver. Raises OSError."""
    addresses = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # A link-local address may have a zone, as in fe80::1%eth0; ip_address accepts it.
    return tuple(dict.fromkeys(ip_address(address[4][0]) for address in addresses))


class CheckedNetwork(httpcore2.AsyncNetworkBackend):
    """Network backend that connects to the address it has checked, whatever the name resolves to later."""

    def __init__(self, resolve: Resolver, may_connect: AddressPolicy) -> None:
        self._resolve = resolve
        self._may_connect = may_connect
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to a checked address of the host.

        Raises SourceNotAllowedError, MediaNotFoundError, and the errors of httpcore2.
        """
        failure: Exception | None = None
        for address in await self._addresses(host, port):
            try:
                return await self._network.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore2.ConnectError(f"no address of {host}")

    async def _addresses(self, host: str, port: int) -> Sequence[IPAddress]:
        """Resolve a host. All addresses must be allowed: a name with an address that is not is refused altogether."""
        try:
            addresses = [ip_address(host)] if is_ip(host) else await self._resolve(host, port)
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise httpcore2.ConnectError(str(error)) from error
            raise MediaNotFoundError("the host does not exist") from error
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        if refused := [address for address in addresses if not self._may_connect(address)]:
            logger.warning("address refused", extra={"host": host, "addresses": [str(address) for address in refused]})
            raise SourceNotAllowedError(
                "the host has an address that is not allowed", "ask the operator to add it to sources.networks"
            )
        return addresses[:TRIED]


class Connections:
    """Opens a connection for each request; none is used twice."""

    def __init__(
        self,
        network: httpcore2.AsyncNetworkBackend,
        ssl_context: ssl.SSLContext,
        proxy_of: ProxyOf = lambda _: None,  # a proxy resolves names itself, so the network cannot check them
    ) -> None:
        self._network = network
        self._ssl_context = ssl_context
        self._proxy_of = proxy_of

    def open(self, address: WebAddress, url: httpcore2.URL) -> httpcore2.AsyncHTTPConnection | httpcore2.AsyncHTTPProxy:
        """Return a context manager that closes the connection, which is made with the first request."""
        proxy = self._proxy_of(address)
        if proxy is None:
            return httpcore2.AsyncHTTPConnection(
                origin=url.origin, ssl_context=self._ssl_context, network_backend=self._network
            )
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        credentials = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        return httpcore2.AsyncHTTPProxy(
            httpcore2.URL(scheme=parts.scheme, host=host, port=port, target="/"),
            proxy_auth=credentials,
            ssl_context=self._ssl_context,
        )
