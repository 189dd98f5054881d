"""Calls that still count, in memory that does not grow with how many they are."""

import math
from collections import deque
from collections.abc import Iterable

#: Slices of a window. What is forgotten late is forgotten by at most this part of it; smaller limits are exact.
SLICES = 120


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

    __slots__ = ("ends", "newest", "seconds", "slices", "total", "width")

    def __init__(self, seconds: float, *, exact: bool) -> None:
        self.seconds = seconds
        self.width = 0.0 if exact else seconds / SLICES
        self.slices: deque[Slice] = deque()
        self.newest = Slice(-math.inf, 0)
        self.ends = -math.inf  #: of the newest slice: what comes later begins another
        self.total = 0

    def add(self, now: float, count: int) -> None:
        """So many calls, now or, lent to others, until a moment to come."""
        self.total += count
        newest = self.newest
        if now >= self.ends:
            # After one of a moment to come, since they are forgotten in their order.
            self.newest = Slice(max(now, newest.last), count)
            self.slices.append(self.newest)
            self.ends = now + self.width
        else:
            newest.count += count
            if now > newest.last:
                newest.last = now

    def forget(self, now: float) -> int:
        """How many count no more."""
        slices, before = self.slices, self.total
        while slices and slices[0].last + self.seconds <= now:
            self.total -= slices.popleft().count
        if not slices:
            self.clear()
        return before - self.total

    def clear(self) -> None:
        self.slices.clear()
        self.newest, self.ends, self.total = Slice(-math.inf, 0), -math.inf, 0

    def take_back(self, count: int, at: float) -> int:
        """Of calls lent until `at`, so many were not made; returns how many of them still counted."""
        left = count
        for one in self.slices:
            if one.last >= at:
                back = min(left, one.count)
                one.count -= back
                left -= back
        self.total -= count - left
        if any(not one.count for one in self.slices):
            self._drop_empty()
        return count - left

    def room_at(self, count: int) -> float:
        """When at least `count` of the calls count no more; infinite where there are not so many."""
        for one in self.slices:
            count -= one.count
            if count <= 0:
                return one.last + self.seconds
        return math.inf

    @property
    def next_out(self) -> float:
        """When the oldest slice counts no more; infinite where there is none."""
        return self.slices[0].last + self.seconds if self.slices else math.inf

    def rate(self, now: float) -> float:
        """Calls a second of late: each weighs half as much after every tenth of the window."""
        half_life = self.seconds / 10
        weighed = sum(one.count * 0.5 ** max(0.0, (now - one.last) / half_life) for one in self.slices)
        return weighed * math.log(2) / half_life

    def parts(self, shift: float) -> list[tuple[float, int]]:
        """The slices as (moment, count), each moment moved by `shift` seconds."""
        return [(one.last + shift, one.count) for one in self.slices if one.count]

    def restore(self, parts: Iterable[tuple[float, int]]) -> None:
        """Put slices of an earlier run, oldest first, before those that there are."""
        earlier = [Slice(last, count) for last, count in parts]
        self.slices.extendleft(reversed(earlier))
        self.total += sum(one.count for one in earlier)

    def _drop_empty(self) -> None:
        self.slices = deque(one for one in self.slices if one.count)
        self.ends = -math.inf
        self.newest = self.slices[-1] if self.slices else Slice(-math.inf, 0)

    def __repr__(self) -> str:
        return f"<Tally {self.total} in {self.seconds:g}s>"
