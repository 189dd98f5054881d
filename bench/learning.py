"""How fast the nested learner decides, and what it heals in a made-up world next to simpler learners.

The world: sources of four hidden families, with quirks, bring faults of twelve patterns (Zipf). Each
strategy has a price, a fidelity and a chance of success that differs by family and pattern. Sources arrive
late, change their interface about every 30 days, and two strategies die for all. All learners meet
the same faults with the same luck, and try until success or until 3 s are spent. The oracle knows the
true chances. Shares healed are printed beside the ratios: they are a property of the world as well.
"""

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from math import log
from pathlib import Path
from statistics import median
from typing import Protocol

from autonomous_healing.learning import LearningSettings, NestedLearner, Option
from autonomous_healing.resilience import SystemClock

DAY = 86_400.0
BUDGET = 3.0
PATTERNS = 12
STRATEGIES = 14
FAMILIES = 4
LEVELS = (1.0, 1.0, 0.95, 0.95, 0.8, 0.5)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, with the luck it brings for each strategy."""

    day: float
    source: int
    pattern: int
    options: tuple[int, ...]  #: strategies whose preconditions hold, in declared order
    chances: tuple[float, ...]  #: true ones, by strategy
    luck: tuple[float, ...]  #: a strategy heals if its luck is below its chance
    seconds: tuple[float, ...]  #: what each would take

    @property
    def code(self) -> str:
        return f"P{self.pattern}"

    @property
    def cluster(self) -> str:
        return f"P{self.pattern}:s{self.source}"


class World:
    """Faults day by day, the same for all who watch it with the same seed."""

    def __init__(self, seed: int, days: int = 56, faults_per_day: int = 300, sources: int = 26) -> None:
        self._rng = rng = random.Random(seed)
        self._days, self._per_day, self._sources = days, faults_per_day, sources
        self.costs = [float(0.05 * 36 ** rng.random()) for _ in range(STRATEGIES)]
        self.qualities = [rng.choice(LEVELS) for _ in range(STRATEGIES)]
        families = [[self._chances() for _ in range(PATTERNS)] for _ in range(FAMILIES)]
        self._true = {
            (source, pattern): self._with_quirks(families[source % FAMILIES][pattern])
            for source in range(sources)
            for pattern in range(PATTERNS)
        }
        self._able = {source: rng.sample(range(STRATEGIES), rng.randint(5, 9)) for source in range(sources)}
        self._slowness = [[rng.lognormvariate(0, 0.25) for _ in range(STRATEGIES)] for _ in range(sources)]
        self._declared = [self._shipped_order(pattern, families) for pattern in range(PATTERNS)]
        cells = sorted(self._true)
        self._silent = set(rng.sample(cells, 30))
        self.options = [
            Option(f"m{index}", quality, cost)
            for index, (quality, cost) in enumerate(zip(self.qualities, self.costs, strict=True))
        ]

    def faults(self) -> Iterator[Fault]:
        rng = self._rng
        weights = [1 / (rank + 1) for rank in range(PATTERNS)]
        shared_death = self._days * rng.uniform(0.4, 0.7)
        dying = rng.sample(range(STRATEGIES), 2)
        for day in range(self._days):
            if day == int(shared_death):
                for chances in self._true.values():
                    for index in dying:
                        chances[index] = 0.03
            here = range(self._sources if day >= self._days / 2 else self._sources * 20 // 26)
            for source in here:
                if rng.random() < 1 / 30:
                    self._change_interface(source)
            for index in range(self._per_day):
                source, pattern = rng.choice(here), rng.choices(range(PATTERNS), weights)[0]
                quiet = self._days / 4 <= day < self._days * 3 / 4
                if not (quiet and (source, pattern) in self._silent):
                    yield self._fault(day + index / self._per_day, source, pattern)

    def _fault(self, day: float, source: int, pattern: int) -> Fault:
        rng = self._rng
        able = set(self._able[source])
        return Fault(
            day=day,
            source=source,
            pattern=pattern,
            options=tuple(index for index in self._declared[pattern] if index in able),
            chances=tuple(self._true[source, pattern]),
            luck=tuple(rng.random() for _ in range(STRATEGIES)),
            seconds=tuple(
                cost * slowness * rng.lognormvariate(0, 0.2)
                for cost, slowness in zip(self.costs, self._slowness[source], strict=True)
            ),
        )

    def _chances(self) -> list[float]:
        rng = self._rng
        return [
            rng.betavariate(8, 2) if rng.random() < 0.35 else rng.betavariate(1, 6) for _ in range(STRATEGIES)
        ]

    def _with_quirks(self, chances: Sequence[float]) -> list[float]:
        other = self._chances()
        return [
            odd if self._rng.random() < 0.15 else usual for usual, odd in zip(chances, other, strict=True)
        ]

    def _shipped_order(self, pattern: int, families: Sequence[Sequence[Sequence[float]]]) -> list[int]:
        """What a thoughtful author would guess: fidelity first, right on average, wrong in places."""

        def guess(index: int) -> float:
            mean = sum(family[pattern][index] for family in families) / FAMILIES
            return self.qualities[index] ** 2 * max(0.02, mean + self._rng.gauss(0, 0.15))

        return sorted(range(STRATEGIES), key=guess, reverse=True)

    def _change_interface(self, source: int) -> None:
        """In half of the patterns the two best cures die and another becomes good, mostly the same one."""
        rng, able = self._rng, self._able[source]
        shared = rng.choice(able)
        for pattern in rng.sample(range(PATTERNS), PATTERNS // 2):
            chances = self._true[source, pattern]
            for index in sorted(able, key=lambda one: -chances[one])[:2]:
                chances[index] = rng.uniform(0.0, 0.1)
            chances[shared if rng.random() < 0.6 else rng.choice(able)] = rng.uniform(0.75, 0.95)


class Chooser(Protocol):
    """Names the next strategy to try, and hears how it went."""

    def choose(self, fault: Fault, options: Sequence[int], left: float) -> int: ...

    def hear(self, fault: Fault, chosen: int, healed: bool, seconds: float) -> None: ...


class Fixed:
    """The shipped order, for ever."""

    def choose(self, fault: Fault, options: Sequence[int], left: float) -> int:
        return options[0]

    def hear(self, fault: Fault, chosen: int, healed: bool, seconds: float) -> None:
        pass


class Pooled:
    """One success rate by pattern and strategy over all sources and all time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._counts: dict[tuple[int, int], tuple[float, float]] = {}

    def choose(self, fault: Fault, options: Sequence[int], left: float) -> int:
        def worth(index: int) -> float:
            a, n = self._counts.get((fault.pattern, index), (1.0, 2.0))
            return self._world.qualities[index] ** 2 * a / n / max(0.05, self._world.costs[index])

        fitting = [index for index in options if self._world.costs[index] <= left]
        return max(fitting or options, key=worth)

    def hear(self, fault: Fault, chosen: int, healed: bool, seconds: float) -> None:
        a, n = self._counts.get((fault.pattern, chosen), (1.0, 2.0))
        self._counts[fault.pattern, chosen] = (a + healed, n + 1)


class Nested:
    """The product's learner, with its shipped settings."""

    def __init__(self, world: World, seed: int) -> None:
        self._options = world.options
        self.learner = NestedLearner(LearningSettings(), random.Random(seed))

    def choose(self, fault: Fault, options: Sequence[int], left: float) -> int:
        offered = [self._options[index] for index in options]
        plan = self.learner.rank(fault.code, fault.cluster, offered, left, fault.day * DAY)
        return int(plan.order[0][1:])

    def hear(self, fault: Fault, chosen: int, healed: bool, seconds: float) -> None:
        self.learner.learn(fault.code, fault.cluster, f"m{chosen}", healed, seconds, fault.day * DAY)


class Oracle:
    """Knows the true chances and what each will take; cares for success alone."""

    def choose(self, fault: Fault, options: Sequence[int], left: float) -> int:
        fitting = [index for index in options if fault.seconds[index] <= left]
        return max(
            fitting or options,
            key=lambda index: -log(1 - min(0.999, fault.chances[index])) / fault.seconds[index],
        )

    def hear(self, fault: Fault, chosen: int, healed: bool, seconds: float) -> None:
        pass


def heals(fault: Fault, chooser: Chooser) -> int | None:
    """Try until success or until the budget is spent: which strategy healed, if any."""
    left, options = BUDGET, list(fault.options)
    while options and left > 0:
        chosen = chooser.choose(fault, options, left)
        options.remove(chosen)
        seconds = min(fault.seconds[chosen], left)
        healed = fault.luck[chosen] < fault.chances[chosen] and fault.seconds[chosen] <= left
        chooser.hear(fault, chosen, healed, seconds)
        left -= seconds
        if healed:
            return chosen
    return None


@dataclass(slots=True)
class Tally:
    """How one learner fared."""

    faults: int = 0
    healed: int = 0
    quality: float = 0.0  #: sum over the answers it healed with

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.faults + other.faults, self.healed + other.healed, self.quality + other.quality)


def play(seed: int, days: int) -> dict[str, Tally]:
    """One world, lived through by each learner."""
    world = World(seed, days=days)
    choosers: dict[str, Chooser] = {
        "oracle": Oracle(),
        "nested": Nested(world, seed),
        "fixed": Fixed(),
        "pooled": Pooled(world),
    }
    tallies = {name: Tally() for name in choosers}
    for fault in world.faults():
        for name, chooser in choosers.items():
            cure = heals(fault, chooser)
            tallies[name] += Tally(1, int(cure is not None), 0.0 if cure is None else world.qualities[cure])
    return tallies


@dataclass(frozen=True, slots=True)
class Result:
    """What one run of the benchmark found."""

    rank_us: float
    learn_us: float
    ratio_nested: float
    ratio_fixed: float
    ratio_pooled: float
    healed_oracle: float  #: share of the faults
    healed_nested: float
    quality_nested: float  #: mean over the healed; the nested learner alone must respect fidelity
    quality_pooled: float


def median_microseconds(act: Callable[[int], object], times: int = 3000) -> float:
    clock = SystemClock()
    spent = []
    for index in range(times):
        start = clock.monotonic()
        act(index)
        spent.append(clock.monotonic() - start)
    return median(spent) * 1e6


def speeds(seed: int) -> tuple[float, float]:
    """Median microseconds of a decision and of an update: 6 options, 200 cells."""
    rng = random.Random(seed)
    learner = NestedLearner(LearningSettings(), rng)
    options = [Option(f"m{index}", LEVELS[index], 0.1 + 0.1 * index) for index in range(6)]
    cells = [(f"P{index % 10}", f"P{index % 10}:s{index // 10}") for index in range(200)]

    def update(index: int) -> None:
        code, cluster = cells[index % 200]
        learner.learn(code, cluster, f"m{rng.randrange(6)}", rng.random() < 0.7, 0.3, index * 60.0)

    def decision(index: int) -> object:
        code, cluster = cells[index % 200]
        return learner.rank(code, cluster, options, BUDGET, index * 60.0)

    for index in range(6000):
        update(index)
    return median_microseconds(decision), median_microseconds(update)


def run(seeds: Sequence[int], days: int) -> Result:
    rank_us, learn_us = speeds(seeds[0])
    worlds = [play(seed, days) for seed in seeds]
    total = {name: sum((world[name] for world in worlds), Tally()) for name in worlds[0]}

    def ratio(name: str) -> float:
        return round(total[name].healed / total["oracle"].healed, 4)

    return Result(
        rank_us=round(rank_us, 1),
        learn_us=round(learn_us, 1),
        ratio_nested=ratio("nested"),
        ratio_fixed=ratio("fixed"),
        ratio_pooled=ratio("pooled"),
        healed_oracle=round(total["oracle"].healed / total["oracle"].faults, 4),
        healed_nested=round(total["nested"].healed / total["nested"].faults, 4),
        quality_nested=round(total["nested"].quality / total["nested"].healed, 4),
        quality_pooled=round(total["pooled"].quality / total["pooled"].healed, 4),
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.learning", description=__doc__)
    parser.add_argument("--seed", type=int, action="append", help="of a world; may be given several times")
    parser.add_argument("--days", type=int, default=56)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args(argv)
    figures = asdict(run(arguments.seed or [1], arguments.days))
    sys.stdout.writelines(f"{name:14} {value}\n" for name, value in figures.items())
    if arguments.json:
        arguments.json.write_text(json.dumps(figures) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
