"""What a restart must not change."""

import random
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as some
from tests.lessons import (
    CODE,
    COPY,
    DAY,
    HOST,
    KEY,
    PROXY,
    learner_with,
    taught,
)

from autonomous_healing.learning import LearningSettings, NestedLearner, Option

lessons = some.lists(
    some.tuples(
        some.sampled_from(["API.TIMEOUT", CODE]),
        some.integers(0, 3),
        some.sampled_from([KEY, HOST, COPY, PROXY]),
        some.booleans(),
        some.floats(0.0, 5.0),
        some.floats(0.0, 3 * DAY),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(before=lessons, after=lessons, shuffle=some.integers(0, 99), frozen=some.booleans())
def test_a_restart_changes_no_ranking(
    before: list[tuple[str, int, Option, bool, float, float]],
    after: list[tuple[str, int, Option, bool, float, float]],
    shuffle: int,
    frozen: bool,
) -> None:
    def live(
        learner: NestedLearner, life: Sequence[tuple[str, int, Option, bool, float, float]], now: float
    ) -> float:
        for code, source, option, healed, seconds, pause in life:
            now += pause
            learner.learn(code, f"{code}:s{source}", option.name, healed, seconds, now)
        return now

    def plans(learner: NestedLearner, now: float) -> list[object]:
        options = [KEY, HOST, COPY, PROXY]
        return [
            learner.rank(code, f"{code}:s{source}", options, left, now)
            for code in ("API.TIMEOUT", CODE)
            for source in range(5)
            for left in (3.0, 0.5)
        ]

    one = NestedLearner(LearningSettings(), random.Random(11))
    now = live(one, before, 0.0)
    if frozen:
        one.freeze()
    entries = list(one.snapshot())
    random.Random(shuffle).shuffle(entries)
    backwards = [replace(entry, state=dict(reversed(list(entry.state.items())))) for entry in entries]
    other = NestedLearner(LearningSettings(), random.Random(11))
    other.learn(CODE, "left over", "from before", True, 1.0, 0.0)
    other.restore(backwards)

    assert plans(one, now) == plans(other, now)
    later = live(one, after, now)
    assert live(other, after, now) == later
    assert plans(one, later) == plans(other, later)
    assert one.summary() == other.summary()


def test_a_restart_does_not_put_off_the_tick() -> None:
    one, other = learner_with(), learner_with()
    taught(one, KEY, "+", now=1.0)
    other.restore(one.snapshot())

    assert not other.tick(now=DAY)
    assert other.tick(now=DAY + 1.0)
