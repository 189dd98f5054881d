"""What is told of a cache in `Age` and `Cache-Status` (RFC 9111, section 5.1; RFC 9211)."""

from enum import StrEnum

#: Our name among the caches on the way.
NAME = b"autonomous_healing"


class Forwarded(StrEnum):
    """Why a request went to its source (RFC 9211, section 2.2)."""

    BYPASS = "bypass"  #: nothing of it is kept
    METHOD = "method"
    URI_MISS = "uri-miss"
    VARY_MISS = "vary-miss"
    STALE = "stale"
    REQUEST = "request"  #: its caller wanted it so


def hit_lines(age: int, ttl: int, detail: str = "") -> bytes:
    """`Age` and `Cache-Status` of an answer that was not asked for; `ttl`: seconds left, or below 0."""
    more = b"; detail=%b" % detail.encode() if detail else b""
    return b"age: %d\r\ncache-status: %b; hit; ttl=%d%b\r\n" % (age, NAME, ttl, more)


def forwarded_status(
    why: Forwarded,
    *,
    status: int | None = None,
    ttl: float | None = None,
    stored: bool = False,
    collapsed: bool | None = None,
    detail: str = "",
) -> bytes:
    """The value of `Cache-Status` for an answer that was asked for.

    `status`: what the source said, where that is another; `ttl` in seconds; `collapsed`: whether several
    requests shared one call, None where it was alone.
    """
    parts = [NAME, b"fwd=" + why.encode()]
    if status is not None:
        parts.append(b"fwd-status=%d" % status)
    if ttl is not None:
        parts.append(b"ttl=%d" % int(ttl))
    if stored:
        parts.append(b"stored")
    if collapsed is not None:
        parts.append(b"collapsed" if collapsed else b"collapsed=?0")
    if detail:
        parts.append(b"detail=" + detail.encode())
    return b"; ".join(parts)
