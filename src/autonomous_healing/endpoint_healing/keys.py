"""The keys of one source: which may be used now, and which must rest."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from autonomous_healing.endpoint_healing.codes import (
    AUTH_REJECTED,
    PLAN_LIMITED,
    QUOTA_EXHAUSTED,
    RATE_LIMITED,
)
from autonomous_healing.endpoint_healing.endpoints import Source
from autonomous_healing.endpoint_healing.options import KeySettings
from autonomous_healing.resilience import Clock


class KeyState(StrEnum):
    OK = "ok"
    LIMITED = "limited"  #: throttled until its reset
    DRAINED = "drained"  #: its quota is spent until the period ends
    INVALID = "invalid"  #: rejected; asked again after a long rest


#: What a code does to the key that met it.
STATE_AFTER = {
    RATE_LIMITED: KeyState.LIMITED,
    QUOTA_EXHAUSTED: KeyState.DRAINED,
    AUTH_REJECTED: KeyState.INVALID,
}

#: What a caller is told when no key is left.
CODE_OF_STATE = {state: code for code, state in STATE_AFTER.items()}


@dataclass(slots=True)
class Key:
    """One key. Its secret is in no representation of it."""

    alias: str  #: "fred_api#1"
    secret: str
    state: KeyState = KeyState.OK
    until: float = 0.0  #: monotonic seconds

    def __repr__(self) -> str:
        return f"<Key {self.alias}: {self.state}>"


class NoKey(Exception):
    """No key of the source may be used now: the code of what happened to them, and when one returns."""

    def __init__(self, code: str, retry_after: float | None, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


class KeyRing:
    """Keys in declared order; one that fails rests, and the next is used if the source's rules allow."""

    def __init__(self, source: Source, secrets: Iterable[str], clock: Clock, settings: KeySettings) -> None:
        self._source = source
        self._clock = clock
        self._settings = settings
        self.keys = [Key(f"{source.id}#{n}", secret) for n, secret in enumerate(secrets, 1)]
        self.needs_key = source.auth.place != "none"  #: where False, `choose` has nothing to say
        self._plan_until: dict[tuple[str, str], float] = {}
        self._untroubled = bool(self.keys)  #: every key may be used for every endpoint

    def choose(self, endpoint: str, *, exclude: str | None = None) -> Key | None:
        """The key for the next call; None where the source needs none. Raises `NoKey`."""
        if not self.needs_key:
            return None
        if self._untroubled and exclude is None:
            return self.keys[0]
        if not self.keys:
            raise NoKey(AUTH_REJECTED, None, f"no key for {self._source} is set in the environment")
        now = self._clock.monotonic()
        self._wake(now)
        for key in self.keys:
            if key.state is not KeyState.OK and key.state.value not in self._source.rotate_on:
                break  # its rules do not allow going round this one
            planned = self._plan_until.get((key.alias, endpoint), 0.0) > now
            if key.state is KeyState.OK and key.alias != exclude and not planned:
                return key
        raise self._none_left(endpoint)

    def can_rotate(self, endpoint: str, alias: str | None) -> bool:
        """Whether another key than `alias` could be used now."""
        try:
            return self.choose(endpoint, exclude=alias) is not None
        except NoKey:
            return False

    def reject(self, alias: str, code: str, endpoint: str, retry_after: float | None) -> None:
        """A call with this key was refused; what rests, and how long, goes by the code."""
        now = self._clock.monotonic()
        key = next(key for key in self.keys if key.alias == alias)
        self._untroubled = False
        if code == PLAN_LIMITED:
            self._plan_until[alias, endpoint] = now + self._settings.plan_rest
        elif state := STATE_AFTER.get(code):
            key.state = state
            key.until = now + min(self._rest(state, retry_after), self._settings.rest_cap)

    def _rest(self, state: KeyState, retry_after: float | None) -> float:
        match state:
            case KeyState.INVALID:
                return self._settings.invalid_rest
            case KeyState.DRAINED:
                return max(retry_after or 0.0, self._source.quota_rest)
            case _:
                return max(retry_after or 0.0, self._source.retry_delay)

    def _wake(self, now: float) -> None:
        for key in self.keys:
            if key.state is not KeyState.OK and now >= key.until:
                key.state = KeyState.OK
        if self._plan_until:
            self._plan_until = {place: until for place, until in self._plan_until.items() if until > now}
        self._untroubled = not self._plan_until and all(key.state is KeyState.OK for key in self.keys)

    def _none_left(self, endpoint: str) -> NoKey:
        now = self._clock.monotonic()
        resting = [key for key in self.keys if key.state is not KeyState.OK]
        if not resting:
            planned = [
                until for (_, name), until in self._plan_until.items() if name == endpoint and until > now
            ]
            if not planned:
                return NoKey(AUTH_REJECTED, None, f"{self._source} has no other key")
            return NoKey(PLAN_LIMITED, min(planned) - now, f"no plan of {self._source} covers {endpoint}")
        first = min(resting, key=lambda key: key.until)
        wait = max(0.0, first.until - now)
        return NoKey(CODE_OF_STATE[first.state], wait, f"{first.alias} is {first.state}, back in {wait:.0f}s")
