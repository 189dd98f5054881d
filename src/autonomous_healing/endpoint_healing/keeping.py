"""What a provider says of keeping its answers, as a shared cache reads it (RFC 9111)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

#: No copy counts as the answer itself for longer, whatever its provider says: one day, as in the settings.
LONGEST = 86_400.0


#: A date of whole seconds on another clock says nothing below this (seconds).
CLOCKS_DIFFER = 2.0

#: Of an age, whatever is said: ten years, and anything beyond is as useless.
LONGEST_AGE = 315_360_000.0


@dataclass(frozen=True, slots=True)
class Keeping:
    """Whether an answer may be kept, and how it ages."""

    allowed: bool = True
    fresh: float | None = None  #: seconds in which a copy counts as the answer itself; None: not said
    age: float = 0.0  #: seconds since the answer was made, when it came
    while_revalidate: float = 0.0  #: seconds after that in which it may be given while a new one is fetched

    @property
    def shared(self) -> bool:
        """Whether it may go to more than one caller without its source being asked again."""
        return self.allowed and self.fresh != 0


UNSAID = Keeping()


def keeping(headers: Mapping[str, str], now: datetime) -> Keeping:
    """From `Cache-Control`, `Expires`, `Date` and `Age`; header names in lower case."""
    rules = _directives(headers.get("cache-control", ""))
    return Keeping(
        allowed=not rules.keys() & {"no-store", "private"} and "*" not in headers.get("vary", ""),
        fresh=_fresh(rules, headers, now),
        age=_age(headers, now),
        while_revalidate=_while_revalidate(rules),
    )


def _age(headers: Mapping[str, str], now: datetime) -> float:
    """What caches on the way say, or what its date says, whichever is more (RFC 9111, section 4.2.3)."""
    told = min(_seconds(headers.get("age", "")) or 0.0, LONGEST_AGE)
    sent = _moment(headers.get("date", ""))
    apparent = (now - sent).total_seconds() if sent else 0.0
    return max(told, apparent if apparent > CLOCKS_DIFFER else 0.0)


def _while_revalidate(rules: Mapping[str, str]) -> float:
    """RFC 5861, section 3; no copy is given unasked where it must be asked for again (RFC 9111, 5.2.2)."""
    if rules.keys() & {"no-cache", "must-revalidate", "proxy-revalidate", "s-maxage"}:
        return 0.0
    return min(_seconds(rules.get("stale-while-revalidate", "")) or 0.0, LONGEST)


def _fresh(rules: Mapping[str, str], headers: Mapping[str, str], now: datetime) -> float | None:
    """RFC 9111, section 4.2.1: what cannot be read counts as over."""
    if "no-cache" in rules:
        return 0.0
    for name in ("s-maxage", "max-age"):
        if name in rules:
            return min(_seconds(rules[name]) or 0.0, LONGEST)
    if "expires" not in headers:
        return None
    expires, sent = _moment(headers["expires"]), _moment(headers.get("date", "")) or now
    return min(max(0.0, (expires - sent).total_seconds()), LONGEST) if expires else 0.0


@lru_cache(256)
def _directives(said: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for part in said.split(","):
        name, _, value = part.partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"'))
    return found


def _seconds(said: str) -> float | None:
    said = said.strip()
    return float(said) if said.isascii() and said.isdigit() else None


@lru_cache(256)  # a source says the same date for a second
def _moment(said: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(said)
    except (ValueError, TypeError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
