"""Puts the learner behind the loop's question: in which order?"""

from collections.abc import Mapping, Sequence

from autonomous_healing.endpoint_healing.strategies import EndpointStrategy
from autonomous_healing.healing import Diagnosis, Ranking
from autonomous_healing.learning import NestedLearner, Option
from autonomous_healing.learning.options import Quality
from autonomous_healing.resilience import Clock
from autonomous_healing.safety import FailSafe, Mode


class LearnedOrder:
    """Ranks by what was learned; keeps the declared order where fail-safe forbids that."""

    def __init__(
        self,
        learner: NestedLearner,
        strategies: Mapping[str, EndpointStrategy],
        quality: Quality,
        fail_safe: FailSafe,
        clock: Clock,
    ) -> None:
        self._learner = learner
        self._fail_safe = fail_safe
        self._clock = clock
        self._options = {
            name: Option(name, _quality(strategy, quality), strategy.cost)
            for name, strategy in strategies.items()
        }

    def __call__(self, diagnosis: Diagnosis, names: Sequence[str], seconds_left: float) -> Ranking:
        if self._fail_safe.mode is Mode.RULES_ONLY:
            return Ranking(tuple(names))
        plan = self._learner.rank(
            diagnosis.code,
            diagnosis.cluster,
            [self._options[name] for name in names],
            seconds_left,
            self._clock.now().timestamp(),
        )
        return Ranking(plan.order, plan.predicted if plan.learned else None)


def _quality(strategy: EndpointStrategy, quality: Quality) -> float:
    """A strategy counts as faithful as the least faithful cure it may bring."""
    return min(float(getattr(quality, level.word)) for level in strategy.levels)
