"""How many there were lately, in memory that does not grow with how many there were."""

from collections import deque

SLICES = 60  #: of a window: what is forgotten late is forgotten by at most this part of it
LONGEST_SLICE = 1.0  #: seconds


class _Slice:
    __slots__ = ("count", "last", "number")

    def __init__(self, number: float) -> None:
        self.number = number
        self.last = 0.0
        self.count = 0


#: Of all that never counted anything: most never will, and even an empty deque takes 600 bytes.
_NONE: deque[_Slice] = deque(maxlen=0)


class RollingCount:
    """A sliding window that remembers slices of time instead of single moments.

    A slice is forgotten when its newest moment has left the window: nothing is forgotten too early,
    and what lies at least a slice apart is forgotten to the moment. Slices begin at the same moments
    everywhere, so that a part never counts more than its whole.
    """

    __slots__ = ("_slice", "_slices", "_window", "total")

    def __init__(self, window: float) -> None:
        self.total = 0
        self._window = window
        self._slice = min(LONGEST_SLICE, window / SLICES)
        self._slices = _NONE

    def add(self, now: float, count: int = 1) -> None:
        """Count so many now, and forget what is too old."""
        self.forget(now)
        if not count:
            return
        number = now // self._slice
        slices = self._slices
        if not slices or slices[-1].number != number:
            if slices is _NONE:
                slices = self._slices = deque()
            slices.append(_Slice(number))
        newest = slices[-1]
        newest.last = now
        newest.count += count
        self.total += count

    def forget(self, now: float) -> None:
        """Drop what has left the window."""
        edge = now - self._window
        slices = self._slices
        while slices and slices[0].last <= edge:
            self.total -= slices.popleft().count

    def clear(self) -> None:
        self._slices = _NONE
        self.total = 0

    def __len__(self) -> int:
        """Slices held in memory."""
        return len(self._slices)

    def __repr__(self) -> str:
        return f"<RollingCount {self.total} in {self._window:g}s>"
