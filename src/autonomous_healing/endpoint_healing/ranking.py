"""Puts the learner behind the loop's question: in which order?"""

from collections.abc import Mapping, Sequence

from autonomous_healing.endpoint_healing.strategies import EndpointStrategy
from autonomous_healing.healing import Diagnosis, Ranking
from autonomous_healing.learning import NestedLearner, Option
from autonomous_healing.learning.options import Quality
from autonomous_healing.resilience import Clock
from autonomous_healing.safety import FailSafe, Mode


class LearnedOrder:
    """Ranks by what was learned; keeps the declared order where fail-safe forbids that.

    What asks a source is left out where its usual time would not leave `reserve` seconds for local answers.
    """

    def __init__(
        self,
        learner: NestedLearner,
        strategies: Mapping[str, EndpointStrategy],
        quality: Quality,
        fail_safe: FailSafe,
        clock: Clock,
        reserve: float,
    ) -> None:
        self._reserve = reserve
        self._learner = learner
        self._fail_safe = fail_safe
        self._clock = clock
        self._options = {
            name: Option(name, _quality(strategy, quality), strategy.cost)
            for name, strategy in strategies.items()
        }

    def __call__(self, diagnosis: Diagnosis, names: Sequence[str], seconds_left: float) -> Ranking:
        seconds_left -= self._reserve
        if self._fail_safe.mode is Mode.RULES_ONLY:
            options = [self._options[name] for name in names]
            return Ranking(tuple(one.name for one in options if one.declared_cost <= max(0.0, seconds_left)))
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
