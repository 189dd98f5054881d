"""Tells sources that are down from a network that is down. Pure."""

import math
from dataclasses import dataclass
from urllib.parse import urlsplit

from autonomous_healing.endpoint_healing.endpoints import Source
from autonomous_healing.resilience import Clock

#: So many unrelated sources, none of them reached within so many seconds, are no coincidence; one trial of
#: each source in so many seconds finds out when it is over (spec: endpoint healing, section 5).
SOURCES, WITHIN, TRIAL_EVERY = 2, 30.0, 30.0


@dataclass(frozen=True, slots=True)
class _Missed:
    at: float  #: monotonic seconds, of the last call that did not get there
    sites: frozenset[str]


def sites_of(source: Source) -> frozenset[str]:
    """Where its hosts are at home: the last two labels of a name, or an address. Sharing one is kinship."""
    names = (urlsplit(host).hostname or host for host in source.hosts)
    return frozenset(name if _is_address(name) else ".".join(name.split(".")[-2:]) for name in names)


def _is_address(name: str) -> bool:
    return ":" in name or name.replace(".", "").isdigit()


class NetworkWatch:
    """Hears of calls that reached nobody. Any answer at all, of whomever, acquits the network."""

    def __init__(self, clock: Clock) -> None:
        self.is_down = False
        self.since = 0.0  #: monotonic seconds, of the first call of those that told
        self.heard_at = -math.inf  #: monotonic seconds, of the last answer that was told here
        self._clock = clock
        self._missed: dict[str, _Missed] = {}
        self._tried: dict[str, float] = {}

    def missed(self, source: Source, reached_at: float) -> bool:
        """One more source was not reached; `reached_at`: when anybody last was, in monotonic seconds.

        Whether the network is to blame.
        """
        now = self._clock.monotonic()
        edge = max(now - WITHIN, reached_at)
        self._missed = {name: one for name, one in self._missed.items() if one.at > edge}
        self._missed[source.id] = _Missed(now, sites_of(source))
        if not self.is_down and self._unrelated() >= SOURCES:
            self.is_down, self.since = True, min(one.at for one in self._missed.values())
            self._tried = {name: one.at for name, one in self._missed.items()}
        return self.is_down

    def answered(self) -> None:
        """Somebody was reached."""
        self.is_down = False
        self.heard_at = self._clock.monotonic()
        self._missed.clear()
        self._tried.clear()

    def missing(self) -> tuple[str, ...]:
        """The sources that were not reached lately."""
        return tuple(sorted(self._missed))

    def wait(self, source: Source) -> float:
        """Seconds until the source may be tried; 0 while the network is up."""
        tried = self._tried.get(source.id)
        return 0.0 if tried is None else max(0.0, tried + TRIAL_EVERY - self._clock.monotonic())

    def try_now(self, source: Source) -> None:
        """Its one trial is being made."""
        if self.is_down:
            self._tried[source.id] = self._clock.monotonic()

    def _unrelated(self) -> int:
        """How many of those that were missed have no site in common with one counted before."""
        seen: set[str] = set()
        count = 0
        for one in self._missed.values():
            count += seen.isdisjoint(one.sites)
            seen |= one.sites
        return count

    def __repr__(self) -> str:
        return f"<NetworkWatch {'down' if self.is_down else 'up'}, missed {sorted(self._missed)}>"
