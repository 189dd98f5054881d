"""Requests and answers as a shared cache sees them, with as few words as possible."""

from typing import Any, cast

import http_sf

from autonomous_healing.endpoint_healing.caching.answers import AnswerFacts, read_answer
from autonomous_healing.endpoint_healing.caching.dates import write_date
from autonomous_healing.endpoint_healing.caching.requests import CacheRequest, read_request
from autonomous_healing.endpoint_healing.caching.stored import Received, StoredAnswer
from autonomous_healing.wire.message import RequestHead

#: A moment in Unix seconds: 2026-11-20, 12:00:00 UTC.
NOON = 1_795_176_000.0

Pairs = list[tuple[bytes, bytes]]


def pairs(**fields: str | list[str]) -> Pairs:
    """`cache_control="no-store"` is a field, and a list makes several lines of it."""
    found = []
    for name, values in fields.items():
        for value in [values] if isinstance(values, str) else values:
            found.append((name.replace("_", "-").encode(), value.encode("latin-1")))
    return found


def request(target: str = "/x", method: str = "GET", **fields: str | list[str]) -> CacheRequest:
    head = RequestHead(
        1, pairs(**fields), None, False, frozenset(), True, method.encode(), target.encode(), False, b""
    )
    return read_request("shop", target.encode(), head)


def facts(status: int = 200, *, now: float = NOON, **fields: str | list[str]) -> AnswerFacts:
    return read_answer(status, pairs(**fields), now)


def received(
    status: int = 200, body: bytes = b"body", *, at: float = 0.0, took: float = 0.0, **fields: Any
) -> Received:
    """Dated noon, unless it says otherwise."""
    return Received(
        status=status,
        fields=pairs(**{"date": date(), **fields}),
        body=body,
        at=at,
        took=took,
        date=NOON,
    )


def stored(status: int = 200, body: bytes = b"body", **how: Any) -> StoredAnswer:
    """Kept at 0 monotonic seconds, unless it says otherwise."""
    asked = request()
    return StoredAnswer("shop/", asked.key, asked.fields, received(status, body, **how))


def member(field: bytes) -> dict[str, Any]:
    """The parameters of our member of a `Cache-Status`, which stands behind those of others."""
    *_, (name, parameters) = cast(list[Any], http_sf.parse(field, tltype="list"))
    assert name == http_sf.Token("autonomous_healing")
    return dict(parameters)


def date(seconds: float = 0.0) -> str:
    """So many seconds after noon."""
    return write_date(NOON + seconds).decode()
