"""Strategies to choose from, and how a learner is taught about them."""

import random
from collections.abc import Sequence

from autonomous_healing.learning import LearningSettings, NestedLearner, Option
from autonomous_healing.learning.options import SlackExploration

CODE = "API.RATE_LIMITED"
HERE = "API.RATE_LIMITED:yahoo_finance"
DAY = 86_400.0

KEY = Option("rotate_key", 1.0, 0.4)
HOST = Option("other_host", 1.0, 0.4)
COPY = Option("cached_copy", 0.8, 0.01)
PROXY = Option("substitute", 0.3, 0.01)

NO_EXPLORING = SlackExploration(floor=0.0, start=0.0)
ALWAYS_EXPLORING = SlackExploration(floor=1.0, start=1.0)


def learner_with(
    exploring: SlackExploration = NO_EXPLORING, *, outer_decay: float = 0.985, enabled: bool = True
) -> NestedLearner:
    options = LearningSettings(
        slack_exploration=exploring, outer_decay=outer_decay, enable_nested_learning=enabled
    )
    return NestedLearner(options, random.Random(7))


def taught(
    learner: NestedLearner,
    strategy: Option,
    outcomes: str,
    cluster: str = HERE,
    seconds: float | None = None,
    now: float = 0.0,
) -> None:
    """One attempt for each letter: `+` heals, `-` does not."""
    for outcome in outcomes:
        spent = strategy.declared_cost if seconds is None else seconds
        learner.learn(CODE, cluster, strategy.name, outcome == "+", spent, now)


def order(
    learner: NestedLearner,
    options: Sequence[Option],
    seconds_left: float = 3.0,
    cluster: str = HERE,
    now: float = 0.0,
) -> tuple[str, ...]:
    return learner.rank(CODE, cluster, options, seconds_left, now).order


def chance_of(learner: NestedLearner, option: Option, cluster: str = HERE, now: float = 0.0) -> float:
    """What the learner expects of one strategy alone."""
    return learner.rank(CODE, cluster, [option], 3.0, now).predicted


def inner(learner: NestedLearner, strategy: str = "", cluster: str = HERE) -> dict[str, float]:
    [entry] = [
        entry
        for entry in learner.snapshot()
        if (entry.layer, entry.key, entry.strategy) == ("inner", cluster, strategy)
    ]
    return dict(entry.state)
