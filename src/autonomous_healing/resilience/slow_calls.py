"""Which of the last calls were slow."""

from collections.abc import Sequence


class SlowCalls:
    """One bit for each of the last `size` calls."""

    __slots__ = ("_bits", "_known", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._bits = 0
        self._known = 0

    def note(self, seconds: Sequence[float], after: float) -> float:
        """What some more calls took, in the order of their ends, and `after` how long one is slow.

        With them, the share of slow ones.
        """
        latest = seconds[-self._size :]
        if self._bits or max(latest) > after:
            for took in latest:
                self._bits = self._bits << 1 | (took > after)
            self._bits &= (1 << self._size) - 1
        if self._known < self._size:
            self._known = min(self._size, self._known + len(latest))
        return self.share() if self._bits else 0.0

    def share(self) -> float:
        """Of the last `size` calls, how many were slow; 0 until there are so many."""
        return self._bits.bit_count() / self._size if self._known == self._size else 0.0

    def __repr__(self) -> str:
        return f"<SlowCalls {self._bits.bit_count()} of {self._known}>"
