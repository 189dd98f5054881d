"""Which addresses may be connected to. Judges resolved addresses only: a name does not say where it leads.

The ranges are those of IANA's special-purpose address registries (RFC 6890) and a few that clouds keep.
The table is our own, since the interpreter's is wrong in places and changes with its version.
"""

import ipaddress
from collections.abc import Callable, Iterator
from typing import NamedTuple

_Reading = Callable[[int], tuple[int, ...]]


def _last_bits(address: int) -> tuple[int, ...]:
    return (address & 0xFFFFFFFF,)


def _behind_prefix(address: int) -> tuple[int, ...]:
    return (address >> 80 & 0xFFFFFFFF,)


def _server_and_client(address: int) -> tuple[int, ...]:
    """Teredo has both in an address, the client's with every bit turned over."""
    return (address >> 64 & 0xFFFFFFFF, ~address & 0xFFFFFFFF)


class Range(NamedTuple):
    """Addresses that are not simply the public Internet's."""

    network: str
    why: str = ""  #: it is forbidden; empty where the addresses within its addresses decide alone
    own: bool = False  #: an operator may have upstreams there, and say so
    inner: _Reading | None = None  #: the IPv4 addresses that one of these IPv6 addresses holds


#: Where two overlap the narrower one decides. `allow_private` opens what is `own`, never a cloud's metadata.
RANGES = (
    Range("0.0.0.0/8", "unspecified"),  # Linux takes it for the machine itself
    Range("10.0.0.0/8", "private", own=True),
    Range("100.64.0.0/10", "carrier-grade NAT", own=True),
    Range("100.100.100.200/32", "cloud metadata"),
    Range("127.0.0.0/8", "loopback", own=True),
    Range("168.63.129.16/32", "cloud metadata"),  # looks public, and is one cloud's own host
    Range("169.254.0.0/16", "link-local"),  # most clouds' metadata, among others
    Range("172.16.0.0/12", "private", own=True),
    Range("192.0.0.0/24", "protocol assignment"),
    Range("192.0.2.0/24", "documentation"),
    Range("192.88.99.0/24", "6to4 relay"),
    Range("192.168.0.0/16", "private", own=True),
    Range("198.18.0.0/15", "benchmarking", own=True),
    Range("198.51.100.0/24", "documentation"),
    Range("203.0.113.0/24", "documentation"),
    Range("224.0.0.0/4", "multicast"),
    Range("240.0.0.0/4", "reserved"),
    Range("255.255.255.255/32", "broadcast"),
    # Public IPv6 addresses are given out of 2000::/3 alone (RFC 4291); the next three are all the others.
    Range("::/3", "reserved"),
    Range("4000::/2", "reserved"),
    Range("8000::/1", "reserved"),
    Range("::/128", "unspecified"),
    Range("::1/128", "loopback", own=True),
    Range("::/96", inner=_last_bits),  # IPv4-compatible
    Range("::ffff:0:0/96", inner=_last_bits),  # IPv4-mapped
    Range("64:ff9b::/96", inner=_last_bits),  # NAT64
    Range("64:ff9b:1::/48", "local NAT64", own=True, inner=_last_bits),
    Range("100::/64", "discard"),
    Range("2001::/23", "protocol assignment"),
    Range("2001::/32", inner=_server_and_client),  # Teredo, RFC 4380
    Range("2001:db8::/32", "documentation"),
    Range("2002::/16", inner=_behind_prefix),  # 6to4
    Range("3fff::/20", "documentation"),
    Range("fc00::/7", "private", own=True),
    Range("fd00:ec2::254/128", "cloud metadata"),
    Range("fd20:ce::254/128", "cloud metadata"),
    Range("fe80::/10", "link-local"),
    Range("fec0::/10", "site-local"),
    Range("ff00::/8", "multicast"),
)

#: Bits 64 to 95 of an ISATAP address (RFC 5214, section 6.1), which may lie in any network; two of them vary.
_ISATAP, _ISATAP_VARIES = 0x00005EFE, 0x03000000


class _Row(NamedTuple):
    version: int
    shift: int
    prefix: int
    range: Range


def _row(entry: Range) -> _Row:
    network = ipaddress.ip_network(entry.network)
    shift = network.max_prefixlen - network.prefixlen
    return _Row(network.version, shift, int(network.network_address) >> shift, entry)


#: Narrowest first: the first that fits decides.
_ROWS = sorted(map(_row, RANGES), key=lambda row: row.shift)


def why_forbidden(address: str, *, allow_private: bool = False) -> str | None:
    """Why nothing may connect to the address, in a word or two; None if it may be connected to."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "not an address"
    for found in _ranges_of(parsed.version, int(parsed)):
        if found.why and not (found.own and allow_private):
            return found.why
    # Only addresses of one link need a scope, and those are forbidden as such.
    return "scoped" if "%" in address else None


def _ranges_of(version: int, number: int) -> Iterator[Range]:
    """The range that decides on the address, then those that decide on the addresses within it."""
    for row in _ROWS:
        if row.version == version and number >> row.shift == row.prefix:
            yield row.range
            yield from _ranges_within(row.range.inner, number)
            break
    if version == 6 and number >> 32 & 0xFFFFFFFF & ~_ISATAP_VARIES == _ISATAP:
        yield from _ranges_within(_last_bits, number)


def _ranges_within(reading: _Reading | None, number: int) -> Iterator[Range]:
    for inner in reading(number) if reading else ():
        yield from _ranges_of(4, inner)
