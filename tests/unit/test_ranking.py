"""The learner behind the loop's question: in which order?"""

import random

import pytest
from tests.clock import ManualClock
from tests.world import World

from autonomous_healing.endpoint_healing.ranking import LearnedOrder
from autonomous_healing.healing import Diagnosis, Ranking, Severity
from autonomous_healing.learning import LearningSettings, NestedLearner
from autonomous_healing.learning.options import Quality, SlackExploration
from autonomous_healing.safety import FailSafe, Mode

CODE = "API.SERVER_ERROR"
HERE = Diagnosis(code=CODE, cluster=f"{CODE}:yahoo_finance", severity=Severity.DEGRADED, confidence=0.9)
HOST, RETRY, COPY = "yahoo_alternate_endpoint", "exponential_backoff_retry", "use_cached_data"
DECLARED = (HOST, RETRY, COPY)


def order_after(lessons: dict[str, bool], mode: Mode = Mode.NORMAL) -> Ranking:
    """What is ranked after thirty lessons of each kind."""
    settings = LearningSettings(slack_exploration=SlackExploration(floor=0.0, start=0.0))
    learner, clock = NestedLearner(settings, random.Random(1)), ManualClock()
    for _ in range(30):
        for strategy, healed in lessons.items():
            learner.learn(CODE, HERE.cluster, strategy, healed, 0.2, clock.now().timestamp())
    strategies = World().healer.cascade.strategies
    return LearnedOrder(learner, strategies, Quality(), FailSafe(mode), clock, 0.2)(HERE, DECLARED, 3.0)


def test_with_nothing_learned_the_declared_order_stands_and_promises_nothing() -> None:
    assert order_after({}) == Ranking(DECLARED, None)


def test_what_failed_goes_back_and_what_healed_comes_first() -> None:
    ranking = order_after({HOST: False, RETRY: True, COPY: False})
    assert ranking.order[0] == RETRY
    assert set(ranking.order) == set(DECLARED)
    assert ranking.predicted == pytest.approx(0.9, abs=0.1)


def test_where_only_rules_count_the_declared_order_stands() -> None:
    lessons = {HOST: False, RETRY: True, COPY: False}
    assert order_after(lessons, Mode.RULES_ONLY) == Ranking(DECLARED, None)


def test_a_declared_order_of_fewer_is_kept_too() -> None:
    learner = NestedLearner(LearningSettings(), random.Random(1))
    rank = LearnedOrder(learner, World().healer.cascade.strategies, Quality(), FailSafe(), ManualClock(), 0.2)
    assert rank(HERE, (COPY,), 3.0).order == (COPY,)


@pytest.mark.parametrize("mode", [Mode.NORMAL, Mode.RULES_ONLY])
@pytest.mark.parametrize(
    ("seconds_left", "named"),
    [(0.81, DECLARED), (0.79, (HOST, COPY)), (0.51, (HOST, COPY)), (0.49, (COPY,)), (0.1, (COPY,))],
)
def test_what_asks_a_source_leaves_its_time_to_local_answers(
    mode: Mode, seconds_left: float, named: tuple[str, ...]
) -> None:
    """Nothing is learned: the other host is expected to take 0.3 s, a retry 0.6 s, and 0.2 s are kept."""
    learner = NestedLearner(LearningSettings(), random.Random(1))
    strategies = World().healer.cascade.strategies
    rank = LearnedOrder(learner, strategies, Quality(), FailSafe(mode), ManualClock(), 0.2)
    first, *_ = rank(HERE, DECLARED, seconds_left).order
    fitting = [name for name in DECLARED if rank(HERE, (name,), seconds_left).order]
    assert (first, tuple(fitting)) == (named[0], named)


def test_a_learned_time_counts_instead_of_the_expected_one() -> None:
    learner, clock = NestedLearner(LearningSettings(), random.Random(1)), ManualClock()
    for _ in range(9):
        learner.learn(CODE, HERE.cluster, HOST, True, 1.5, clock.now().timestamp())
    rank = LearnedOrder(learner, World().healer.cascade.strategies, Quality(), FailSafe(), clock, 0.2)
    assert [rank(HERE, (HOST,), left).order for left in (1.71, 1.69)] == [(HOST,), ()]
