"""Who may do what: from a token and an address to a caller, from a caller and a scope to yes or no. Pure."""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from autonomous_healing.safety.hosts import is_loopback
from autonomous_healing.safety.options import AuthSettings, Scope
from autonomous_healing.safety.tokens import hash_of

#: What each scope includes. Whoever operates does not approve, and whoever approves does not operate, so that
#: nobody grants what they asked for themselves; `admin` is for one who has to be trusted with both.
HOLDS: Mapping[Scope, frozenset[Scope]] = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.OPERATE: frozenset({Scope.READ, Scope.OPERATE}),
    Scope.APPROVE: frozenset({Scope.READ, Scope.APPROVE}),
    Scope.ADMIN: frozenset(Scope),
}

_BEARER = re.compile(r"bearer +([!-~]{1,512})", re.IGNORECASE)  # RFC 6750, section 2.1


class Reason(StrEnum):
    """Why somebody may not."""

    NOTHING_SHOWN = "nothing_shown"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    SCOPE_MISSING = "scope_missing"
    UNDECLARED = "undeclared"  #: nobody has said who may, so nobody may


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the name of a token, or nobody in particular on this machine."""

    token: str | None
    scopes: frozenset[Scope]

    def __str__(self) -> str:
        return self.token or "loopback"


@dataclass(frozen=True, slots=True)
class Denial:
    """No, and why."""

    reason: Reason
    detail: str
    needed: Scope | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether it is open who asks, rather than whether they may."""
        return self.reason in (Reason.NOTHING_SHOWN, Reason.UNKNOWN, Reason.EXPIRED)


@dataclass(frozen=True, slots=True)
class _Known:
    hash: str
    caller: Caller
    expires_at: datetime | None


class Access:
    """Knows the tokens by their hashes."""

    def __init__(self, settings: AuthSettings) -> None:
        self._tokens = tuple(
            _Known(
                one.hash,
                Caller(one.name, frozenset().union(*(HOLDS[scope] for scope in one.scopes))),
                one.expires_at,
            )
            for one in settings.tokens
        )
        self._loopback_read = settings.loopback_read

    def recognise(self, authorization: Sequence[str], address: str, now: datetime) -> Caller | Denial:
        """Who asks, by the `Authorization` fields of a request and the address that it comes from.

        A token that is shown counts, and a wrong one is never passed over for the address.
        """
        if authorization:
            return self._by_token(authorization, now)
        if self._loopback_read and is_loopback(address):
            return Caller(None, HOLDS[Scope.READ])
        return Denial(Reason.NOTHING_SHOWN, "A bearer token is needed here.")

    def _by_token(self, authorization: Sequence[str], now: datetime) -> Caller | Denial:
        shown = _BEARER.fullmatch(authorization[0]) if len(authorization) == 1 else None
        if shown is None:
            return Denial(Reason.UNKNOWN, "One bearer token is expected, and nothing else.")
        hashed, found = hash_of(shown[1]), None
        for known in self._tokens:  # all of them, so that time tells nothing
            if hmac.compare_digest(known.hash, hashed):
                found = known
        if found is None:
            return Denial(Reason.UNKNOWN, "This token is not known here.")
        if found.expires_at is not None and now >= found.expires_at:
            return Denial(Reason.EXPIRED, "This token has expired.")
        return found.caller


def objection(caller: Caller, needed: Scope | None) -> Denial | None:
    """Why a caller may not do what needs this scope, or None. What has no scope is not allowed to anybody."""
    if needed is None:
        return Denial(Reason.UNDECLARED, "Nobody may do this: it has no scope.")
    if needed not in caller.scopes:
        return Denial(Reason.SCOPE_MISSING, f"This needs a token with the scope {needed}.", needed)
    return None
