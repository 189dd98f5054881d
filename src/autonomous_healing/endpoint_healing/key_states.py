"""The life of one key: its states, the moves between them, and what a refused call makes of it. Pure."""

import math
from dataclasses import dataclass, field
from enum import StrEnum

from autonomous_healing.endpoint_healing.codes import (
    AUTH_REJECTED,
    FROZEN,
    IMPLAUSIBLE,
    PLAN_LIMITED,
    QUOTA_EXHAUSTED,
    RATE_LIMITED,
    STALE,
)


class KeyState(StrEnum):
    OK = "ok"
    LIMITED = "limited"  #: throttled until its reset
    DRAINED = "drained"  #: its quota is spent until the period ends
    INVALID = "invalid"  #: rejected; one call checks it now and then
    QUARANTINED = "quarantined"  #: taken out of use until somebody puts it back


#: The allowed moves (spec: endpoint healing, section 11). A check that meets a limit has shown a valid key.
ALLOWED = {
    KeyState.OK: frozenset({KeyState.LIMITED, KeyState.DRAINED, KeyState.INVALID, KeyState.QUARANTINED}),
    KeyState.LIMITED: frozenset({KeyState.OK, KeyState.DRAINED, KeyState.INVALID, KeyState.QUARANTINED}),
    KeyState.DRAINED: frozenset({KeyState.OK, KeyState.INVALID, KeyState.QUARANTINED}),
    KeyState.INVALID: frozenset({KeyState.OK, KeyState.LIMITED, KeyState.DRAINED, KeyState.QUARANTINED}),
    KeyState.QUARANTINED: frozenset({KeyState.OK}),
}

#: What a code does to the key that met it.
STATE_AFTER = {
    RATE_LIMITED: KeyState.LIMITED,
    QUOTA_EXHAUSTED: KeyState.DRAINED,
    AUTH_REJECTED: KeyState.INVALID,
}

#: What a caller is told when no key is left.
CODE_OF_STATE = {
    **{state: code for code, state in STATE_AFTER.items()},
    KeyState.QUARANTINED: AUTH_REJECTED,
}

#: What only a provider that knows the key says.
PROOFS = frozenset({PLAN_LIMITED, STALE, FROZEN, IMPLAUSIBLE})

#: States that end by themselves.
RESTING = frozenset({KeyState.LIMITED, KeyState.DRAINED})


class IllegalMove(RuntimeError):
    """A key was asked for a move that its table does not allow."""


@dataclass(slots=True, eq=False)
class Key:
    """One key. Its secret is in no representation of it."""

    alias: str  #: "fred_api#1"
    secret: str
    state: KeyState = KeyState.OK
    until: float = 0.0  #: monotonic seconds: the end of a rest, or the next check of an invalid one
    last_error: str = ""  #: the code of its last refusal, or why it was quarantined
    checking: bool = False  #: a call is under way that shows whether it is valid again
    changes: int = 0  #: so often anything of the above has changed, `checking` aside
    strikes: dict[str, float] = field(default_factory=dict)  #: monotonic seconds of the last refusal, by code

    def move(self, state: KeyState, until: float) -> None:
        """Raises `IllegalMove`."""
        if state not in ALLOWED[self.state]:
            raise IllegalMove(f"{self.alias}: {self.state} -> {state}")
        self.state, self.until, self.checking = state, until, False
        self.changes += 1

    def strike(self, code: str, now: float, window: float) -> int:
        """Note a refusal; how many different ones there were in the last `window` seconds."""
        self.strikes[code] = now
        self.strikes = {one: at for one, at in self.strikes.items() if at > now - window}
        return len(self.strikes)

    def seconds_left(self, now: float) -> float | None:
        """Until it returns or is checked; None where it is fit, or where only a person brings it back."""
        if self.state is KeyState.OK or math.isinf(self.until):
            return None
        return max(0.0, self.until - now)

    def __repr__(self) -> str:
        return f"<Key {self.alias}: {self.state}>"


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyReading:
    """One key as it is now, for people."""

    source: str
    alias: str
    state: KeyState
    seconds_left: (
        float | None
    )  #: until it returns or is checked; None: it is fit, or only a person brings it back
    last_error: str  #: the code of its last refusal, or why it was quarantined; empty: none
    share: float  #: 0 to 1, of its quota that is left
    excluded: tuple[str, ...]  #: endpoints that its plan does not cover


def is_stored(alias: str) -> bool:
    """Whether a key of that alias lies in the database, and not in the environment."""
    return "#s" in alias


def state_after(key: Key, code: str) -> KeyState:
    """The state of a key after a call with it was refused for that reason.

    What comes late, of a call begun before the key was given up, does not make it better.
    """
    match key.state:
        case KeyState.QUARANTINED:
            return key.state
        case KeyState.INVALID if not key.checking:
            return key.state
        case KeyState.INVALID if code in PROOFS:
            return KeyState.OK
        case KeyState.DRAINED if code == RATE_LIMITED:
            return key.state
        case _:
            return STATE_AFTER.get(code, key.state)
