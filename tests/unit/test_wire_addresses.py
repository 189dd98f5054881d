"""Which resolved addresses may be connected to."""

import ipaddress
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomous_healing.wire.addresses import RANGES, Range, why_forbidden

FORBIDDEN = [
    ("0.0.0.0", "unspecified"),
    ("0.1.2.3", "unspecified"),
    ("10.0.0.1", "private"),
    ("100.64.0.1", "carrier-grade NAT"),
    ("100.127.255.255", "carrier-grade NAT"),
    ("100.100.100.200", "cloud metadata"),
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("168.63.129.16", "cloud metadata"),
    ("169.254.0.1", "link-local"),
    ("169.254.169.254", "link-local"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.0.0.8", "protocol assignment"),
    ("192.0.0.192", "protocol assignment"),
    ("192.0.2.1", "documentation"),
    ("192.88.99.1", "6to4 relay"),
    ("192.168.1.1", "private"),
    ("198.18.0.1", "benchmarking"),
    ("198.19.255.255", "benchmarking"),
    ("198.51.100.1", "documentation"),
    ("203.0.113.1", "documentation"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.250", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "broadcast"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("100::1", "discard"),
    ("100:0:0:1::1", "reserved"),
    ("2001:2::1", "protocol assignment"),
    ("2001:10::1", "protocol assignment"),
    ("2001:20::1", "protocol assignment"),
    ("2001:db8::1", "documentation"),
    ("3fff::1", "documentation"),
    ("4000::1", "reserved"),
    ("5f00::1", "reserved"),
    ("8000::1", "reserved"),
    ("fc00::1", "private"),
    ("fd12:3456::1", "private"),
    ("fd00:ec2::254", "cloud metadata"),
    ("fd20:ce::254", "cloud metadata"),
    ("fe80::1", "link-local"),
    ("fe80::1%eth0", "link-local"),
    ("fec0::1", "site-local"),
    ("ff02::1", "multicast"),
]

WRAPPED = [
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:a9fe:a9fe", "link-local"),
    ("::ffff:0:127.0.0.1", "reserved"),
    ("::127.0.0.1", "loopback"),
    ("::10.0.0.1", "private"),
    ("64:ff9b::7f00:1", "loopback"),
    ("64:ff9b::169.254.169.254", "link-local"),
    ("64:ff9b:1::7f00:1", "local NAT64"),
    ("64:ff9b:1:7f00:0:100::", "local NAT64"),
    ("2002:7f00:1::", "loopback"),
    ("2002:a00:1::1", "private"),
    ("2001:0:808:808:0:0:80ff:fffe", "loopback"),  # the client is 127.0.0.1
    ("2001:0:7f00:1:0:0:f7f7:f7f7", "loopback"),  # the server is
    ("2a00:1450::5efe:7f00:1", "loopback"),
    ("2a00:1450::200:5efe:10.0.0.1", "private"),
    ("2002:808:808::5efe:192.168.0.1", "private"),
]

ALLOWED = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "93.184.215.14",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2001:db7::1",
    "2003::1",
    "2606:4700:4700::1111",
    "2a00:1450:4001:80e::200e",
    "::ffff:8.8.8.8",
    "::8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
    "2001:0:808:808:0:0:f7f7:f7f7",
    "2a00:1450::5efe:808:808",
]

NO_ADDRESSES = [
    "",
    " 8.8.8.8",
    "8.8.8.8 ",
    "8.8.8.8\n",
    "8.8.8.8:80",
    "8.8.8.8/32",
    "8.8.8.8%lo",
    "8.8",
    "134744072",
    "0x08080808",
    "010.8.8.8",
    "８.8.8.8",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "[::1]",
    ":::1",
    "localhost",
]


@pytest.mark.parametrize(("address", "why"), FORBIDDEN)
def test_ranges_that_are_not_public_are_forbidden(address: str, why: str) -> None:
    assert why_forbidden(address) == why


@pytest.mark.parametrize(("address", "why"), WRAPPED)
def test_an_address_within_an_address_is_judged(address: str, why: str) -> None:
    assert why_forbidden(address) == why


@pytest.mark.parametrize("address", ALLOWED)
def test_public_addresses_are_allowed(address: str) -> None:
    assert why_forbidden(address) is None


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_is_no_address_is_forbidden(text: str) -> None:
    assert why_forbidden(text, allow_private=True) == "not an address"


@pytest.mark.parametrize("address", ["2a00:1450::1%eth0", "2a00:1450::1%25lo", "::ffff:8.8.8.8%1"])
def test_a_scope_makes_a_public_address_forbidden(address: str) -> None:
    assert why_forbidden(address) == "scoped"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "100.64.0.1", "192.168.0.1", "198.18.0.1", "::1", "fd12::1",
        "::ffff:127.0.0.1", "64:ff9b:1::7f00:1", "64:ff9b::10.0.0.1", "8.8.8.8",
    ],
)  # fmt: skip
def test_networks_of_ones_own_can_be_allowed(address: str) -> None:
    assert why_forbidden(address, allow_private=True) is None


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254",
        "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1",
        "fd12::5efe:169.254.169.254", "fe80::1%lo", "::1%lo", "::", "224.0.0.1", "ff02::1", "192.0.2.1",
    ],
)  # fmt: skip
def test_what_no_upstream_has_stays_forbidden(address: str) -> None:
    assert why_forbidden(address, allow_private=True) is not None


ipv4 = st.ip_addresses(v=4) | st.sampled_from([row.network for row in RANGES if "." in row.network]).flatmap(
    lambda network: st.ip_addresses(network=network)
)

WRAPPINGS: list[Callable[[int], int]] = [
    lambda inner: 0xFFFF << 32 | inner,
    lambda inner: 0x64FF9B << 96 | inner,
    lambda inner: 0x2002 << 112 | inner << 80 | 1,
    lambda inner: 0x20010000 << 96 | 0x08080808 << 64 | inner ^ 0xFFFFFFFF,
    lambda inner: 0x20010000 << 96 | inner << 64 | 0x08080808 ^ 0xFFFFFFFF,
    lambda inner: 0x2A001450 << 96 | 0x5EFE << 32 | inner,
    lambda inner: 0x2A001450 << 96 | 0x02005EFE << 32 | inner,
]


@given(inner=ipv4, wrap=st.sampled_from(WRAPPINGS), private=st.booleans())
def test_wrapping_an_address_changes_no_verdict(
    inner: ipaddress.IPv4Address, wrap: Callable[[int], int], private: bool
) -> None:
    wrapped = str(ipaddress.IPv6Address(wrap(int(inner))))
    assert why_forbidden(wrapped, allow_private=private) == why_forbidden(str(inner), allow_private=private)


@given(st.ip_addresses(v=4))
def test_nothing_that_the_interpreter_calls_private_is_allowed(address: ipaddress.IPv4Address) -> None:
    special = address.is_private or address.is_reserved or address.is_multicast
    assert not (special and why_forbidden(str(address)) is None)


@pytest.mark.parametrize("row", [row for row in RANGES if row.why], ids=lambda row: row.network)
def test_a_range_is_forbidden_from_end_to_end(row: Range) -> None:
    network = ipaddress.ip_network(row.network)
    assert why_forbidden(str(network[0])) is not None
    assert why_forbidden(str(network[-1])) is not None
