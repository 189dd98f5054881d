"""The keys of one source: which may be used now, and which must rest."""

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from autonomous_healing.endpoint_healing.codes import AUTH_REJECTED, KEY_CODES, PLAN_LIMITED
from autonomous_healing.endpoint_healing.endpoints import Source
from autonomous_healing.endpoint_healing.key_options import KeySettings
from autonomous_healing.endpoint_healing.key_plans import Plans
from autonomous_healing.endpoint_healing.key_states import (
    CODE_OF_STATE,
    RESTING,
    IllegalMove,
    Key,
    KeyReading,
    KeyState,
    state_after,
)
from autonomous_healing.resilience import Clock

__all__ = ["Key", "KeyReading", "KeyRing", "KeyState", "NoKey", "UnknownKey"]

log = logging.getLogger(__name__)

#: For so many seconds the key with the largest share left stays the one that is used.
WEIGHED_SECONDS = 0.1

#: Seconds that a call can take at most: what `sources.<id>.timeout` may be.
LONGEST_ATTEMPT = 60.0

#: Seconds for which the key before a rotation is kept (spec: safety, section 5).
KEPT_SECONDS = 86_400.0


class NoKey(Exception):
    """No key of the source may be used now: the code of what happened to them, and when one returns."""

    def __init__(self, code: str, retry_after: float | None, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


class UnknownKey(LookupError):
    """The source has no key of that alias."""


class KeyRing:
    """Keys in declared order; one that fails rests, and the next is used if the source's rules allow.

    Where they allow going round a limit, the key with the largest share of its quota left is used, so that
    the limit is met late.
    """

    def __init__(self, source: Source, secrets: Iterable[str], clock: Clock, settings: KeySettings) -> None:
        self.source = source
        self.keys = [Key(f"{source.id}#{n}", secret) for n, secret in enumerate(secrets, 1)]
        self.needs_key = source.auth.place != "none"  #: where False, `choose` has nothing to say
        self.changes: Counter[KeyState] = Counter()  #: since the start, by the state that was entered
        self.remaining_share: Callable[[str], float] = lambda alias: 1.0  #: of that key's quota, 0 to 1
        #: Seconds until the quota of that key begins anew; None where nothing is known of it.
        self.period_left: Callable[[str], float | None] = lambda alias: None
        self._clock = clock
        self._settings = settings
        self._passable = rotates_on(source)
        self._plans = Plans()
        self._former: dict[str, tuple[Key, float]] = {}
        self._check_from = -math.inf
        self._shares: dict[str, float] = {}
        self._chosen: dict[str, Key] = {}  #: by endpoint, until something changes
        self._chosen_until = -math.inf
        self._weighed_until = -math.inf
        self._settle()

    def choose(self, endpoint: str, *, exclude: str | None = None, may_check: bool = False) -> Key | None:
        """The key for the next call; None where the source needs none. Raises `NoKey`.

        A rejected key is tried again with a single call. Who passes `may_check` may be given it, and has to
        tell `accept` or `reject` what came of it; all others are refused until somebody has taken it.
        """
        if not self.needs_key:
            return None
        plain = self._plain
        if plain is not None and exclude is None:
            return plain
        return self._look(endpoint, exclude, may_check=may_check)

    def find(self, alias: str) -> Key | None:
        """The key of that alias, if there is one."""
        return next((key for key in self.keys if key.alias == alias), None)

    def key(self, alias: str) -> Key:
        """The same; raises `UnknownKey`."""
        key = self.find(alias)
        if key is None:
            raise UnknownKey(f"{self.source} has no key {alias}")
        return key

    def can_rotate(self, endpoint: str, alias: str | None) -> bool:
        """Whether another key than `alias` could be used now."""
        now = self._clock.monotonic()
        self._wake(now)
        return self._best(endpoint, alias, now) is not None

    def reject(self, alias: str, code: str, endpoint: str, retry_after: float | None) -> None:
        """A call with this key was refused; what rests, and how long, goes by the code."""
        key = self.find(alias)
        if key is None:
            return  # it was removed while the call was under way
        now = self._clock.monotonic()
        self._wake(now)
        if code == PLAN_LIMITED:
            self._plans.exclude(alias, {endpoint: now + self._settings.plan_rest})
        self._take_in(key, code, now, retry_after)
        key.checking = False
        if code in KEY_CODES:
            key.changes += 1
            self._strike(key, code, now)
        self._settle()

    def accept(self, alias: str) -> None:
        """A call with this key was answered: if it was to show whether the key is valid again, it is."""
        key = self.find(alias)
        if key is not None and key.checking:
            self._enter(key, KeyState.OK, 0.0, key.last_error)
            self._settle()

    def quarantine(self, alias: str, reason: str) -> None:
        """Take a key out of use until `release`. Raises `UnknownKey`; for one that is so already, nothing."""
        self._quarantine(self.key(alias), reason)
        self._settle()

    def release(self, alias: str) -> None:
        """Put a quarantined key back. Raises `UnknownKey`, and `IllegalMove` for one that is not."""
        key = self.key(alias)
        if key.state is not KeyState.QUARANTINED:
            raise IllegalMove(f"{alias} is {key.state}, not quarantined")
        key.strikes.clear()
        self._enter(key, KeyState.OK, 0.0, key.last_error)
        self._settle()

    def add(self, alias: str, secret: str) -> Key:
        """One more key, behind the others."""
        key = Key(alias, secret)
        self.keys.append(key)
        self._weighed_until = -math.inf
        self._settle()
        return key

    def use(self, secrets: Mapping[str, str]) -> None:
        """These, by alias, in the place of all there are; one that stays the same keeps its state."""
        kept = {(key.alias, key.secret): key for key in self.keys}
        self.keys = [kept.get(pair) or Key(*pair) for pair in secrets.items()]
        self._weighed_until = -math.inf
        self._settle()

    def remove(self, alias: str) -> None:
        """Use it no more; what is under way with it goes on. Raises `UnknownKey`."""
        self.keys.remove(self.key(alias))
        self._former.pop(alias, None)
        self._plans.forget(alias)
        self._weighed_until = -math.inf
        self._settle()

    def rotate(self, alias: str, secret: str) -> None:
        """Another secret in the place of that key; the one before is kept for a day. Raises `UnknownKey`."""
        key = self.key(alias)
        self._replace(key, Key(alias, secret))
        self._former[alias] = (key, self._clock.monotonic() + KEPT_SECONDS)

    def rotate_back(self, alias: str) -> None:
        """Undo a rotation, up to a day after it. Raises `UnknownKey` where nothing is kept any more."""
        key = self.key(alias)
        self.forget_former()
        if alias not in self._former:
            raise UnknownKey(f"nothing is kept of {alias} from before")
        former, _ = self._former.pop(alias)
        self._replace(key, Key(alias, former.secret))

    def forget_former(self) -> None:
        """What was rotated away more than a day ago."""
        now = self._clock.monotonic()
        self._former = {alias: kept for alias, kept in self._former.items() if now < kept[1]}

    def restore(self, alias: str, state: KeyState, seconds_left: float | None, last_error: str) -> None:
        """Take up what was known of a key before. Raises `UnknownKey`."""
        key = self.key(alias)
        forever = math.inf if state is KeyState.QUARANTINED else 0.0
        now = self._clock.monotonic()
        until = forever if seconds_left is None else now + seconds_left
        key.state, key.until, key.last_error, key.checking = state, until, last_error, False
        self._settle()

    def exclude(self, alias: str, endpoints: Mapping[str, float]) -> None:
        """The plan of that key does not cover these, for so many seconds from now."""
        now = self._clock.monotonic()
        self._plans.exclude(alias, {endpoint: now + left for endpoint, left in endpoints.items()})
        self._settle()

    def excluded(self, alias: str) -> dict[str, float]:
        """Endpoints that the plan of that key does not cover, and for how many seconds more."""
        return self._plans.excluded(alias, self._clock.monotonic())

    def readings(self) -> list[KeyReading]:
        """All keys in their order."""
        now = self._clock.monotonic()
        self._wake(now)
        return [
            KeyReading(
                source=self.source.id,
                alias=key.alias,
                state=key.state,
                seconds_left=key.seconds_left(now),
                last_error=key.last_error,
                share=self.remaining_share(key.alias),
                excluded=tuple(sorted(self.excluded(key.alias))),
            )
            for key in self.keys
        ]

    def _look(self, endpoint: str, exclude: str | None, *, may_check: bool) -> Key:
        now = self._clock.monotonic()
        if exclude is None and now < self._chosen_until and (chosen := self._chosen.get(endpoint)):
            return chosen
        if now >= self._chosen_until:
            self._chosen.clear()
        self._wake(now)
        due = None if exclude else self._due(endpoint, now)
        if due is not None:
            return self._begin_check(due, now, may_check=may_check)
        best = self._best(endpoint, exclude, now)
        if best is None:
            raise self._none_left(endpoint, now)
        if exclude is None:
            self._chosen[endpoint] = best
            self._chosen_until = self._next_change(now)
        return best

    def _next_change(self, now: float) -> float:
        """The moment from which on another key might be the right one, if nothing happens before."""
        moments = [self._check_from, self._plans.next_end(), *(key.until for key in self.keys)]
        if self._weighs:
            moments.append(self._weighed_until)
        return min((at for at in moments if at > now), default=math.inf)

    def _best(self, endpoint: str, exclude: str | None, now: float) -> Key | None:
        """Of the keys that may be used, the first, or the one with the largest share left."""
        fit = [
            key
            for key in self._reachable()
            if key.state is KeyState.OK
            and key.alias != exclude
            and self._plans.cover(key.alias, endpoint, now)
        ]
        if not self._weighs:
            return fit[0] if fit else None
        if now >= self._weighed_until:
            self._weigh(now)
        return max(fit, key=lambda key: self._shares[key.alias], default=None)

    def _weigh(self, now: float) -> None:
        self._weighed_until = now + WEIGHED_SECONDS
        self._shares = {key.alias: self.remaining_share(key.alias) for key in self.keys}
        self._chosen.clear()

    def _reachable(self) -> Iterator[Key]:
        """In declared order, up to the first that the source's rules do not allow going round."""
        for key in self.keys:
            yield key
            if key.state not in (KeyState.OK, KeyState.QUARANTINED) and key.state.value not in self._passable:
                return

    def _due(self, endpoint: str, now: float) -> Key | None:
        """A rejected key that one call should try again."""
        if now < self._check_from or any(key.checking and now < key.until for key in self.keys):
            return None
        return next(
            (
                key
                for key in self._reachable()
                if key.state is KeyState.INVALID
                and now >= key.until
                and self._plans.cover(key.alias, endpoint, now)
            ),
            None,
        )

    def _begin_check(self, key: Key, now: float, *, may_check: bool) -> Key:
        if not may_check:
            raise NoKey(AUTH_REJECTED, 0.0, f"{key.alias} has to be checked first")
        self._check_from = now + self._settings.check_spacing
        key.until = max(self._check_from, now + LONGEST_ATTEMPT)  # then nobody will tell what came of it
        key.checking = True
        return key

    def _take_in(self, key: Key, code: str, now: float, retry_after: float | None) -> None:
        """What the refusal of a call comes to, where it says anything of the key."""
        state = state_after(key, code)
        if state is not key.state:
            self._enter(key, state, now + self._rest(key, state, retry_after), code)
        elif key.checking and code == AUTH_REJECTED:
            key.until, key.last_error = now + self._settings.invalid_again, code
        elif key.checking:
            key.until = self._check_from  # it says nothing of the key
        elif state in RESTING and code == CODE_OF_STATE[state]:
            key.until = max(key.until, now + self._rest(key, state, retry_after))

    def _rest(self, key: Key, state: KeyState, retry_after: float | None) -> float:
        said = min(retry_after or 0.0, self._settings.rest_cap)
        match state:
            case KeyState.OK:
                return 0.0
            case KeyState.INVALID:
                return self._settings.invalid_rest
            case KeyState.DRAINED:
                period = self.period_left(key.alias)
                return max(said, self.source.quota_rest if period is None else period)
            case _:
                return max(said, self.source.retry_delay)

    def _strike(self, key: Key, code: str, now: float) -> None:
        if key.strike(code, now, self._settings.quarantine_window) >= self._settings.quarantine_after:
            self._quarantine(key, f"{', '.join(sorted(key.strikes))} in a short time")

    def _quarantine(self, key: Key, reason: str) -> None:
        if key.state is not KeyState.QUARANTINED:
            self._enter(key, KeyState.QUARANTINED, math.inf, reason)

    def _enter(self, key: Key, state: KeyState, until: float, why: str) -> None:
        before = key.state
        key.move(state, until)
        key.last_error = why
        self._tell(key, before)

    def _tell(self, key: Key, before: KeyState) -> None:
        self.changes[key.state] += 1
        log.info(
            "key_state_changed",
            extra={
                "key": key.alias,
                "before": before.value,
                "state": key.state.value,
                "reason": key.last_error,
            },
        )

    def _wake(self, now: float) -> None:
        """End the rests that are over."""
        over = [key for key in self.keys if key.state in RESTING and now >= key.until]
        for key in over:
            self._enter(key, KeyState.OK, 0.0, key.last_error)
        if self._plans.expire(now) or over:
            self._settle()

    def _settle(self) -> None:
        """Work out what `choose` needs to see at a glance."""
        self._weighs = len(self.keys) > 1 and not self._passable.isdisjoint(RESTING)
        calm = bool(self.keys) and not self._plans and all(key.state is KeyState.OK for key in self.keys)
        self._plain = self.keys[0] if calm and not self._weighs else None
        self._chosen.clear()
        self._chosen_until = -math.inf

    def _none_left(self, endpoint: str, now: float) -> NoKey:
        if not self.keys:
            return NoKey(AUTH_REJECTED, None, f"no key for {self.source} is set in the environment or stored")
        unfit = [key for key in self.keys if key.state is not KeyState.OK]
        if not unfit:
            left = self._plans.first_end(endpoint, now)
            if left is None:
                return NoKey(AUTH_REJECTED, None, f"{self.source} has no other key")
            return NoKey(PLAN_LIMITED, left, f"no plan of {self.source} covers {endpoint}")
        first = min(unfit, key=lambda key: key.until)
        wait = first.seconds_left(now)
        back = "" if wait is None else f", back in {wait:.0f}s"
        return NoKey(CODE_OF_STATE[first.state], wait, f"{first.alias} is {first.state}{back}")

    def _replace(self, key: Key, by: Key) -> None:
        """Another object, since requests are kept ready for the one before."""
        by.changes = key.changes + 1
        self.keys[self.keys.index(key)] = by
        self._weighed_until = -math.inf
        self._plans.forget(key.alias)
        if key.state is not KeyState.OK:
            self._tell(by, key.state)
        self._settle()


def rotates_on(source: Source) -> frozenset[str]:
    """Key states in which another key may be used: round a limit only where the provider's terms allow it."""
    return frozenset(source.rotate_on) - (frozenset() if source.terms_allow_rotation else RESTING)
