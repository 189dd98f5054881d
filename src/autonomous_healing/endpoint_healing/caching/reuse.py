"""Whether a stored answer may be given (RFC 9111, sections 4 and 5.2.1; RFC 5861; RFC 8246)."""

from dataclasses import dataclass
from enum import Enum, auto

from autonomous_healing.endpoint_healing.caching.directives import RequestDirectives
from autonomous_healing.endpoint_healing.caching.stored import StoredAnswer


class Verdict(Enum):
    """What becomes of a request."""

    FRESH = auto()  #: the stored answer is given
    STALE = auto()  #: it is given although it is over
    REVALIDATE = auto()  #: its source is asked whether it still holds
    MISS = auto()  #: there is none
    GATEWAY_TIMEOUT = auto()  #: its caller wants nothing but a stored answer, and there is none to give


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict and, where that is not plain, its reason in a word."""

    verdict: Verdict
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """For how long after its end an operator lets an answer be given, whatever its source says; seconds."""

    while_revalidate: float = 0.0
    if_error: float = 0.0


NO_WINDOWS = Windows()

FRESH = Decision(Verdict.FRESH)
STALE_BY_REQUEST = Decision(Verdict.STALE, "max-stale")
WHILE_REVALIDATE = Decision(Verdict.STALE, "stale-while-revalidate")
EXPIRED = Decision(Verdict.REVALIDATE, "stale")
ASKED_ANEW = Decision(Verdict.REVALIDATE, "request")
MISS = Decision(Verdict.MISS)
GATEWAY_TIMEOUT = Decision(Verdict.GATEWAY_TIMEOUT, "only-if-cached")


def decide(
    stored: StoredAnswer | None, now: float, wishes: RequestDirectives, windows: Windows = NO_WINDOWS
) -> Decision:
    """`now`: monotonic seconds."""
    decision = MISS if stored is None else _decide(stored, stored.age(now), wishes, windows)
    if wishes.only_if_cached and decision.verdict in (Verdict.MISS, Verdict.REVALIDATE):
        return GATEWAY_TIMEOUT
    return decision


def _decide(stored: StoredAnswer, age: float, wishes: RequestDirectives, windows: Windows) -> Decision:
    if not wishes_allow(stored, age, wishes):
        return ASKED_ANEW
    rules, over = stored.facts.rules, age - stored.lifetime
    if over < 0 and not rules.no_cache:
        return FRESH
    if stored.strict:
        return EXPIRED
    if over <= wishes.max_stale and wishes.max_stale > 0:
        return STALE_BY_REQUEST
    allowed = max(rules.stale_while_revalidate, windows.while_revalidate)
    return WHILE_REVALIDATE if over <= allowed and allowed > 0 else EXPIRED


def wishes_allow(stored: StoredAnswer, age: float, wishes: RequestDirectives) -> bool:
    """Whether the caller would take an answer of this age, fresh as it may be."""
    if wishes.no_cache or wishes.no_store:
        return False
    left = stored.lifetime - age
    if wishes.min_fresh > 0 and left < wishes.min_fresh:
        return False
    if wishes.max_age is None or age <= wishes.max_age:
        return True
    return stored.facts.rules.immutable and left > 0


def may_stand_in(
    stored: StoredAnswer, now: float, wishes: RequestDirectives, windows: Windows = NO_WINDOWS
) -> bool:
    """Whether it may be given in place of an error of its source (RFC 5861, section 4)."""
    allowed = max(stored.facts.rules.stale_if_error, wishes.stale_if_error, windows.if_error)
    return not stored.strict and allowed > 0 and stored.age(now) - stored.lifetime <= allowed
