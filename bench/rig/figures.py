"""From rounds to figures: medians, spreads and ratios. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Figure:
    """The median over the rounds, with the least and the most of them."""

    value: float
    least: float
    most: float


def over_rounds(values: Sequence[float], digits: int = 3) -> Figure | None:
    """None where no round has one."""
    if not values:
        return None
    return Figure(round(median(values), digits), round(min(values), digits), round(max(values), digits))


def ratio(above: Mapping[int, float], below: Mapping[int, float]) -> Figure | None:
    """The median of the rounds' own ratios, of rounds that have both: a slow round is slow for both."""
    rounds = sorted(above.keys() & below.keys())
    return over_rounds([above[number] / below[number] for number in rounds if below[number] > 0])


def per_ten_thousand(cpu: float, requests: int) -> float:
    """CPU seconds per 10 000 requests."""
    return cpu / requests * 10_000


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed."""
    ordered = sorted(values)
    rank = -int(-share * len(ordered) // 1)
    return ordered[min(len(ordered), max(1, rank)) - 1]


def rotated(items: Sequence[str], by: int) -> list[str]:
    """The same ones in another order, so that none is always first."""
    start = by % len(items) if items else 0
    return [*items[start:], *items[:start]]
