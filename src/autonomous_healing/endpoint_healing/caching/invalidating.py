"""What a change at its source makes worthless (RFC 9111, section 4.4)."""

from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

from autonomous_healing.wire.message import Fields

#: Methods that change nothing (RFC 9110, section 9.2.1); any other may.
SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PROPFIND", b"REPORT", b"SEARCH"})


def changes(method: bytes, status: int) -> bool:
    """Whether an answer tells that something has changed."""
    return method not in SAFE and 200 <= status < 400


def changed_targets(target: bytes, base: str, answer: Fields) -> Iterator[bytes]:
    """The target, and what the answer names of the same origin.

    `base`: the address of the source with the path before every target, without a slash at its end.
    """
    yield target
    asked = base + target.decode("latin-1")
    for name, value in answer:
        if name in (b"location", b"content-location"):
            named = _joined(asked, value.decode("latin-1"))
            if named is not None and named.startswith(base + "/"):
                yield named[len(base) :].encode("latin-1")


def _joined(asked: str, named: str) -> str | None:
    try:
        found = urlsplit(urljoin(asked, named))
        return found._replace(fragment="", netloc=found.netloc.lower()).geturl()
    except ValueError:
        return None
