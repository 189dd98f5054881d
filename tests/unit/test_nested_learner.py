"""What the learner learns of attempts, how fast, and what it keeps."""

import ast
import random
from math import log
from pathlib import Path

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
    inner,
    learner_with,
    order,
    taught,
)

from autonomous_healing import learning
from autonomous_healing.learning import LearningSettings, NestedLearner


def test_keeps_the_declared_order_while_nothing_is_learned() -> None:
    learner = learner_with(ALWAYS_EXPLORING)

    plan = learner.rank(CODE, HERE, [PROXY, KEY, COPY, HOST], 3.0, 0.0)

    assert plan.order == ("substitute", "rotate_key", "cached_copy", "other_host")
    assert not plan.learned


def test_one_own_attempt_is_enough_to_leave_the_declared_order() -> None:
    learner = learner_with()

    taught(learner, KEY, "-")

    plan = learner.rank(CODE, HERE, [KEY, HOST], 3.0, 0.0)
    assert plan.order == ("other_host", "rotate_key")
    assert plan.learned


@pytest.mark.parametrize(("attempts", "learned"), [(9, False), (10, True)])
def test_a_new_cell_listens_to_the_other_sources_from_their_tenth_attempt(
    attempts: int, learned: bool
) -> None:
    learner = learner_with()
    for source in range(attempts):
        taught(learner, KEY, "-", cluster=f"{CODE}:source_{source}")
    learner.tick(now=DAY)

    plan = learner.rank(CODE, HERE, [KEY, HOST], 3.0, DAY)

    assert plan.learned is learned
    assert plan.order[0] == ("other_host" if learned else "rotate_key")


def test_the_outer_layer_moves_only_at_its_tick() -> None:
    learner = learner_with()
    for source in range(20):
        taught(learner, KEY, "-", cluster=f"{CODE}:source_{source}")

    before = chance_of(learner, KEY)
    assert not learner.tick(now=DAY - 1)
    assert chance_of(learner, KEY) == before
    assert learner.tick(now=DAY)
    assert chance_of(learner, KEY) < before / 2


def test_an_attempt_after_the_interval_brings_the_tick_with_it() -> None:
    learner = learner_with()
    for source in range(20):
        taught(learner, KEY, "-", cluster=f"{CODE}:source_{source}")

    taught(learner, HOST, "+", now=DAY)

    assert order(learner, [KEY, HOST], now=DAY)[0] == "other_host"


def test_other_codes_learn_nothing_from_it() -> None:
    learner = learner_with()
    taught(learner, KEY, "-" * 20)
    learner.tick(now=DAY)

    assert not learner.rank("API.TIMEOUT", "API.TIMEOUT:fred_api", [KEY, HOST], 3.0, DAY).learned


def test_the_shared_chance_is_shrunk_to_the_declared_order_with_the_strength_of_four_attempts() -> None:
    learner = learner_with()
    for source in range(12):
        taught(learner, KEY, "-", cluster=f"{CODE}:source_{source}")
    learner.tick(now=DAY)

    assert chance_of(learner, KEY, now=DAY) == pytest.approx(4 * 0.8 / (4 + 12))


def test_no_source_counts_for_more_than_five_attempts() -> None:
    learner = learner_with()
    taught(learner, KEY, "-" * 200, cluster=f"{CODE}:busy")
    for source in range(5):
        taught(learner, KEY, "+", cluster=f"{CODE}:source_{source}")
    learner.tick(now=DAY)

    assert chance_of(learner, KEY, now=DAY) == pytest.approx((4 * 0.8 + 5) / (4 + 5 + 5))


def test_slow_counts_fade_with_each_own_attempt() -> None:
    learner = learner_with(outer_decay=0.5)
    taught(learner, KEY, "-" * 10 + "++", cluster=f"{CODE}:one")
    learner.tick(now=DAY)

    successes, attempts = 1.5, sum(0.5**age for age in range(12))
    assert chance_of(learner, KEY, now=DAY) == pytest.approx((4 * 0.8 + successes) / (4 + attempts))


def test_fast_counts_fade_by_attempts_of_that_strategy_only() -> None:
    learner = learner_with()

    taught(learner, KEY, "++")
    taught(learner, HOST, "-+" * 10)

    assert (inner(learner, KEY.name)["a"], inner(learner, KEY.name)["b"]) == pytest.approx((1.95, 0.0))


def test_silence_forgets_nothing() -> None:
    learner = learner_with()
    taught(learner, KEY, "--")
    taught(learner, HOST, "+")

    soon, late = (learner.rank(CODE, HERE, [KEY, HOST, COPY], 3.0, now) for now in (1.0, 80 * DAY))

    assert soon == late


def test_the_estimate_joins_the_prior_and_the_cells_own_counts() -> None:
    learner = learner_with()

    taught(learner, KEY, "+")

    prior_weight = 20 / 21
    expected = (2 * prior_weight * 0.8 + 0.6 * (1 - prior_weight) + 1) / (
        2 * prior_weight + 1 - prior_weight + 1
    )
    assert chance_of(learner, KEY) == pytest.approx(expected)


def test_the_prior_fades_with_the_cells_own_experience() -> None:
    learner = learner_with()
    for source in range(40):
        taught(learner, HOST, "-", cluster=f"{CODE}:source_{source}")
    learner.tick(now=DAY)

    taught(learner, KEY, "+", now=DAY)
    young = chance_of(learner, HOST, now=DAY)
    taught(learner, KEY, "+" * 200, now=DAY)

    assert young < 0.12
    assert 0.4 < chance_of(learner, HOST, now=DAY) < 0.6


def test_counts_faults_and_not_attempts() -> None:
    learner = learner_with()

    for _ in range(3):
        taught(learner, KEY, "-")
        taught(learner, HOST, "-")
        taught(learner, COPY, "+")

    assert inner(learner)["faults"] == 3


def test_a_fault_ends_with_its_cure() -> None:
    learner = learner_with()

    taught(learner, KEY, "+")
    taught(learner, HOST, "+")

    assert inner(learner)["faults"] == 2


def test_a_fault_that_nothing_healed_ends_when_a_strategy_comes_round_again() -> None:
    learner = learner_with()

    for _ in range(3):
        taught(learner, KEY, "-")
        taught(learner, HOST, "-")

    assert inner(learner)["faults"] == 3


def test_an_alarm_makes_the_cell_doubt_its_leaders_and_its_prior() -> None:
    learner = learner_with()
    taught(learner, KEY, "+" * 10)
    taught(learner, HOST, "+" * 3)
    taught(learner, COPY, "--+--")
    before = {option.name: inner(learner, option.name) for option in (KEY, HOST, COPY)}

    taught(learner, KEY, "-")
    assert inner(learner)["f"] == 1.0
    taught(learner, KEY, "-")

    after = {option.name: inner(learner, option.name) for option in (KEY, HOST, COPY)}
    assert after["rotate_key"]["a"] == pytest.approx(0.2 * 0.95**2 * before["rotate_key"]["a"])
    assert after["other_host"]["a"] == pytest.approx(0.2 * before["other_host"]["a"])
    assert after["cached_copy"]["a"] == before["cached_copy"]["a"]
    assert after["cached_copy"]["b"] == pytest.approx(0.5 * before["cached_copy"]["b"])
    assert inner(learner) == {"faults": 0.0, "g": 0.0, "f": 0.0, "last_at": 0.0}


def test_after_an_alarm_an_untried_strategy_is_judged_without_the_prior() -> None:
    learner = learner_with()
    taught(learner, KEY, "+" * 20)
    taught(learner, KEY, "--")

    assert chance_of(learner, COPY) == pytest.approx(0.6)


def test_one_failure_of_a_good_strategy_is_no_alarm() -> None:
    learner = learner_with()

    taught(learner, KEY, "+" * 20 + "-" + "+" * 20 + "-")

    assert inner(learner)["f"] == 1.0


def test_a_strategy_with_little_evidence_raises_no_alarm() -> None:
    learner = learner_with()

    taught(learner, KEY, "+-")

    assert inner(learner)["g"] == 0.0
    taught(learner, KEY, "-")
    assert inner(learner)["g"] > 0.0


def test_a_strategy_that_never_promised_much_raises_no_alarm() -> None:
    learner = learner_with()

    taught(learner, KEY, "--+-")

    assert inner(learner)["g"] == 0.0


def test_suspicion_is_the_likelihood_of_a_fall_to_three_tenths_and_never_negative() -> None:
    learner = learner_with()
    taught(learner, KEY, "+" * 5)
    assert inner(learner)["g"] == 0.0
    weight, a = 20 / 25, sum(0.95**age for age in range(5))
    p = (2 * weight * 0.5 + 0.6 * (1 - weight) + a) / (2 * weight + 1 - weight + a)

    taught(learner, KEY, "-")

    assert inner(learner)["g"] == pytest.approx(log(0.7 / (1 - p)))
    taught(learner, KEY, "+")
    assert 0.0 < inner(learner)["g"] < log(0.7 / (1 - p)) - 0.5


def test_ninety_days_of_silence_end_an_alarm() -> None:
    learner = learner_with()
    taught(learner, KEY, "+" * 10 + "--", now=DAY)

    assert chance_of(learner, COPY, now=90 * DAY) == pytest.approx(0.6)
    assert chance_of(learner, COPY, now=91 * DAY) == pytest.approx(0.8)
    taught(learner, KEY, "+", now=91 * DAY)
    assert inner(learner)["f"] == 1.0


def test_a_cell_can_be_reset_by_hand() -> None:
    learner = learner_with()
    taught(learner, KEY, "---")

    learner.reset(HERE)

    assert not learner.rank(CODE, HERE, [KEY, HOST], 3.0, 0.0).learned


def test_a_frozen_learner_keeps_the_declared_order_and_learns_nothing() -> None:
    learner = learner_with()
    taught(learner, KEY, "--")
    learner.freeze()
    before = learner.snapshot()

    taught(learner, HOST, "+++", now=2 * DAY)

    assert learner.frozen
    assert not learner.tick(now=2 * DAY)
    assert learner.snapshot() == before
    assert order(learner, [KEY, HOST]) == ("rotate_key", "other_host")
    learner.unfreeze()
    assert order(learner, [KEY, HOST]) == ("other_host", "rotate_key")


def test_switched_off_it_keeps_the_declared_order() -> None:
    learner = learner_with(enabled=False)
    taught(learner, KEY, "--")

    assert order(learner, [KEY, HOST]) == ("rotate_key", "other_host")


def test_says_how_much_it_has_learned() -> None:
    learner = learner_with()
    taught(learner, KEY, "+-")
    taught(learner, HOST, "+", cluster=f"{CODE}:fred_api")
    learner.learn("API.TIMEOUT", "API.TIMEOUT:fred_api", "retry", True, 0.2, 0.0)

    summary = learner.summary()

    assert (summary.cells, summary.attempts, summary.codes) == (3, 4, 2)


def test_a_lesson_of_the_fast_layer_is_used_before_the_slow_one_hears_of_it() -> None:
    learner = learner_with()
    for source in range(20):
        taught(learner, KEY, "+++", cluster=f"{CODE}:source_{source}")
    learner.tick(now=DAY)

    taught(learner, KEY, "----", now=DAY)
    taught(learner, HOST, "++", now=DAY)

    assert order(learner, [KEY, HOST], now=DAY)[0] == "other_host"
    assert order(learner, [KEY, HOST], cluster=f"{CODE}:new", now=DAY)[0] == "rotate_key"


def test_the_same_lessons_and_the_same_luck_give_the_same_order() -> None:
    def run() -> list[tuple[str, ...]]:
        learner = NestedLearner(LearningSettings(), random.Random(5))
        taught(learner, KEY, "+-+")
        return [order(learner, [KEY, HOST, COPY]) for _ in range(50)]

    assert run() == run()


@pytest.mark.parametrize("name", ["nested", "layers", "planning"])
def test_deciding_needs_nothing_but_the_standard_library_and_does_no_io(name: str) -> None:
    tree = ast.parse((Path(learning.__file__).parent / f"{name}.py").read_text(encoding="utf-8"))
    imported = {
        node.module.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
    }
    imported |= {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }

    assert imported <= {
        "autonomous_healing",
        "random",
        "collections",
        "dataclasses",
        "typing",
        "math",
        "statistics",
    }
