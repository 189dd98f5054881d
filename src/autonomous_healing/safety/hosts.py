"""Which names are our own, and which requests come from pages of others. Pure.

A page elsewhere can have its own name lead to this machine (DNS rebinding): its browser then takes us for
that page, and only the `Host` that it sends tells the difference.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

#: A name or an address, and a port. Anything more has been read in two ways before: `a/b@c`, `localhost/#@x`.
_AUTHORITY = re.compile(
    r"(?:(?P<name>[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?)|\[(?P<address>[0-9A-Fa-f:.]{2,45})\])"
    r"(?::[0-9]{1,5})?"
)

_ORIGIN = re.compile(r"https?://(?P<authority>[^/?#@\s]+)", re.IGNORECASE)

#: What a browser says of where a request comes from (Fetch Metadata), when that is no page of others: our own
#: page, or the person at the keyboard.
_OWN = frozenset({"same-origin", "none"})


def host_in(authority: str) -> str | None:
    """The host of a `Host` field, in lower case and without brackets; None where the form is odd."""
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        return None
    return (found["name"] or found["address"]).lower()


def address_in(text: str) -> IPv4Address | IPv6Address | None:
    """An address as it is meant: one of IPv4 in IPv6 is one of IPv4. None where it is a name."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    inner = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return inner or address


def is_loopback(host: str) -> bool:
    """Whether it is `localhost`, or an address by which a machine reaches itself."""
    if host in LOOPBACK:
        return True
    address = address_in(host)
    return address is not None and address.is_loopback


@dataclass(frozen=True, slots=True)
class OwnHosts:
    """Loopback and the names that were configured."""

    names: frozenset[str] = field(default=frozenset())

    @classmethod
    def of(cls, names: Iterable[str | None]) -> "OwnHosts":
        """Hosts without a port; those that are none are left out."""
        return cls(frozenset(name.lower() for name in names if name))

    def answer_for(self, authority: str) -> bool:
        """Whether a `Host` field names us."""
        host = host_in(authority)
        return host is not None and (host in self.names or is_loopback(host))


def is_foreign(authority: str, origins: Collection[str], sites: Collection[str]) -> bool:
    """Whether a page of others sent it, by `Origin` and `Sec-Fetch-Site`; each may be there once.

    What is no browser says neither, and is no page.
    """
    if len(origins) > 1 or len(sites) > 1:
        return True
    if any(site not in _OWN for site in sites):
        return True
    return any(not _is_same(origin, authority) for origin in origins)


def _is_same(origin: str, authority: str) -> bool:
    """By host and port: somebody before us may have ended the TLS that its scheme speaks of."""
    found = _ORIGIN.fullmatch(origin)
    return found is not None and found["authority"].lower() == authority.lower()
