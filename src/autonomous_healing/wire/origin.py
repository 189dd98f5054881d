"""The one reading of an upstream's base URL, for checking it and for connecting to it alike."""

import ipaddress
import re
from typing import NamedTuple

from autonomous_healing.wire.errors import BadOrigin

#: Deliberately narrow: what parsers are known to read differently (user names, backslashes, tabs, two ports,
#: fragments, letters beyond ASCII) is refused.
_BASE_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9_][A-Za-z0-9_-]{0,62}(?:\.[A-Za-z0-9_-]{1,63})*\.?"
    r"|\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]{1,44}\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<prefix>(?:/[A-Za-z0-9._~!$&'()*+,=:@-]*)*)"
)

_USUAL_PORT = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Where requests go: scheme, host name or address (an IPv6 one without brackets), port."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """As in a `Host` field: the port only where it is not the scheme's usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _USUAL_PORT[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def read_base_url(text: str) -> tuple[Origin, str]:
    """The origin, and the path that stands before every path, without a slash at its end.

    Raises `BadOrigin`.
    """
    found = _BASE_URL.fullmatch(text)
    if found is None:
        raise BadOrigin(f"{text!r} is no base URL: give for example https://api.example.com")
    scheme, port = found["scheme"], int(found["port"] or 0) or _USUAL_PORT[found["scheme"]]
    if found["port"] is not None and not 0 < int(found["port"]) < 65536:
        raise BadOrigin(f"{text!r}: a port is a number from 1 to 65535")
    if any(part in (".", "..") for part in found["prefix"].split("/")):
        raise BadOrigin(f"{text!r}: the path holds a relative segment")
    host = found["host"].strip("[]").removesuffix(".").lower()
    if ":" in host and not _is_ipv6(host):
        raise BadOrigin(f"{text!r}: what stands in brackets is no IPv6 address")
    return Origin(scheme, host, port), found["prefix"].rstrip("/")


def _is_ipv6(text: str) -> bool:
    try:
        return bool(ipaddress.IPv6Address(text))
    except ValueError:
        return False
