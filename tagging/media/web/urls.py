"""Parsers of http(s) URLs: a strict one, whose result serves both the allow-list and the connection, and a lenient one.

Allow-lists are bypassed where two parsers read `http://good.example\\@evil.example` in two ways. So an address is
either in the plain form below or refused, and nothing is parsed twice: the connection uses the parts that were checked.
URLs of a trusted manifest are brought into the plain form first.
"""

import re
import string
from base64 import b64encode
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from urllib.parse import quote, unquote_to_bytes, urljoin

from tagging.errors import SourceNotAllowedError
from tagging.messages import shown

PORTS = {"http": 80, "https": 443}
LONGEST = 8192  # characters of an address
LONGEST_HOST = 253

# ASCII: otherwise re matches the Kelvin sign as a k.
WEB_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?:#.*)?", re.IGNORECASE | re.ASCII
)
AUTHORITY = re.compile(r"(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?", re.IGNORECASE | re.ASCII)
NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # some programs read a host whose last label is a number as an IPv4 address


@dataclass(frozen=True, slots=True)
class WebAddress:
    """The parts of an http(s) address."""

    scheme: str  # http or https
    host: str  # a name in lower case, or an IP address as Python writes it, without brackets
    port: int
    path: str  # from the slash on, in ASCII
    query: str  # from the question mark on, or ""
    authorization: str = field(default="", repr=False)  # header for this scheme, host and port

    @property
    def authority(self) -> str:
        """Host and port as in the header Host; without a default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def name(self) -> str:
        """The address for messages and logs, without the query, which may contain a signature."""
        return shown(f"{self.scheme}://{self.authority}{self.path}")

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port."""
        return self.scheme, self.host, self.port


def is_web_address(uri: str) -> bool:
    """Return whether a `uri` is an http(s) address, valid or not."""
    return re.match(r"https?:", uri, re.IGNORECASE | re.ASCII) is not None


def parse_web_address(uri: str) -> WebAddress:
    """Parse an address. Raises SourceNotAllowedError, which does not contain the address: it may hold a password."""
    if len(uri) > LONGEST:
        raise SourceNotAllowedError(f"the address has {len(uri)} characters, expected at most {LONGEST}")
    if "\\" in uri or not uri.isprintable():
        raise SourceNotAllowedError("the address has a backslash or a non-printable character", "percent-encode it")
    match = WEB_ADDRESS.fullmatch(uri)
    if match is None:
        raise SourceNotAllowedError("the address is not of the form https://host/path")
    authority = AUTHORITY.fullmatch(match["authority"])
    if authority is None:
        raise SourceNotAllowedError(
            "the address has no plain host, expected https://host/path or https://host:port/path",
            "leave out user and password, and write the host in ASCII (xn--…)",
        )
    scheme = match["scheme"].lower()
    port = int(authority["port"]) if authority["port"] else PORTS[scheme]
    if not 0 < port < 1 << 16:
        raise SourceNotAllowedError(f"the address has port {port}, expected 1 to 65535")
    return WebAddress(
        scheme=scheme,
        host=_host(authority["host"].lower()),
        port=port,
        path=percent_encoded(match["path"]) or "/",
        query=percent_encoded(match["query"] or ""),
    )


def parse_typed_address(url: str) -> WebAddress:
    """Parse a URL as people and databases write it: with spaces, hosts in any script, stray percent signs, credentials.

    Raises SourceNotAllowedError for a host that cannot be a domain name.
    """
    # Not urlsplit: it silently drops newlines and tabs.
    parts = re.fullmatch(r"([^:]*://)(?:([^/?#]*)@)?([^/?#]*?)(?::([0-9]*))?([/?#].*)?", url, re.DOTALL)
    if parts is None:
        raise SourceNotAllowedError("not a URL")
    scheme, user, host, port, rest = parts.groups("")
    try:
        host = host if host.isascii() else host.encode("idna").decode()
        plain = scheme + host.removesuffix(".") + (f":{port}" if port else "") + percent_encoded(rest)
        address = parse_web_address(plain.replace("\\", "%5C"))
    except UnicodeError as error:
        raise SourceNotAllowedError(f"the address is not valid: {shown(str(error))}") from error
    if not user:
        return address
    credentials = unquote_to_bytes(user if ":" in user else f"{user}:")
    return replace(address, authorization=f"Basic {b64encode(credentials).decode()}")


def percent_encoded(text: str) -> str:
    """Percent-encode the part of a URL after its host; stray percent signs too, but no sequence that is encoded."""
    return quote(re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", text), safe=string.punctuation)


def redirected(address: WebAddress, location: bytes) -> WebAddress:
    """Return the target of a redirect. Raises SourceNotAllowedError, as for any address.

    location: the header as it was sent; bytes beyond ASCII, mostly UTF-8, are percent-encoded as browsers do it
    """
    target = "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in location)
    if "\\" in target or not target.isprintable():  # urljoin would drop some characters silently
        raise SourceNotAllowedError("a redirect leads to an address with a non-printable character")
    if not re.match(r"[a-z][a-z0-9+.-]*:", target, re.IGNORECASE | re.ASCII):  # urljoin would complete http:///x
        base = f"{address.scheme}://{address.authority}{address.path}{address.query}"
        try:
            target = urljoin(base, target)
        except ValueError as error:
            raise SourceNotAllowedError("a redirect leads to an invalid address") from error
    found = parse_web_address(target)
    return replace(found, authorization=address.authorization) if found.origin == address.origin else found


def _host(host: str) -> str:
    """Return a host in canonical form. Raises SourceNotAllowedError."""
    bare = host[1:-1] if host.startswith("[") else host
    if bare != host or NUMBER.fullmatch(host.rpartition(".")[2]):
        try:
            address = ip_address(bare)
        except ValueError:
            address = None
        if address is None or (address.version == 6) != (bare != host):
            raise SourceNotAllowedError(
                "the address has a host that looks like an IP address but is not in canonical form"
            )
        return str(address)
    if len(host) > LONGEST_HOST or not NAME.fullmatch(host):
        raise SourceNotAllowedError("the address has a host that is not a plain domain name")
    return host
