"""From chances, costs and fidelity to an order that fits the time left."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

#: A lower fidelity may go ahead only of a higher one with less than this share of its chance.
FAR_LIKELIER = 0.5


@dataclass(frozen=True, slots=True)
class Option:
    """A strategy that could be tried now."""

    name: str
    level_quality: float  #: worth of the answer it gives, 0..1
    declared_cost: float  #: seconds
    side_effects: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The order in which to try, and the chance that one of it succeeds in the time left."""

    order: tuple[str, ...]
    predicted: float
    learned: bool  #: False: the declared order was kept


class Candidate(NamedTuple):
    """An option with what is believed of it."""

    option: Option
    p: float
    cost: float  #: seconds
    local: bool  #: costs next to nothing, so it always fits
    worth: float  #: quality^2 * p / cost
    tried: float  #: attempts in this cell


def chance(chosen: Sequence[Candidate]) -> float:
    """That at least one of them succeeds."""
    return 1.0 - prod(1.0 - candidate.p for candidate in chosen)


def in_declared_order(candidates: Sequence[Candidate], seconds_left: float) -> list[Candidate]:
    """Those that fit, one after the other."""
    chosen = []
    for candidate in candidates:
        if candidate.local or candidate.cost <= seconds_left:
            chosen.append(candidate)
            seconds_left -= candidate.cost
    return chosen


def best_first(candidates: Sequence[Candidate], seconds_left: float) -> list[Candidate]:
    """Those that fit, by worth, where fidelity allows it; equals keep their declared order."""
    waiting = sorted(candidates, key=lambda candidate: -candidate.worth)
    chosen = []
    while waiting := [one for one in waiting if one.local or one.cost <= seconds_left]:
        best = next(one for one in waiting if may_lead(one, waiting))
        waiting.remove(best)
        chosen.append(best)
        seconds_left -= best.cost
    return chosen


def may_lead(candidate: Candidate, fitting: Sequence[Candidate]) -> bool:
    """Whether no strategy of higher fidelity that could finish must be tried before it."""
    quality, bar = candidate.option.level_quality, FAR_LIKELIER * candidate.p
    return not any(other.p >= bar and other.option.level_quality > quality for other in fitting)
