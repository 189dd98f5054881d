"""One limit of one key: what counts against it, who may use how much of it, and what is learned of it."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from autonomous_healing.endpoint_healing.codes import QUOTA_EXHAUSTED, RATE_LIMITED
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.quotas.belief import UNLIMITED, Belief
from autonomous_healing.endpoint_healing.quotas.counter import Part, QuotaCounter
from autonomous_healing.endpoint_healing.quotas.shares import Shares
from autonomous_healing.endpoint_healing.quotas.tally import SLICES, Tally
from autonomous_healing.endpoint_healing.retry_after import CAP

#: A limit over a longer window is a plan's quota, over a shorter one a pace.
PACE_SECONDS = 3600.0

#: A stated wait may be that much longer than its window: providers round up.
ROUNDED = 1.05

#: Seconds by which a call may seem to be later each time it is written down: two clocks are looked at.
_SAME = 0.01

#: In a counter, the calls of all purposes.
_ALL = "all"


class QuotaSpent(Exception):
    """The call would pass a limit: under which code to refuse it, and in how many seconds there is room."""

    def __init__(self, code: str, retry_after: float, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Rest:
    """The source has said that nothing more is to be had until then."""

    until: float  #: monotonic seconds
    code: str


class Window(ABC):
    """Counts what is asked. All moments are monotonic seconds."""

    __slots__ = (
        "_restored_to",
        "_shares",
        "belief",
        "due",
        "elsewhere",
        "fallbacks",
        "first",
        "limit",
        "name",
        "position",
        "probes",
        "rests",
        "rooms",
        "seconds",
        "tally",
        "told_until",
        "used",
    )

    kind: str

    def __init__(
        self, name: str, seconds: float, declared: int | None, shares: Shares, position: int
    ) -> None:
        self.name = name
        self.seconds = seconds
        self.position = position  #: of its cost among those of a call
        self.belief = Belief(declared)
        self.used = 0  #: what counts now, and what no longer does but was not yet forgotten
        self.elsewhere = 0  #: of that, calls of others that we were told of
        self.told_until = -math.inf  #: so long that holds
        self.rests: dict[str, Rest] = {}  #: by host; "" stands for all
        self.due = math.inf  #: when `catch_up` must be called before anything is counted
        self._shares = shares
        self._restored_to = -math.inf  #: Unix seconds of the newest call that was taken up
        self.limit = self.belief.limit
        self.rooms: Mapping[Purpose, int] = shares.rooms(self.limit)
        self.first = self.rooms[Purpose.FIRST]  #: the room of first attempts; none while anything rests
        exact = self.limit <= SLICES
        self.tally, self.probes, self.fallbacks = (Tally(seconds, exact=exact) for _ in range(3))

    @property
    def is_pace(self) -> bool:
        return self.seconds <= PACE_SECONDS

    @property
    def remaining(self) -> int:
        """Calls that may still be made, whoever makes them."""
        return 0 if self.rests else max(0, self.limit - self.used)

    def catch_up(self, now: float) -> None:
        """Forget what counts no more, and go by what is believed now."""
        self._forget(now)
        if self.elsewhere and now >= self.told_until:
            self.used -= self.elsewhere
            self.elsewhere = 0
        if self.rests:
            self.rests = {host: rest for host, rest in self.rests.items() if now < rest.until}
        if self.limit != self.belief.limit:
            self.limit = self.belief.limit
            self.rooms = self._shares.rooms(self.limit)
        self.first = -1 if self.rests else self.rooms[Purpose.FIRST]

    def takes(self, cost: int, purpose: Purpose, host: str, now: float) -> bool:
        """Whether there is room for a call at that host. An empty window takes any that its limit allows."""
        self.catch_up(now)
        if self._rest(host) is not None:
            return False
        if self.used + cost > self.rooms[purpose] and (self.used or cost > self.limit):
            return False
        share = self._share_of(purpose)
        return share is None or not share.total or share.total + cost <= self._room_of(purpose)

    def refusal(self, source: str, cost: int, purpose: Purpose, host: str, now: float) -> QuotaSpent:
        """Why `takes` has said no."""
        rest = self._rest(host)
        if rest is not None:
            said = f"{source} has nothing left in its {self.name}, as it says"
            return QuotaSpent(rest.code, rest.until - now, said)
        room = self.rooms[purpose]
        said, at = f"own limit of {room} calls in a {self.name} to {source} is reached", now
        if (over := self.used + cost - room) > 0:
            at = self.room_at(over, now)
        share = self._share_of(purpose)
        if share is not None and (over := share.total + cost - self._room_of(purpose)) > 0:
            said = f"share of {purpose} in a {self.name} of {source} is used"
            at = max(at, self.share_at(share, over, now))
        code = RATE_LIMITED if self.is_pace else QUOTA_EXHAUSTED
        wait = self.seconds if math.isinf(at) else at - now  # no wait makes room for what costs too much
        return QuotaSpent(code, max(0.0, wait), said)

    def add(self, cost: int, purpose: Purpose, now: float) -> None:
        """Count a call about to be made."""
        self.used += cost
        self.tally.add(now, cost)
        share = self._share_of(purpose)
        if share is not None:
            share.add(now, cost)

    def lend(self, count: int, until: float) -> None:
        """Count calls that others may make until then."""
        self.used += count
        self.tally.lend(until, count)

    def take_back(self, count: int, until: float) -> None:
        """Of those, so many were not made."""
        self.used -= self.tally.take_back(count, until)

    def rest(self, host: str, until: float, code: str) -> None:
        """Nothing more of it at that host until then, at all hosts where it is empty."""
        known = self.rests.get(host)
        if known is None or known.until < until:
            self.rests[host] = Rest(until, code)
            self.first = -1

    def rate(self, now: float) -> float:
        """Calls a second of late, by the half-life of a tenth of the window (spec: section 10)."""
        return self.tally.rate(now, self.seconds / 10)

    def rests_at(self, host: str, now: float) -> bool:
        rest = self._rest(host)
        return rest is not None and now < rest.until

    def speaks_of(self, limit: int, resets_in: float | None) -> bool:
        """Whether a limit that is told with that reset is the one of this window."""
        return limit in (self.belief.declared, self.limit) and (resets_in or 0.0) <= self.seconds * ROUNDED

    def throttled(self, now: float) -> None:
        """The source has refused a call although there was room."""
        self.catch_up(now)
        self.belief.throttled(self.used, now, self.seconds)
        self._begin_clean(now)
        self.catch_up(now)

    def told(self, limit: int | None, remaining: int | None, resets_in: float | None, now: float) -> None:
        """What the source says of the window. Never more is believed to be left than it says."""
        self.catch_up(now)
        if limit is not None:
            self.belief.told(limit)
            self.catch_up(now)
        if remaining is None or self.limit == UNLIMITED:
            return
        own = self.used - self.elsewhere
        self.elsewhere = max(0, self.limit - remaining - own)
        self.used = own + self.elsewhere
        self.told_until = now + min(self.seconds if resets_in is None else resets_in, self.seconds)

    def counter(self, source: str, alias: str, now: float, wall: float) -> QuotaCounter:
        """As it is written down; `wall` is Unix seconds at `now`."""
        shift = wall - now
        started, resets = self._span(now, wall)
        return QuotaCounter(
            source=source,
            key_alias=alias,
            window=self.name,
            started_at=moment(started),
            used=self.used,
            declared=self.belief.declared,
            estimated=self.belief.estimated,
            resets_at=None if resets is None else moment(resets),
            calls={name: tally.parts(shift) for name, tally in self._tallies().items() if tally.total},
            rests={host: (rest.until + shift, rest.code) for host, rest in self.rests.items()},
            updated_at=moment(wall),
        )

    def restore(self, known: QuotaCounter, now: float, wall: float) -> None:
        """Take up what an earlier run has counted; once, whatever was counted since."""
        self.catch_up(now)
        self.belief.restore(known.declared, known.estimated)
        for host, (until, code) in known.rests.items():
            if until > wall:
                self.rest(host, now + min(until - wall, CAP), code)
        self._take_up(known, now, wall)
        for name, tally in self._tallies().items():
            tally.restore(self._unknown(known.calls.get(name, ()), now, wall))
        self._restored_to = max((at for at, _ in known.calls.get(_ALL, ())), default=self._restored_to)
        self.catch_up(now)

    @property
    def state(self) -> tuple[object, ...]:
        """Another than before where something has changed that is worth writing down."""
        return self.used, self.tally.latest, self.belief.estimated, self.told_until, tuple(self.rests)

    @abstractmethod
    def room_at(self, count: int, now: float) -> float:
        """When so many of the calls that count now will count no more."""

    @abstractmethod
    def share_at(self, share: Tally, count: int, now: float) -> float:
        """When so many of the calls of one purpose will count no more."""

    @abstractmethod
    def resets_in(self, now: float) -> float | None:
        """Seconds until it begins anew, or until the next call counts no more; None where none does."""

    @abstractmethod
    def eta(self, rate: float, now: float) -> float | None:
        """Seconds until nothing is left at so many calls a second; None where that will not be."""

    @abstractmethod
    def _forget(self, now: float) -> None:
        """Take from `used` what counts no more."""

    @abstractmethod
    def _span(self, now: float, wall: float) -> tuple[float, float | None]:
        """What a counter says of beginning and end, in Unix seconds."""

    @abstractmethod
    def _take_up(self, known: QuotaCounter, now: float, wall: float) -> None:
        """Add to `used` what an earlier run has counted."""

    @abstractmethod
    def _begin_clean(self, now: float) -> None:
        """A throttle was met: the time without one begins again."""

    def _unknown(self, parts: Sequence[Part], now: float, wall: float) -> list[tuple[float, int]]:
        """Those that still count and were not taken up before, as moments of the monotonic clock."""
        shift = wall - now
        found = [(min(at - shift, now), count) for at, count in parts if at > self._restored_to + _SAME]
        return [(at, count) for at, count in found if at + self.seconds > now]

    def _tallies(self) -> dict[str, Tally]:
        return {_ALL: self.tally, Purpose.PROBE.value: self.probes, Purpose.FALLBACK.value: self.fallbacks}

    def _rest(self, host: str) -> Rest | None:
        return self.rests.get(host) or self.rests.get("") if self.rests else None

    def _share_of(self, purpose: Purpose) -> Tally | None:
        """The calls of a purpose that may use only a share of the window."""
        match purpose:
            case Purpose.PROBE:
                return self.probes
            case Purpose.FALLBACK:
                return self.fallbacks
            case _:
                return None

    def _room_of(self, purpose: Purpose) -> int:
        if purpose is Purpose.PROBE:
            return self._shares.probes(self.limit)
        return self._shares.fallbacks(self.limit, self.used - self.fallbacks.total)

    def __repr__(self) -> str:
        return f"<Window {self.name}: {self.used} of {self.limit}>"


def moment(unix: float) -> datetime:
    """Aware, in UTC."""
    return datetime.fromtimestamp(unix, UTC)
