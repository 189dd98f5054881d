"""Which cure the learner puts first, and why."""

import random
from dataclasses import replace

import pytest
from tests.lessons import (
    ALWAYS_EXPLORING,
    CODE,
    COPY,
    DAY,
    HERE,
    HOST,
    KEY,
    PROXY,
    chance_of,
    learner_with,
    order,
    taught,
)

from autonomous_healing.learning import LearningSettings, NestedLearner


def test_prefers_the_cheaper_of_two_that_heal_alike() -> None:
    learner = learner_with()

    taught(learner, KEY, "++++", seconds=1.2)
    taught(learner, HOST, "++++", seconds=0.3)

    assert order(learner, [KEY, HOST])[0] == "other_host"


def test_the_price_is_the_median_of_what_was_measured_here() -> None:
    learner = learner_with()
    for seconds in (0.3, 0.3, 2.9, 0.3, 0.3):
        taught(learner, HOST, "+", seconds=seconds)
    taught(learner, KEY, "+++++", seconds=0.5)

    assert order(learner, [KEY, HOST])[0] == "other_host"


def test_without_an_own_price_the_median_over_the_sources_counts() -> None:
    learner = learner_with()
    for source, seconds in enumerate((0.2, 2.0, 2.0)):
        taught(learner, HOST, "++++", cluster=f"{CODE}:source_{source}", seconds=seconds)
    learner.tick(now=DAY)

    assert order(learner, [HOST, KEY], seconds_left=1.9, now=DAY) == ("rotate_key",)


def test_quality_counts_with_its_square() -> None:
    learner = learner_with()
    good, cheap = replace(KEY, declared_cost=0.5), replace(COPY, declared_cost=0.4, level_quality=0.85)
    taught(learner, KEY, "--++", seconds=0.5)
    taught(learner, COPY, "+++++++", seconds=0.4)
    assert chance_of(learner, good) > 0.5 * chance_of(learner, cheap)

    rivals = [replace(good, level_quality=0.85), cheap]
    assert order(learner, rivals)[0] == "cached_copy"

    lower = replace(cheap, level_quality=0.3)
    taught(learner, KEY, "-----", seconds=0.5)
    assert chance_of(learner, good) < 0.5 * chance_of(learner, lower)
    assert order(learner, [good, lower])[0] == "rotate_key"


@pytest.mark.parametrize(
    ("outcomes_of_the_exact_one", "first"),
    [("++++", "rotate_key"), ("-+", "rotate_key"), ("-" * 12, "cached_copy")],
)
def test_a_lower_fidelity_goes_first_only_if_it_is_far_likelier(
    outcomes_of_the_exact_one: str, first: str
) -> None:
    learner = learner_with()
    taught(learner, COPY, "++++++")
    taught(learner, KEY, outcomes_of_the_exact_one)

    assert order(learner, [COPY, KEY])[0] == first


def test_a_lower_fidelity_goes_first_if_the_higher_cannot_finish() -> None:
    learner = learner_with()
    taught(learner, COPY, "+++")
    taught(learner, KEY, "+++", seconds=1.0)

    assert order(learner, [KEY, COPY], seconds_left=1.1) == ("rotate_key", "cached_copy")
    assert order(learner, [KEY, COPY], seconds_left=0.9) == ("cached_copy",)


def test_a_second_high_fidelity_that_no_longer_fits_does_not_hold_up_the_lower() -> None:
    learner = learner_with()
    taught(learner, KEY, "++++", seconds=1.0)
    taught(learner, HOST, "+++", seconds=1.0)
    taught(learner, COPY, "+++")

    assert order(learner, [KEY, HOST, COPY], seconds_left=1.5) == ("rotate_key", "cached_copy")


@pytest.mark.parametrize("learned", [False, True])
def test_keeps_only_what_fits_the_time_left_and_plans_anew_from_what_is_left(learned: bool) -> None:
    learner = learner_with()
    if learned:
        taught(learner, KEY, "++")
        taught(learner, HOST, "+")

    assert order(learner, [KEY, HOST, COPY], seconds_left=0.7) == ("rotate_key", "cached_copy")
    assert order(learner, [HOST, COPY], seconds_left=0.65) == ("other_host", "cached_copy")
    assert order(learner, [HOST, COPY], seconds_left=0.3) == ("cached_copy",)


@pytest.mark.parametrize("learned", [False, True])
def test_names_none_if_none_fits(learned: bool) -> None:
    learner = learner_with()
    if learned:
        taught(learner, HOST, "++")

    plan = learner.rank(CODE, HERE, [KEY, replace(HOST, declared_cost=0.2)], 0.1, 0.0)

    assert plan.order == ()
    assert plan.predicted == 0.0


@pytest.mark.parametrize("learned", [False, True])
def test_local_strategies_always_fit(learned: bool) -> None:
    learner = learner_with()
    if learned:
        taught(learner, COPY, "+")

    assert order(learner, [KEY, COPY, PROXY], seconds_left=0.0) == ("cached_copy", "substitute")


def test_nothing_to_choose_from_is_an_empty_plan() -> None:
    plan = learner_with().rank(CODE, HERE, [], 3.0, 0.0)

    assert (plan.order, plan.predicted) == ((), 0.0)


def test_predicts_that_one_of_the_plan_succeeds() -> None:
    learner = learner_with()
    taught(learner, KEY, "+-+")
    taught(learner, HOST, "--+-")

    alone = [chance_of(learner, KEY), chance_of(learner, HOST)]
    both = learner.rank(CODE, HERE, [KEY, HOST], 3.0, 0.0)

    # alone, the second stands first in the declared order; it weighs little against its own attempts
    assert both.predicted == pytest.approx(1 - (1 - alone[0]) * (1 - alone[1]), abs=0.02)


def test_explores_the_least_tried_when_it_costs_next_to_nothing() -> None:
    curious, settled = learner_with(ALWAYS_EXPLORING), learner_with()
    for learner in (curious, settled):
        taught(learner, KEY, "+" * 9)
        taught(learner, HOST, "+" * 2)

    assert order(settled, [KEY, HOST, COPY])[0] == "rotate_key"
    assert order(curious, [KEY, HOST, COPY])[0] == "other_host"


def test_does_not_explore_what_pushes_a_better_one_out_of_the_time_left() -> None:
    learner = learner_with(ALWAYS_EXPLORING)
    taught(learner, KEY, "+" * 9)
    taught(learner, HOST, "-+-")

    assert order(learner, [KEY, HOST], seconds_left=3.0)[0] == "other_host"
    assert order(learner, [KEY, HOST], seconds_left=0.7)[0] == "rotate_key"


def test_does_not_explore_what_has_side_effects() -> None:
    learner = learner_with(ALWAYS_EXPLORING)
    taught(learner, KEY, "+" * 9)

    assert order(learner, [KEY, replace(HOST, side_effects=True)])[0] == "rotate_key"


def test_does_not_explore_a_lower_fidelity_ahead_of_a_likely_higher_one() -> None:
    learner = learner_with(ALWAYS_EXPLORING)
    taught(learner, KEY, "+" * 9)

    assert order(learner, [KEY, COPY])[0] == "rotate_key"


@pytest.mark.parametrize(("faults", "share"), [(6, 0.25), (18, 0.125), (600, 0.03)])
def test_explores_less_as_a_cell_grows_old(faults: int, share: float) -> None:
    learner = NestedLearner(LearningSettings(), random.Random(3))
    taught(learner, KEY, "+" * faults)

    explored = sum(order(learner, [KEY, HOST])[0] == "other_host" for _ in range(4000))

    assert explored / 4000 == pytest.approx(share, abs=0.02)
