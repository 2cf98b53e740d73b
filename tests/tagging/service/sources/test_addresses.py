import asyncio
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import numpy as np
import pytest

from tagging.media.web.network import IPAddress, resolve
from tagging.service.sources.addresses import is_public, public_or_in


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "127.0.0.1", "127.255.255.254",
        "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.0.1", "198.18.0.1",
        "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "192.88.99.1",
        "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::808:808",
        "64:ff9b:1::1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1",
        "3fff::1", "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "4000::1",
    ],
)  # fmt: skip
def test_private_addresses_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.167.1.1", "223.255.255.1",
     "2001:200::1", "2606:4700::1111", "2a00:1450::1", "2003::1"],
)  # fmt: skip
def test_internet_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_addresses_private_by_the_standard_library_are_not_public() -> None:
    rng = np.random.default_rng(5)
    addresses: list[IPAddress] = [IPv4Address(int(n)) for n in rng.integers(0, 2**32, 20_000, np.uint64)]
    addresses += [IPv6Address(int.from_bytes(rng.bytes(16))) for _ in range(20_000)]
    for address in addresses:
        if not address.is_global or address.is_multicast or address.is_reserved:
            assert not is_public(address), address


def test_private_networks_can_be_allowed_by_configuration() -> None:
    may = public_or_in([ip_network("10.1.0.0/16"), ip_network("fd00::/8")])
    allowed = ["10.1.2.3", "fd00::7", "1.1.1.1"]
    refused = ["10.2.0.1", "127.0.0.1", "::ffff:10.1.2.3", "fe80::1"]
    assert [may(ip_address(address)) for address in allowed + refused] == [True] * 3 + [False] * 4


def test_the_system_resolver_returns_addresses() -> None:
    assert not any(is_public(address) for address in asyncio.run(resolve("localhost", 80)))
