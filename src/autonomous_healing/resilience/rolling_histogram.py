"""How long things took lately, in memory that does not grow with how many there were."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from math import ceil, frexp, ldexp

SLICES = 12  #: of a window: what is forgotten late is forgotten by at most this part of it

#: Buckets between a time and its double: what is told lies above the truth by at most a sixteenth.
PARTS = 16

#: Seconds; beyond them all times are alike, so that there are never more than some 500 buckets.
SHORTEST, LONGEST = 1e-6, 3600.0


def bucket_of(seconds: float) -> int:
    """The number of the bucket that holds a time."""
    mantissa, exponent = frexp(min(max(SHORTEST, seconds), LONGEST))
    return exponent * PARTS + int((mantissa - 0.5) * 2 * PARTS)


def end_of(bucket: int) -> float:
    """Seconds below which everything in it lies."""
    exponent, part = divmod(bucket, PARTS)
    return ldexp(0.5 + (part + 1) / (2 * PARTS), exponent)


def quantile_of(counts: Mapping[int, int], share: float) -> float | None:
    """Seconds within which at least this share of all in these buckets ended; None where there are none."""
    total = sum(counts.values())
    above = total - ceil(share * total)
    for bucket in sorted(counts, reverse=True):
        above -= counts[bucket]
        if above < 0:
            return end_of(bucket)
    return None


class _Slice:
    __slots__ = ("counts", "last", "number")

    def __init__(self, number: float) -> None:
        self.number = number
        self.last = 0.0
        self.counts: Counter[int] = Counter()


class RollingHistogram:
    """Times of a sliding window, by slices of it and buckets of equal ratio."""

    __slots__ = ("_counts", "_slice", "_slices", "_window", "total")

    def __init__(self, window: float) -> None:
        self.total = 0
        self._window = window
        self._slice = window / SLICES
        self._slices: deque[_Slice] = deque()
        self._counts: Counter[int] = Counter()

    def add(self, now: float, seconds: Iterable[float]) -> Counter[int]:
        """Count these as of now, and forget what is too old; how many of them are in which bucket."""
        self.forget(now)
        counts = Counter(map(bucket_of, seconds))
        number = now // self._slice
        if not self._slices or self._slices[-1].number != number:
            self._slices.append(_Slice(number))
        newest = self._slices[-1]
        newest.last = now
        newest.counts.update(counts)
        self._counts.update(counts)
        self.total += counts.total()
        return counts

    def forget(self, now: float) -> None:
        """Drop the slices of which the newest moment has left the window."""
        edge = now - self._window
        while self._slices and self._slices[0].last <= edge:
            gone = self._slices.popleft().counts
            self._counts -= gone
            self.total -= gone.total()

    def quantile(self, share: float) -> float | None:
        """Seconds within which at least this share of them ended; None where there are none."""
        return quantile_of(self._counts, share)

    def __repr__(self) -> str:
        return f"<RollingHistogram {self.total} in {self._window:g}s>"
