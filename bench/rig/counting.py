"""From what callers got and an origin was asked to shares, bursts and crowds. Pure."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from math import inf
from typing import NamedTuple

from bench.rig.callers import Taken
from bench.rig.faults import CannotMeasure
from bench.rig.figures import percentile
from bench.rig.flaky import Visit


def success(taken: Sequence[Taken]) -> float:
    """Share of the callers who got the truth; `CannotMeasure` where nobody asked."""
    if not taken:
        raise CannotMeasure("nobody asked while it was to be measured")
    return sum(one.right for one in taken) / len(taken)


def amplification(visits: Sequence[Visit], taken: Sequence[Taken]) -> float:
    """How often the origin was asked for each question of a caller."""
    return len(visits) / len(taken)


def p99_seconds(taken: Sequence[Taken]) -> float:
    return percentile([one.seconds for one in taken], 0.99)


def between(visits: Iterable[Visit], begin: float, end: float) -> list[Visit]:
    """Those that came in this time."""
    return [one for one in visits if begin <= one.came < end]


def asked_between(taken: Iterable[Taken], begin: float, end: float) -> list[Taken]:
    return [one for one in taken if begin <= one.asked < end]


def growth_of_p99(taken: Sequence[Taken], since: float, until: float) -> float:
    """Seconds by which those who asked in this time waited longer than those before."""
    return p99_seconds(asked_between(taken, since, until)) - p99_seconds(asked_between(taken, -inf, since))


def busiest_second(visits: Iterable[Visit]) -> int:
    """The most that came within any one second."""
    came = sorted(one.came for one in visits)
    return max((bisect_left(came, since + 1.0) - place for place, since in enumerate(came)), default=0)


def most_at_once(visits: Iterable[Visit]) -> int:
    """The most that were being answered at the same moment; who leaves as another comes is not counted."""
    steps = sorted(
        step for one in visits for step in ((one.came, 1), (inf if one.went is None else one.went, -1))
    )
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def most_for_one(visits: Iterable[Visit]) -> int:
    """The most that came for the same key."""
    return max(Counter(one.key for one in visits).values(), default=0)


class Moments(NamedTuple):
    """Of an outage, by the loop's clock."""

    began: float  #: the load, while all was well
    down: float
    back: float


def through_outage(visits: Sequence[Visit], taken: Sequence[Taken], at: Moments) -> dict[str, float]:
    """Calls as a share of what is usual, which is what came before; what callers got meanwhile."""
    usual = len(between(visits, at.began, at.down)) / (at.down - at.began)
    if not usual:
        raise CannotMeasure("the origin was asked nothing even before the outage")
    meanwhile = asked_between(taken, at.down, at.back)
    return {
        "amplification_outage": len(between(visits, at.down, at.back)) / (usual * (at.back - at.down)),
        "success_outage": success(meanwhile),
        "p99_outage_s": p99_seconds(meanwhile),
        "burst_after_outage": busiest_second(between(visits, at.back, inf)) / usual,
    }
