"""What has been counted: slowly for all sources (outer), fast for one cell (inner)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import fsum, log
from statistics import median

#: Latest durations of a strategy in a cell of which the median is its cost.
DURATIONS = 9

#: Seconds of silence after which an alarm in a cell is forgotten: 90 days.
SILENCE = 90 * 86_400.0

#: No source counts for more attempts than this in the outer layer, however busy it is.
SOURCE_CAP = 5.0

#: Weight, in attempts, of the outer layer's estimate in a cell that has seen nothing.
PRIOR_PULL = 2.0

#: What is expected of an untried strategy once the cell no longer trusts its prior.
NEUTRAL = 0.6

#: The alarm watches arms with at least this evidence and promise, for a fall to `BROKEN`.
WATCHED_EVIDENCE = 1.5
WATCHED_PROMISE = 0.45
BROKEN = 0.3


@dataclass(slots=True)
class Arm:
    """One strategy in one cell: fast counts of what worked and what did not."""

    a: float = 0.0
    b: float = 0.0
    in_fault: bool = False  #: tried for the fault that is open in the cell
    durations: list[float] = field(default_factory=list)  #: seconds, oldest first
    cost: float = 0.0  #: their median

    @property
    def tried(self) -> float:
        return self.a + self.b

    def count(self, healed: bool, seconds: float, decay: float) -> None:
        self.a = decay * self.a + healed
        self.b = decay * self.b + (not healed)
        self.durations = [*self.durations[1 - DURATIONS :], seconds]
        self.cost = median(self.durations)

    def state(self) -> dict[str, float]:
        durations = {f"seconds_{index}": seconds for index, seconds in enumerate(self.durations)}
        return {"a": self.a, "b": self.b, "in_fault": float(self.in_fault), **durations}

    @classmethod
    def of(cls, state: Mapping[str, float]) -> "Arm":
        kept = sorted(name for name in state if name.startswith("seconds_"))
        durations = [state[name] for name in kept]
        return cls(state["a"], state["b"], bool(state["in_fault"]), durations, median(durations or [0.0]))


@dataclass(slots=True)
class Cell:
    """The inner layer of one cluster."""

    faults: float = 0.0  #: since the cell began, or since its alarm
    g: float = 0.0  #: evidence that the cures have changed
    trusts: bool = True  #: whether the outer layer is believed; not after an alarm
    last_at: float = 0.0
    arms: dict[str, Arm] = field(default_factory=dict)

    def prior_weight(self, now: float, prior_cells: float) -> float:
        if not self.trusts and now - self.last_at < SILENCE:
            return 0.0
        return prior_cells / (prior_cells + self.faults)

    def open_fault(self, strategy: str) -> None:
        """A fault ends with a cure; it never tries the same strategy twice."""
        running = [arm for arm in self.arms.values() if arm.in_fault]
        if not running or self.arms[strategy].in_fault:
            self.faults += 1
            for arm in running:
                arm.in_fault = False
        self.arms[strategy].in_fault = True

    def end_fault(self) -> None:
        for arm in self.arms.values():
            arm.in_fault = False

    def watch(self, healed: bool, p: float) -> None:
        """Page's test: has an arm of promise `p` fallen to `BROKEN`?"""
        ratio = BROKEN / p if healed else (1 - BROKEN) / (1 - p)
        self.g = max(0.0, self.g + log(ratio))

    def start_over(self) -> None:
        """The cures have changed: doubt the leaders, give the others another chance."""
        leaders = sorted(self.arms, key=lambda name: (-self.arms[name].a, name))[:2]
        for name in leaders:
            self.arms[name].a *= 0.2
        for arm in self.arms.values():
            arm.b *= 0.5
        self.trusts, self.g, self.faults = False, 0.0, 0.0

    def state(self) -> dict[str, float]:
        return {"faults": self.faults, "g": self.g, "f": float(self.trusts), "last_at": self.last_at}

    @classmethod
    def of(cls, state: Mapping[str, float]) -> "Cell":
        return cls(state["faults"], state["g"], bool(state["f"]), state["last_at"])


def estimate(prior: float, weight: float, arm: Arm | None) -> float:
    """The chance of success of a strategy in a cell whose prior has `weight` left."""
    a, b = (arm.a, arm.b) if arm else (0.0, 0.0)
    rest = 1 - weight
    return (PRIOR_PULL * weight * prior + NEUTRAL * rest + a) / (PRIOR_PULL * weight + rest + a + b)


@dataclass(slots=True)
class SharedArm:
    """One strategy against one code: slow counts by source, and what is published of them."""

    attempts: float = 0.0  #: all, ever
    slow: dict[str, tuple[float, float]] = field(default_factory=dict)  #: cluster -> (a', n')
    successes: float = 0.0  #: published, capped by source
    tries: float = 0.0
    seen: float = 0.0  #: `attempts` when it was published
    cost: float | None = None  #: median seconds over sources, when it was published

    def count(self, cluster: str, healed: bool, decay: float) -> None:
        a, n = self.slow.get(cluster, (0.0, 0.0))
        self.slow[cluster] = (decay * a + healed, decay * n + 1)
        self.attempts += 1

    def publish(self, costs: list[float]) -> None:
        self.successes = fsum(a * min(1.0, SOURCE_CAP / n) for a, n in self.slow.values())
        self.tries = fsum(min(n, SOURCE_CAP) for _, n in self.slow.values())
        self.seen = self.attempts
        self.cost = median(costs) if costs else self.cost

    def state(self) -> dict[str, float]:
        known = {name: float(getattr(self, name)) for name in ("attempts", "successes", "tries", "seen")}
        known |= {} if self.cost is None else {"cost": self.cost}
        for cluster, (a, n) in self.slow.items():
            known |= {f"a {cluster}": a, f"n {cluster}": n}
        return known

    @classmethod
    def of(cls, state: Mapping[str, float]) -> "SharedArm":
        slow = {name[2:]: (a, state[f"n {name[2:]}"]) for name, a in state.items() if name.startswith("a ")}
        return cls(
            state["attempts"], slow, state["successes"], state["tries"], state["seen"], state.get("cost")
        )
