"""The circuits of all targets: which of them are one, which host is asked, and what an operator decides."""

import logging
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from autonomous_healing.endpoint_healing.codes import TIMEOUT
from autonomous_healing.endpoint_healing.endpoints import Endpoint, Source
from autonomous_healing.endpoint_healing.network_watch import NetworkWatch
from autonomous_healing.endpoint_healing.options import HealingSettings
from autonomous_healing.resilience import BreakerMemory, BreakerState, CircuitBreaker, Clock, Force

log = logging.getLogger(__name__)

#: From so many open circuits of one host of a source, and from this share of those in use, they are one
#: (spec: endpoint healing, section 7). In use is what was called within an hour: probes pause for ten minutes
#: at most.
MERGED_FROM, MERGED_SHARE, IN_USE_SECONDS = 2, 0.5, 3600.0

#: Seconds in which what is usual for a target follows what its calls take now.
BASELINE_SECONDS = 3600.0

#: Until it is known, so many times what is expected of a source is usual (spec: section 9).
EXPECTED_FACTOR = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class CircuitReading:
    """One circuit as it is now; times in seconds."""

    target: str  #: "yahoo_finance/chart@https://query1.finance.yahoo.com"
    source: str
    endpoint: str
    host: str
    state: BreakerState
    openings: int  #: in a row
    opened_for: float | None  #: None while it is closed
    until: float  #: the next trial; 0 where a call may be made now
    reason: str
    forced: Force | None
    forced_by: str
    forced_reason: str
    forced_for: float  #: so much longer
    share: float  #: of the calls meant for it
    merged: bool  #: one with the others of its source and host
    calls: int  #: of the window
    failed: int
    slow_share: float  #: of the last calls


@dataclass(slots=True)
class _Usual:
    """What a target's slowest twentieth usually takes."""

    seconds: float
    known_at: float


#: An endpoint's place and a host, and a source's id and a host.
_Target = tuple[str, str]
_Group = tuple[str, str]


class Circuits:
    """One breaker for each target, made when it is first asked for: of thousands, few ever are."""

    def __init__(self, settings: HealingSettings, clock: Clock, rng: random.Random | None = None) -> None:
        self.network = NetworkWatch(clock)
        self._settings = settings
        self._clock = clock
        self._rng = rng or random.Random()
        self._breakers: dict[_Target, CircuitBreaker] = {}
        self._usual: dict[_Target, _Usual] = {}
        self._merged: dict[_Group, CircuitBreaker] = {}  #: the one that moved last, which all others follow
        self._following = False
        self._pinned: dict[str, Endpoint] = {}  #: by place: those of which an operator has pinned a host
        self._eventful: set[str] = set()  #: names of those that were ever worth remembering
        self._on_move = self._moved  # bound once for all of them

    def breaker(self, endpoint: Endpoint, host: str) -> CircuitBreaker:
        """That of one target."""
        known = self._breakers.get((endpoint.place, host))
        return known if known is not None else self._begin(endpoint, host)

    def all(self) -> list[CircuitBreaker]:
        return list(self._breakers.values())

    def choose_host(self, endpoint: Endpoint) -> str:
        """A pinned one, else the first that may be called, seldom just after closing; else the least bad."""
        hosts = endpoint.source.hosts
        if len(hosts) == 1:
            return hosts[0]
        if endpoint.place in self._pinned and (pinned := self._keep_pinned(endpoint)):
            return pinned
        breakers = {host: self.breaker(endpoint, host) for host in hosts}
        for host, breaker in breakers.items():
            if not breaker.is_closed and breaker.would_allow():
                return host
            if breaker.is_closed and self._takes_its_turn(breaker):
                return host
        return self._least_bad(breakers)

    def last_resort(self, endpoint: Endpoint) -> str | None:
        """The least bad host, where all circuits of an endpoint are open and one may be tried early."""
        breakers = {host: self.breaker(endpoint, host) for host in endpoint.source.hosts}
        if self.network.is_down or any(one.would_allow() for one in breakers.values()):
            return None
        last = max(max(one.opened_at, one.tried_at) for one in breakers.values())
        if self._clock.monotonic() - last < self._settings.breaker.last_resort_interval:
            return None
        host = self._least_bad(breakers)
        return host if breakers[host].would_allow_early() else None

    def learn(self, endpoint: Endpoint, host: str, p95: float | None) -> None:
        """What the target's calls take now, which changes what is usual within an hour."""
        if p95 is None:
            return
        now, target = self._clock.monotonic(), (endpoint.place, host)
        usual = self._usual.get(target)
        if usual is None:
            usual = self._usual[target] = _Usual(p95, now)
        usual.seconds += (p95 - usual.seconds) * min(1.0, (now - usual.known_at) / BASELINE_SECONDS)
        usual.known_at = now
        self.breaker(endpoint, host).slow_after = self._slow_after(usual.seconds)

    def missed(self, source: Source) -> bool:
        """A call of this source reached nobody; whether the network is to blame. Then no circuit is."""
        was_down = self.network.is_down
        if self.network.missed(source, self.reached_at()) and not was_down:
            log.warning("network_lost", extra={"source": source.id})
            for breaker in self._breakers.values():
                breaker.hold(held=True)
                breaker.excuse(self.network.since)
        return self.network.is_down

    def reached_at(self) -> float:
        """When anybody was last, in monotonic seconds."""
        return max((self.network.heard_at, *(one.last_good for one in self._breakers.values())))

    def answered(self) -> None:
        """Somebody was reached, whatever the answer."""
        was_down = self.network.is_down
        self.network.answered()
        if was_down:
            log.info(
                "network_found", extra={"seconds": round(self._clock.monotonic() - self.network.since, 1)}
            )
            for breaker in self._breakers.values():
                breaker.hold(held=False)
            for endpoint in list(self._pinned.values()):
                self._keep_pinned(endpoint)

    def force(
        self,
        endpoint: Endpoint,
        kind: Force,
        *,
        seconds: float,
        reason: str,
        by: str,
        host: str | None = None,
    ) -> None:
        """An operator decides for so many seconds, for one host or for all; only one can be pinned.

        Raises `ValueError` where the host is none of the source's, or the time is none.
        """
        hosts = endpoint.source.hosts
        if host is not None and host not in hosts:
            raise ValueError(f"{host} is no host of {endpoint.source}")
        if not seconds > 0:
            raise ValueError("the time must lie ahead")
        if kind is Force.PINNED and host is None:
            host = hosts[0]
        for one in hosts if host is None else (host,):
            self.breaker(endpoint, one).force(kind, seconds=seconds, reason=reason, by=by)
        self._keep_pinned(endpoint)

    def unforce(self, endpoint: Endpoint, host: str | None = None) -> None:
        """The operator takes it back."""
        for one in endpoint.source.hosts if host is None else (host,):
            self.breaker(endpoint, one).unforce()
        self._keep_pinned(endpoint)

    def readings(self) -> list[CircuitReading]:
        """All of them, in the order in which they were first asked for."""
        return [self._reading(place, host, one) for (place, host), one in self._breakers.items()]

    def memories(self) -> dict[str, BreakerMemory]:
        """What should outlive a restart, by target; of those that never opened there is nothing to say."""
        for one in self._breakers.values():
            if one.openings or not one.is_closed or one.forced is not None:
                self._eventful.add(one.name)
        return {one.name: one.memory() for one in self._breakers.values() if one.name in self._eventful}

    def restore(self, memories: Mapping[str, BreakerMemory], endpoints: Iterable[Endpoint]) -> None:
        """Take up what was known before a restart, but nothing against what happened since."""
        for endpoint in endpoints:
            for host in endpoint.source.hosts:
                memory = memories.get(_name(endpoint, host))
                if memory is None:
                    continue
                breaker = self.breaker(endpoint, host)
                if breaker.is_closed and not breaker.openings and breaker.forced is None:
                    self._eventful.add(breaker.name)
                    breaker.restore(memory)
                    self._keep_pinned(endpoint)

    def _begin(self, endpoint: Endpoint, host: str) -> CircuitBreaker:
        source, settings = endpoint.source, self._settings.breaker
        breaker = self._breakers[endpoint.place, host] = CircuitBreaker(
            name=_name(endpoint, host),
            clock=self._clock,
            settings=settings,
            rng=self._rng,
            has_alternate=len(source.hosts) > 1,
            trial_seconds=max(endpoint.timeout, settings.open_base),
            slow_reason=TIMEOUT,
            slow_after=self._slow_after(EXPECTED_FACTOR * source.expected_response),
            moved=self._on_move,
        )
        if self.network.is_down:
            breaker.hold(held=True)
        if leader := self._merged.get((source.id, host)):
            breaker.follow(leader)
        return breaker

    def _keep_pinned(self, endpoint: Endpoint) -> str | None:
        """The pinned host of an endpoint; while there is one, no call goes to another without asking."""
        breakers = {host: self.breaker(endpoint, host) for host in endpoint.source.hosts}
        pinned = next((host for host, one in breakers.items() if one.is_pinned()), None)
        if pinned is not None:
            self._pinned[endpoint.place] = endpoint
        else:
            self._pinned.pop(endpoint.place, None)
        for host, one in breakers.items():
            one.hold(held=self.network.is_down or pinned not in (None, host))
        return pinned

    def _slow_after(self, usual: float) -> float:
        return max(self._settings.breaker.slow_factor * usual, self._settings.slow_response)

    def _takes_its_turn(self, breaker: CircuitBreaker) -> bool:
        share = breaker.share()
        return share >= 1.0 or self._rng.random() < share

    def _least_bad(self, breakers: Mapping[str, CircuitBreaker]) -> str:
        """It is closed, or nobody forbids it, it was opened the fewest times in a row, and is due first."""
        now = self._clock.monotonic()

        def badness(host: str) -> tuple[bool, bool, bool, int, float]:
            one = breakers[host]
            is_open, stated = not one.is_closed, one.reset_until > now
            return is_open, one.is_forced(), stated, one.openings, one.retry_after()

        return min(breakers, key=badness)

    def _moved(self, breaker: CircuitBreaker) -> None:
        """A circuit changed; those that are one with it follow."""
        if self._following:
            return
        self._tell(breaker)
        group = next(_group(place, host) for (place, host), one in self._breakers.items() if one is breaker)
        if breaker.is_forced():
            self._leave(breaker, group)
        elif group in self._merged or self._are_one(breaker, group):
            self._lead(breaker, group)

    def _are_one(self, breaker: CircuitBreaker, group: _Group) -> bool:
        """Whether enough of those in use are open. A stated reset of one tells nothing of the others."""
        now = self._clock.monotonic()
        if breaker.state is not BreakerState.OPEN or breaker.reset_until > now:
            return False
        in_use = [one for one in self._siblings(group) if self._counts(one, now)]
        opened = [one for one in in_use if not one.is_closed]
        if len(opened) < MERGED_FROM or len(opened) < MERGED_SHARE * len(in_use):
            return False
        breaker.openings = max(one.openings for one in opened)
        log.warning("circuits_merged", extra={"source": group[0], "host": group[1], "opened": len(opened)})
        return True

    def _counts(self, one: CircuitBreaker, now: float) -> bool:
        in_use = not one.is_closed or now - max(one.last_good, one.last_bad) <= IN_USE_SECONDS
        return in_use and not one.is_forced() and one.reset_until <= now

    def _lead(self, breaker: CircuitBreaker, group: _Group) -> None:
        self._following = True
        try:
            for one in self._siblings(group):
                if one is not breaker:
                    one.follow(breaker)
        finally:
            self._following = False
        if breaker.is_closed:
            self._merged.pop(group, None)
        else:
            self._merged[group] = breaker

    def _leave(self, breaker: CircuitBreaker, group: _Group) -> None:
        """An operator has taken it out; the others remain one under another."""
        if self._merged.get(group) is not breaker:
            return
        del self._merged[group]
        rest = (one for one in self._siblings(group) if not one.is_closed and not one.is_forced())
        if (leader := next(rest, None)) is not None:
            self._merged[group] = leader

    def _siblings(self, group: _Group) -> list[CircuitBreaker]:
        return [one for (place, host), one in self._breakers.items() if _group(place, host) == group]

    def _tell(self, breaker: CircuitBreaker) -> None:
        name, openings = breaker.name, breaker.openings
        match breaker.state:
            case BreakerState.OPEN:
                log.warning(
                    "circuit_opened",
                    extra={
                        "target": name,
                        "openings": openings,
                        "reason": breaker.reason,
                        "seconds": round(breaker.retry_after(), 1),
                    },
                )
            case BreakerState.CLOSED:
                log.info("circuit_closed", extra={"target": name, "openings": openings})
            case BreakerState.HALF_OPEN:
                log.info("circuit_half_open", extra={"target": name, "openings": openings})

    def _reading(self, place: str, host: str, one: CircuitBreaker) -> CircuitReading:
        now, forced = self._clock.monotonic(), one.forced if one.is_forced() else None
        calls, failed = one.counts()
        source, _, endpoint = place.partition("/")
        return CircuitReading(
            target=one.name,
            source=source,
            endpoint=f"/{endpoint}",
            host=host,
            state=one.state,
            openings=one.openings,
            opened_for=None if one.is_closed else now - one.opened_at,
            until=one.retry_after(),
            reason=one.reason,
            forced=forced.kind if forced else None,
            forced_by=forced.by if forced else "",
            forced_reason=forced.reason if forced else "",
            forced_for=forced.until - now if forced else 0.0,
            share=one.share(),
            merged=not one.is_closed and forced is None and _group(place, host) in self._merged,
            calls=calls,
            failed=failed,
            slow_share=one.slow_share(),
        )


def _name(endpoint: Endpoint, host: str) -> str:
    return f"{endpoint.place}@{host}"


def _group(place: str, host: str) -> _Group:
    return place.partition("/")[0], host
