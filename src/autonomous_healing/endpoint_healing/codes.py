"""The faults an endpoint can have: their codes, their ten names on the wire, and who is to blame."""

from enum import StrEnum

TIMEOUT = "API.TIMEOUT"
RATE_LIMITED = "API.RATE_LIMITED"
CLIENT_BLOCKED = "API.CLIENT_BLOCKED"
AUTH_REJECTED = "API.AUTH_REJECTED"
PLAN_LIMITED = "API.PLAN_LIMITED"
SERVER_ERROR = "API.SERVER_ERROR"
UNREACHABLE = "API.UNREACHABLE"
TOO_LARGE = "API.TOO_LARGE"
QUOTA_EXHAUSTED = "API.QUOTA_EXHAUSTED"
CALLER_ERROR = "API.CALLER_ERROR"
UNPARSABLE = "DATA.UNPARSABLE"
MISSING = "DATA.MISSING"
INVALID = "DATA.INVALID"
IMPLAUSIBLE = "DATA.IMPLAUSIBLE"
STALE = "DATA.STALE"
FROZEN = "DATA.FROZEN"

#: `error_type` as the interfaces and tables spell it. A caller's own mistake has none.
ERROR_TYPE = {
    TIMEOUT: "timeout",
    RATE_LIMITED: "rate_limit_429",
    CLIENT_BLOCKED: "rate_limit_429",
    AUTH_REJECTED: "auth_error_403",
    PLAN_LIMITED: "auth_error_403",
    SERVER_ERROR: "server_error_5xx",
    UNREACHABLE: "network_error",
    TOO_LARGE: "invalid_data",
    QUOTA_EXHAUSTED: "quota_exceeded",
    UNPARSABLE: "parsing_error",
    MISSING: "missing_data",
    INVALID: "invalid_data",
    IMPLAUSIBLE: "invalid_data",
    STALE: "stale_data",
    FROZEN: "stale_data",
}

#: What each code means, said to a person.
MEANING = {
    TIMEOUT: "the upstream did not answer in time",
    RATE_LIMITED: "request volume exceeds the provider's limit",
    CLIENT_BLOCKED: "the provider throttles this address or client, whatever the count",
    AUTH_REJECTED: "the key is expired or invalid",
    PLAN_LIMITED: "the key is valid but its plan lacks this data",
    SERVER_ERROR: "the upstream is unavailable",
    UNREACHABLE: "network connectivity problem",
    TOO_LARGE: "the answer is larger than we take",
    QUOTA_EXHAUSTED: "the plan's quota for this window is used up",
    CALLER_ERROR: "the caller's request is wrong",
    UNPARSABLE: "the answer is not in the format that was due",
    MISSING: "the answer is well formed but holds no data",
    INVALID: "the answer has the wrong shape",
    IMPLAUSIBLE: "the answer holds values that cannot be",
    STALE: "the data is older than it may be",
    FROZEN: "the data no longer changes although it must",
}

#: Faults of a key rather than of the provider.
KEY_CODES = frozenset({AUTH_REJECTED, PLAN_LIMITED, RATE_LIMITED, QUOTA_EXHAUSTED})


#: Faults that end when the provider says so.
THROTTLES = frozenset({RATE_LIMITED, CLIENT_BLOCKED, QUOTA_EXHAUSTED})

#: Faults that may pass by themselves within seconds.
PASSING = frozenset({TIMEOUT, SERVER_ERROR, UNREACHABLE})

#: One more look, past all caches on the way, is all that bad data gets.
LOOK_AGAIN = frozenset({UNPARSABLE, INVALID, IMPLAUSIBLE, STALE, FROZEN})


class Blame(StrEnum):
    """Whose fault it is; each moves only what it should."""

    CALLER = "caller"
    PROXY = "proxy"
    NETWORK = "network"
    KEY = "key"
    PROVIDER = "provider"
    DATA = "data"


def blame_for(code: str, *, another_key_works: bool) -> Blame:
    """By the evidence of one call (spec: endpoint healing, section 5)."""
    if code == CALLER_ERROR:
        return Blame.CALLER
    if code == TOO_LARGE:
        return Blame.PROXY
    if code in KEY_CODES and another_key_works:
        return Blame.KEY
    return Blame.DATA if code.startswith("DATA.") else Blame.PROVIDER
