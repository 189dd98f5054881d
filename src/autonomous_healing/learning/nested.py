"""Which cure first: a slow layer for what all sources share, a fast one for each place. Does no I/O."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from autonomous_healing.learning.layers import (
    WATCHED_EVIDENCE,
    WATCHED_PROMISE,
    Arm,
    Cell,
    SharedArm,
    estimate,
)
from autonomous_healing.learning.options import LearningSettings
from autonomous_healing.learning.planning import (
    Candidate,
    Option,
    Plan,
    best_first,
    chance,
    in_declared_order,
    may_lead,
)

#: Attempts on a code, over all sources, below which a cell without its own keeps the declared order.
ENOUGH_SHARED = 10

#: The chance that the declared order promises: of its first strategy, and the next one's share of that.
FIRST_PROMISE = 0.8
NEXT_PROMISE = 0.9

#: The same for a strategy whose place is not known, when an attempt is judged afterwards.
UNPLACED_PROMISE = 0.5


@dataclass(frozen=True, slots=True)
class LayerEntry:
    """A piece of what was learned, flat. An empty strategy: what concerns the key as a whole."""

    layer: Literal["outer", "inner"]
    key: str  #: the code (outer) or the cluster (inner)
    strategy: str
    state: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class LearningSummary:
    """How much has been learned."""

    cells: int  #: clusters with at least one attempt
    attempts: int
    codes: int


class NestedLearner:
    """Learns from attempts which strategy to try first, and says so by name.

    The outer layer counts slowly, by code and strategy over all clusters; the inner layer counts
    fast, by cluster. `now` is seconds on a clock that survives restarts. A cluster belongs to one code.
    """

    def __init__(self, settings: LearningSettings, rng: random.Random) -> None:
        self._settings = settings
        self._rng = rng
        self._outer: dict[str, dict[str, SharedArm]] = {}
        self._inner: dict[str, Cell] = {}
        self._refreshed_at: float | None = None
        self._frozen = False

    def rank(
        self, code: str, cluster: str, options: Sequence[Option], seconds_left: float, now: float
    ) -> Plan:
        """The order to try `options` in, given in declared order.

        Ask again after a failure, with what is left. With nothing learned the declared order is
        kept. What takes longer than the time left is left out.
        """
        candidates = self._candidates(code, cluster, options, now)
        learned = self._knows(code, cluster)
        chosen = (
            best_first(candidates, seconds_left) if learned else in_declared_order(candidates, seconds_left)
        )
        if chosen and learned and len(candidates) > 1 and self._rng.random() < self._curiosity(cluster):
            chosen = self._explored(chosen, candidates, seconds_left)
        return Plan(tuple(one.option.name for one in chosen), chance(chosen), learned)

    def learn(self, code: str, cluster: str, strategy: str, healed: bool, seconds: float, now: float) -> None:
        """Count one attempt that took `seconds`. The inner layer moves at once, the outer at its tick."""
        if self._frozen:
            return
        self.tick(now)
        settings = self._settings
        shared = self._outer.setdefault(code, {}).setdefault(strategy, SharedArm())
        cell = self._inner.setdefault(cluster, Cell())
        weight = cell.prior_weight(now, settings.prior_cells)
        cell.trusts = cell.trusts or weight > 0.0
        arm = cell.arms.setdefault(strategy, Arm())
        expected = estimate(self._shared_chance(shared, UNPLACED_PROMISE), weight, arm)
        watched = arm.tried >= WATCHED_EVIDENCE and expected > WATCHED_PROMISE
        cell.open_fault(strategy)
        arm.count(healed, seconds, settings.inner_decay)
        shared.count(cluster, healed, settings.outer_decay)
        cell.last_at = now
        if healed:
            cell.end_fault()
        if watched:
            cell.watch(healed, expected)
        if cell.g > settings.alarm:
            cell.start_over()

    def tick(self, now: float) -> bool:
        """Refresh what all sources share, if it is due."""
        if self._refreshed_at is None:
            self._refreshed_at = now
        if self._frozen or now - self._refreshed_at < self._settings.outer_layer_update_interval:
            return False
        self._refreshed_at = now
        for arms in self._outer.values():
            for strategy, shared in arms.items():
                shared.publish(self._costs(strategy, shared.slow))
        return True

    def freeze(self) -> None:
        """From now on keep the declared order and learn nothing."""
        self._frozen = True

    def unfreeze(self) -> None:
        """Go on from what was known when it was frozen."""
        self._frozen = False

    @property
    def frozen(self) -> bool:
        return self._frozen

    def reset(self, cluster: str) -> None:
        """Forget one cell; what it taught all sources stays."""
        self._inner.pop(cluster, None)

    def summary(self) -> LearningSummary:
        attempts = sum(shared.attempts for arms in self._outer.values() for shared in arms.values())
        return LearningSummary(cells=len(self._inner), attempts=int(attempts), codes=len(self._outer))

    def snapshot(self) -> tuple[LayerEntry, ...]:
        """All that was learned; restoring it changes no ranking."""
        whole = {"frozen": float(self._frozen)}
        if self._refreshed_at is not None:
            whole["refreshed_at"] = self._refreshed_at
        entries = [LayerEntry("outer", "", "", whole)]
        for code, shared_arms in self._outer.items():
            entries += [LayerEntry("outer", code, name, arm.state()) for name, arm in shared_arms.items()]
        for cluster, cell in self._inner.items():
            entries.append(LayerEntry("inner", cluster, "", cell.state()))
            entries += [LayerEntry("inner", cluster, name, arm.state()) for name, arm in cell.arms.items()]
        return tuple(entries)

    def restore(self, entries: Iterable[LayerEntry]) -> None:
        """Take over a snapshot, in any order, in place of all that is known."""
        self._outer, self._inner = {}, {}
        self._refreshed_at, self._frozen = None, False
        for entry in sorted(entries, key=lambda entry: (entry.layer, entry.key, entry.strategy)):
            match entry:
                case LayerEntry(layer="outer", strategy=""):
                    self._refreshed_at = entry.state.get("refreshed_at")
                    self._frozen = bool(entry.state["frozen"])
                case LayerEntry(layer="outer"):
                    self._outer.setdefault(entry.key, {})[entry.strategy] = SharedArm.of(entry.state)
                case LayerEntry(strategy=""):
                    self._inner[entry.key] = Cell.of(entry.state)
                case _:
                    self._inner.setdefault(entry.key, Cell()).arms[entry.strategy] = Arm.of(entry.state)

    def _knows(self, code: str, cluster: str) -> bool:
        """Whether there is more to go by than the declared order."""
        if self._frozen or not self._settings.enable_nested_learning:
            return False
        if cluster in self._inner:
            return True
        return sum(shared.seen for shared in self._outer.get(code, {}).values()) >= ENOUGH_SHARED

    def _candidates(self, code: str, cluster: str, options: Sequence[Option], now: float) -> list[Candidate]:
        shared_arms, cell = self._outer.get(code, {}), self._inner.get(cluster)
        arms = cell.arms if cell else {}
        weight = cell.prior_weight(now, self._settings.prior_cells) if cell else 1.0
        floor = self._settings.cost_floor
        candidates = []
        promise = FIRST_PROMISE
        for option in options:
            arm, shared = arms.get(option.name), shared_arms.get(option.name)
            prior = self._shared_chance(shared, promise) if shared else promise
            p = estimate(prior, weight, arm)
            cost = _cost(option, arm, shared)
            local = option.declared_cost <= floor
            worth = option.level_quality**2 * p / max(cost, floor)
            candidates.append(Candidate(option, p, cost, local, worth, arm.tried if arm else 0.0))
            promise *= NEXT_PROMISE
        return candidates

    def _shared_chance(self, shared: SharedArm, promise: float) -> float:
        """The outer layer's estimate, shrunk to what the declared order promises."""
        strength = self._settings.prior_strength
        return (strength * promise + shared.successes) / (strength + shared.tries)

    def _curiosity(self, cluster: str) -> float:
        slack = self._settings.slack_exploration
        faults = self._inner[cluster].faults if cluster in self._inner else 0.0
        return max(slack.floor, slack.start * slack.halving / (slack.halving + faults))

    def _explored(
        self, chosen: list[Candidate], candidates: list[Candidate], seconds_left: float
    ) -> list[Candidate]:
        """The least-tried strategy first, if next to nothing is lost by it."""
        fitting = [one for one in candidates if one.local or one.cost <= seconds_left]
        harmless = [one for one in fitting if not one.option.side_effects and may_lead(one, fitting)]
        if not harmless:
            return chosen
        newest = min(harmless, key=lambda one: (one.tried, -one.worth))
        others = [one for one in candidates if one is not newest]
        explored = [newest, *best_first(others, seconds_left - newest.cost)]
        loss = chance(chosen) - chance(explored)
        return explored if loss <= self._settings.slack_exploration.max_loss else chosen

    def _costs(self, strategy: str, clusters: Iterable[str]) -> list[float]:
        """What the strategy takes in each of these cells that has tried it."""
        cells = (self._inner.get(cluster) for cluster in clusters)
        arms = (cell.arms.get(strategy) for cell in cells if cell)
        return [arm.cost for arm in arms if arm]


def _cost(option: Option, arm: Arm | None, shared: SharedArm | None) -> float:
    """Seconds: measured here, else over all sources, else as declared."""
    if arm and arm.durations:
        return arm.cost
    if shared and shared.cost is not None:
        return shared.cost
    return option.declared_cost
