"""SSRF protection: the network addresses to which callers may make the service connect. Public ones by default.

The lists are IANA's special-purpose registries, written out: `ipaddress.is_global` has changed between Python versions,
and counts addresses that embed another address as global.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from tagging.media.web.network import AddressPolicy, IPAddress

NOT_PUBLIC_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network; connecting to it reaches the machine itself
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by a provider's customers
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local; clouds keep their credentials at 169.254.169.254
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
# All of IPv6 that has been allocated for public use. It excludes loopback, link-local, unique local, multicast, and
# IPv4 addresses that are mapped (::ffff:0:0/96), compatible (::/96) or translated (64:ff9b::/96).
PUBLIC_V6 = IPv6Network("2000::/3")
NOT_PUBLIC_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocols, among them Teredo, which carries an IPv4 address
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries an IPv4 address
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)


def is_public(address: IPAddress) -> bool:
    """Return whether the address is globally reachable and embeds no other address."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC_V4)
    return address in PUBLIC_V6 and not any(address in network for network in NOT_PUBLIC_V6)


def public_or_in(networks: Sequence[IPv4Network | IPv6Network]) -> AddressPolicy:
    """Return a policy that allows public addresses and those in the given networks."""
    return lambda address: is_public(address) or any(address in network for network in networks)
