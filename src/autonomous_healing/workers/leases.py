"""Leave to ask a source, lent by the one process that counts to those that ask."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from autonomous_healing.endpoint_healing.admission import Admission
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.keys import Key, KeyState, NoKey
from autonomous_healing.endpoint_healing.quota import QuotaLedger
from autonomous_healing.resilience import Clock
from autonomous_healing.workers.messages import UNLIMITED, Lease, LimitsTold

#: How long a lease holds: so late at most a worker that hears nothing stops asking when a circuit opens.
SECONDS = 1.0

#: Calls in one lease at most, where a quota counts them.
LARGEST_BLOCK = 50

#: A worker gets this share of what is left, divided by the workers: what is lent may lie idle for a moment.
SHARE = 4

#: How long after its end the unused calls of a lease may be given back.
_RETURN_SECONDS = 5.0

#: Between two requests for a lease that is not granted.
ASK_AGAIN = 0.1

#: Between two words on the limits of one place and key.
TELL_EVERY = 0.5


def block_of(left: int | None, workers: int) -> int:
    """Calls to lend where `left` may be made; 0 where so few are left that the owner counts each itself."""
    return UNLIMITED if left is None else max(0, min(LARGEST_BLOCK, left // (SHARE * workers)))


@dataclass(slots=True)
class _Grant:
    place: str
    alias: str
    until: float
    calls: int
    ledger: QuotaLedger | None  #: None where nothing was counted
    withdrawn: bool = False


class Lender:
    """The owner's side: grants, takes back, and notices when a grant should hold no longer."""

    def __init__(
        self, endpoints: Iterable[Endpoint], admission: Admission, workers: int, clock: Clock
    ) -> None:
        self._endpoints = {one.place: one for one in endpoints if one.source.kind == "data"}
        self._admission = admission
        self._workers = workers
        self._clock = clock
        self._grants: dict[int, _Grant] = {}
        self._last = 0

    def grant(self, place: str) -> Lease | None:
        """A lease whose calls are counted already; None where something stands in the way."""
        endpoint = self._endpoints.get(place)
        alias = self._key_for(endpoint) if endpoint is not None else None
        if endpoint is None or alias is None:
            return None
        ledger = self._admission.limits(endpoint.source).ledger
        left = ledger.left(alias, "" if alias else endpoint.source.hosts[0])
        calls = block_of(left, self._workers)
        if calls < 1:
            return None
        until = self._clock.monotonic() + SECONDS
        if left is not None:
            ledger.charge_block(alias, calls, until)
        self._last += 1
        self._grants[self._last] = _Grant(place, alias, until, calls, None if left is None else ledger)
        return Lease(place, self._last, alias, calls, until)

    def take_back(self, number: int, calls: int) -> None:
        """Unused calls; of an unknown or older lease they are not believed."""
        grant = self._grants.pop(number, None)
        if grant is not None and grant.ledger is not None and 0 < calls <= grant.calls:
            grant.ledger.give_back(grant.alias, calls, grant.until)

    def withdrawn(self) -> list[str]:
        """Places whose leases hold no longer since the last look: circuit not steady, key at rest."""
        now = self._clock.monotonic()
        gone: set[str] = set()
        for number, grant in list(self._grants.items()):
            if now >= grant.until + (_RETURN_SECONDS if grant.ledger else 0.0):
                del self._grants[number]
            elif now < grant.until and not grant.withdrawn and not self._holds(grant):
                grant.withdrawn = True
                gone.add(grant.place)
        return sorted(gone)

    def _holds(self, grant: _Grant) -> bool:
        """Whether its key may still be used; whether it still is the best one is not asked."""
        endpoint = self._endpoints[grant.place]
        host, limits = endpoint.source.hosts[0], self._admission.limits(endpoint.source)
        if self._must_be_asked(endpoint):
            return False
        if not grant.alias:
            return not limits.ledger.rests(host)
        key, excluded = limits.keys.find(grant.alias), limits.keys.excluded(grant.alias)
        return key is not None and key.state is KeyState.OK and endpoint.name not in excluded

    def _must_be_asked(self, endpoint: Endpoint) -> bool:
        """Whether each call has to be decided upon."""
        steady = self._admission.breaker(endpoint, endpoint.source.hosts[0]).is_steady
        return not steady or self._admission.spares(endpoint.source.id)

    def _key_for(self, endpoint: Endpoint) -> str | None:
        """The alias of the key to ask with, empty where none is wanted; None where nobody may ask now."""
        if self._must_be_asked(endpoint):
            return None
        try:
            key = self._admission.limits(endpoint.source).keys.choose(endpoint.name)
        except NoKey:
            return None
        return key.alias if key is not None else ""


@dataclass(slots=True)
class _Held:
    number: int
    key: Key
    calls: int
    until: float
    renew_at: float
    low: int  #: calls left at which more are asked for


class Leases:
    """A worker's side: what it may ask for now."""

    def __init__(
        self,
        ask: Callable[[str], None],
        give_back: Callable[[int, int], None],
        tell: Callable[[LimitsTold], None],
        clock: Clock,
    ) -> None:
        self._ask = ask
        self._give_back = give_back
        self._tell = tell
        self._clock = clock
        self._told_at: dict[tuple[str, str], float] = {}
        self._held: dict[str, _Held] = {}
        self._asked_at: dict[str, float] = {}

    def take(self, place: str, cost: int = 1) -> Key | None:
        """The key for one call; None where there is no lease for it, which is asked for then."""
        now = self._clock.monotonic()
        held = self._held.get(place)
        if held is None or now >= held.until or held.calls < cost:
            self._want(place, now)
            return None
        held.calls -= cost
        if now >= held.renew_at or held.calls <= held.low:
            self._want(place, now)
        return held.key

    def told(self, place: str, alias: str, fields: Mapping[str, str]) -> None:
        """What an answer says of limits, for the owner who counts; once in a while is enough."""
        now = self._clock.monotonic()
        if now - self._told_at.get((place, alias), -math.inf) >= TELL_EVERY:
            self._told_at[place, alias] = now
            self._tell(LimitsTold(place, alias, dict(fields)))

    def granted(self, lease: Lease, key: Key) -> None:
        """In place of the one before."""
        self.revoke(lease.place)
        now = self._clock.monotonic()
        renew_at = now + (lease.until - now) / 2
        self._held[lease.place] = _Held(
            lease.number, key, lease.calls, lease.until, renew_at, lease.calls // 2
        )
        self._asked_at.pop(lease.place, None)

    def revoke(self, place: str) -> None:
        """Ask no more for this place; what was not used goes back."""
        held = self._held.pop(place, None)
        if held is not None:
            self._return(held)

    def expire(self) -> None:
        """Give back what is left of leases whose time is over."""
        now = self._clock.monotonic()
        for place in [place for place, held in self._held.items() if now >= held.until]:
            self._return(self._held.pop(place))

    def _return(self, held: _Held) -> None:
        # An unlimited one holds more than is ever used in its time, and nothing was counted for it.
        if 0 < held.calls <= LARGEST_BLOCK:
            self._give_back(held.number, held.calls)

    def _want(self, place: str, now: float) -> None:
        if now - self._asked_at.get(place, -math.inf) >= ASK_AGAIN:
            self._asked_at[place] = now
            self._ask(place)
