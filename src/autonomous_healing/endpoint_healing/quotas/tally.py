"""Calls that still count, in memory that does not grow with how many they are."""

import math
from collections import deque
from collections.abc import Iterable

#: Slices of a window: what is forgotten late is so by at most this part of it; smaller limits are exact.
SLICES = 120

#: Where calls are lent, each loan is a slice of its own until there are more of them than this.
MOST_SLICES = 4 * SLICES


class Slice:
    """Calls that lie so close together that they are forgotten together."""

    __slots__ = ("count", "last")

    def __init__(self, last: float, count: int) -> None:
        self.last = last  #: monotonic seconds, of the newest
        self.count = count


class Tally:
    """A sliding window: calls in slices, each of which counts until its newest call is out.

    So nothing is forgotten too early. With `exact`, each moment is a slice of its own.
    """

    __slots__ = ("ends", "newest", "seconds", "slices", "width")

    def __init__(self, seconds: float, *, exact: bool) -> None:
        self.seconds = seconds
        self.width = 0.0 if exact else seconds / SLICES
        self.slices: deque[Slice] = deque()
        self.newest = Slice(-math.inf, 0)
        self.ends = -math.inf  #: of the newest slice: what comes from then on begins another

    @property
    def total(self) -> int:
        """Calls that were not forgotten."""
        return sum(one.count for one in self.slices)

    @property
    def latest(self) -> float:
        """The last moment at which any of them is made."""
        return max((one.last for one in self.slices), default=-math.inf)

    def add(self, now: float, count: int) -> None:
        """So many calls now."""
        if now < self.ends:
            self.newest.count += count
            self.newest.last = now
        else:
            self._begin(now, count)
            self.ends = now + self.width

    def lend(self, until: float, count: int) -> None:
        """So many calls at any moment until then."""
        self._begin(until, count)
        self.ends = -math.inf

    def take_back(self, count: int, until: float) -> int:
        """Of calls lent until then, so many were not made; returns how many of them still counted."""
        left = count
        for one in self.slices:
            if one.last == until:
                back = min(left, one.count)
                one.count -= back
                left -= back
        if left < count:
            self.slices = deque(one for one in self.slices if one.count)
            self.ends = -math.inf
        return count - left

    def forget(self, now: float) -> int:
        """How many count no more."""
        slices, gone = self.slices, 0
        while slices and slices[0].last + self.seconds <= now:
            gone += slices.popleft().count
        if not slices:
            self.ends = -math.inf
        return gone

    def clear(self) -> None:
        self.slices.clear()
        self.ends = -math.inf

    def since(self, moment: float) -> int:
        """Calls in slices that reach beyond that moment."""
        return sum(one.count for one in self.slices if one.last >= moment)

    def room_at(self, count: int) -> float:
        """When at least `count` of the calls count no more; infinite where there are not so many."""
        latest = -math.inf
        for one in self.slices:
            latest = max(latest, one.last)
            count -= one.count
            if count <= 0:
                return latest + self.seconds
        return math.inf

    def rate(self, now: float, half_life: float) -> float:
        """Calls a second of late: each weighs half as much after so many seconds."""
        weighed: float = sum(one.count * 0.5 ** max(0.0, (now - one.last) / half_life) for one in self.slices)
        return weighed * math.log(2) / half_life

    def parts(self, shift: float) -> list[tuple[float, int]]:
        """The slices as (moment, count), each moment moved by `shift` seconds."""
        return [(one.last + shift, one.count) for one in self.slices]

    def restore(self, parts: Iterable[tuple[float, int]]) -> None:
        """Put slices of an earlier run, oldest first, before those that there are."""
        self.slices.extendleft(reversed([Slice(last, count) for last, count in parts]))

    def _begin(self, last: float, count: int) -> None:
        if self.width and len(self.slices) >= MOST_SLICES:
            self._merge()
        self.newest = Slice(last, count)
        self.slices.append(self.newest)

    def _merge(self) -> None:
        """Make one of slices that lie close, in the older half; of a loan there nothing can be given back."""
        slices, merged = list(self.slices), deque[Slice]()
        half = len(slices) // 2
        for one in slices[:half]:
            if merged and merged[-1].last // self.width == one.last // self.width:
                merged[-1].last = max(merged[-1].last, one.last)
                merged[-1].count += one.count
            else:
                merged.append(one)
        self.slices = merged + deque(slices[half:])

    def __repr__(self) -> str:
        return f"<Tally {self.total} in {self.seconds:g}s>"
