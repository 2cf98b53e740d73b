"""Allow-list of origins: the scheme, host and port of the web addresses that callers may name."""

from collections.abc import Sequence

from tagging.media.web.network import is_ip
from tagging.media.web.urls import WebAddress, parse_web_address


class AllowedOrigins:
    """The allow-list of `SourcesConfig.origins`: `address in origins`."""

    def __init__(self, origins: Sequence[str]) -> None:
        """Raises SourceNotAllowedError for an invalid origin."""
        self._exact: set[tuple[str, str, int]] = set()
        self._below: set[tuple[str, str, int]] = set()
        for origin in origins:
            address = parse_web_address(origin.replace("*.", "", 1))
            (self._below if "*." in origin else self._exact).add(address.origin)

    def __contains__(self, address: WebAddress) -> bool:
        if address.origin in self._exact:
            return True
        return not is_ip(address.host) and any(
            (scheme, port) == (address.scheme, address.port) and address.host.endswith(f".{host}")
            for scheme, host, port in self._below
        )
