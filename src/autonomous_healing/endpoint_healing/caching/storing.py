"""Which answers may be kept (RFC 9111, sections 3 and 3.5)."""

from enum import StrEnum

from autonomous_healing.endpoint_healing.caching.aging import HEURISTIC, freshness_lifetime
from autonomous_healing.endpoint_healing.caching.answers import AnswerFacts
from autonomous_healing.endpoint_healing.caching.requests import CacheRequest

#: Whose rules of caching we know; `must-understand` asks for that (RFC 9111, section 5.2.2.3).
UNDERSTOOD = HEURISTIC | frozenset({302, 303, 307, 400, 401, 403, 500, 502, 503, 504})

#: Without these, or with others in their place, what is kept would no longer be the same answer.
_NEEDED = frozenset({b"cache-control", b"content-encoding", b"content-type", b"date", b"etag", b"vary"})


class NotStored(StrEnum):
    """Why an answer is not kept; in words for `Cache-Status`."""

    METHOD = "method"
    NO_STORE = "no-store"
    PRIVATE = "private"
    AUTHORISED = "authorization"
    COOKIE = "cookie"
    STATUS = "status"
    VARIES = "vary"
    ENDLESS = "endless"
    TOO_LARGE = "too-large"
    NOT_REUSABLE = "not-reusable"
    OUTDATED = "outdated"  #: by a change that we saw after it was asked for


def why_not_stored(request: CacheRequest, facts: AnswerFacts, *, window: float = 0.0) -> NotStored | None:
    """None where it may be kept. `window`: seconds after its end in which we may give it if its source fails.

    What could never be given to anybody is not worth keeping either.
    """
    if reason := _forbidden(request, facts):
        return reason
    if facts.varies is None:
        return NotStored.VARIES
    if facts.endless:
        return NotStored.ENDLESS
    return None if _is_reusable(facts, window) else NotStored.NOT_REUSABLE


def _forbidden(request: CacheRequest, facts: AnswerFacts) -> NotStored | None:
    rules, status = facts.rules, facts.status
    if request.method != b"GET":
        return NotStored.METHOD
    if request.wishes.no_store or (rules.no_store and not rules.must_understand):
        return NotStored.NO_STORE
    if rules.must_understand and status not in UNDERSTOOD:
        return NotStored.STATUS
    if status < 200 or status in (206, 304):
        return NotStored.STATUS
    if rules.private or rules.withheld & _NEEDED:
        return NotStored.PRIVATE
    if request.authorised and not is_for_everybody(facts):
        return NotStored.AUTHORISED
    if (request.cookie or facts.cookie) and not facts.says_how_long:
        return NotStored.COOKIE
    return None if facts.says_how_long or rules.public or status in HEURISTIC else NotStored.STATUS


def is_for_everybody(facts: AnswerFacts) -> bool:
    """Whether an answer to one caller with credentials may be given to others (RFC 9111, section 3.5).

    Stricter than it must be: `must-revalidate` says nothing of others, and is often set without thinking.
    """
    return facts.rules.public or facts.rules.s_maxage is not None


def _is_reusable(facts: AnswerFacts, window: float) -> bool:
    rules = facts.rules
    has_validator = facts.etag is not None or facts.last_modified is not None
    tolerated = max(rules.stale_while_revalidate, rules.stale_if_error, window)
    return has_validator or freshness_lifetime(facts) > facts.age or tolerated > 0
