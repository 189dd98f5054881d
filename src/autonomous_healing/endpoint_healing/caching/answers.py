"""What an answer says of caching, read once."""

from dataclasses import dataclass

from autonomous_healing.endpoint_healing.caching.dates import read_date, write_date
from autonomous_healing.endpoint_healing.caching.directives import (
    LONGEST,
    AnswerDirectives,
    answer_directives,
    targeted_directives,
)
from autonomous_healing.endpoint_healing.caching.varying import varying_fields
from autonomous_healing.wire.message import Fields

#: Never kept, beside what is of one hop (RFC 9111, section 3.1): what goes with a proxy's credentials, and
#: what is said anew each time.
_NOT_STORED = frozenset({b"proxy-authentication-info", b"content-length", b"age"})

#: A moment before all others: what cannot be read has expired (RFC 9111, section 5.3).
LONG_AGO = float("-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFacts:
    """Moments are Unix seconds."""

    status: int
    rules: AnswerDirectives
    date: float
    expires: float | None = None  #: None: it does not say
    last_modified: float | None = None
    age: float = 0.0  #: seconds, as caches on the way said
    etag: bytes | None = None
    varies: tuple[bytes, ...] | None = ()  #: None: no request is ever the same
    cookie: bool = False  #: it sets one
    endless: bool = False  #: its body does not end by itself

    @property
    def says_how_long(self) -> bool:
        """Whether its freshness is no guess of ours."""
        rules = self.rules
        return rules.s_maxage is not None or rules.max_age is not None or self.expires is not None


def read_answer(status: int, fields: Fields, now: float) -> AnswerFacts:
    """`fields` as they came. A `CDN-Cache-Control` counts alone (RFC 9213, section 2.2)."""
    said: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        said.setdefault(name, []).append(value)
    targeted = targeted_directives(*said[b"cdn-cache-control"]) if b"cdn-cache-control" in said else None
    date = _moment(said.get(b"date"), now)
    return AnswerFacts(
        status=status,
        rules=targeted or answer_directives(*said.get(b"cache-control", ())),
        date=now if date is None else date,
        expires=None if targeted else _expiry(said.get(b"expires"), now),
        last_modified=_moment(said.get(b"last-modified"), now),
        age=_age(said.get(b"age")),
        etag=said[b"etag"][0] if b"etag" in said else None,
        varies=varying_fields(fields),
        cookie=b"set-cookie" in said or b"set-cookie2" in said,
        endless=any(value.startswith(b"text/event-stream") for value in said.get(b"content-type", ())),
    )


def stored_fields(fields: Fields, facts: AnswerFacts) -> list[tuple[bytes, bytes]]:
    """Those that are kept of an answer; `fields` are the ones that may go on to the next hop.

    An answer without a date gets that of its receipt (RFC 9110, section 6.6.1).
    """
    gone = _NOT_STORED | facts.rules.withheld
    kept = [one for one in fields if one[0] not in gone]
    if not any(name == b"date" for name, _ in kept):
        kept.append((b"date", write_date(facts.date)))
    return kept


def _moment(values: list[bytes] | None, now: float) -> float | None:
    return read_date(values[0], now) if values else None


def _expiry(values: list[bytes] | None, now: float) -> float | None:
    """The earliest, where it is said more than once."""
    if not values:
        return None
    moments = [read_date(value, now) for value in values]
    return min(LONG_AGO if moment is None else moment for moment in moments)


def _age(values: list[bytes] | None) -> float:
    """Of several the first; what is no number of seconds is ignored (RFC 9111, section 5.1)."""
    first = values[0].split(b",")[0].strip(b" \t") if values else b""
    return min(float(first), LONGEST) if first.isdigit() else 0.0
