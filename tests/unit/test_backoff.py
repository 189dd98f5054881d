"""How long to wait before the next try."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomous_healing.resilience import Backoff

BACKOFF = Backoff(base=0.2, cap=5.0)


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(0, 0.2), (1, 0.4), (2, 0.8), (4, 3.2), (5, 5.0), (6, 5.0), (100_000, 5.0)]
)
def test_the_ceiling_doubles_up_to_the_cap(attempt: int, seconds: float) -> None:
    assert BACKOFF.ceiling(attempt) == pytest.approx(seconds)


@given(st.integers(0, 20), st.integers())
def test_full_jitter_stays_between_nothing_and_the_ceiling(attempt: int, seed: int) -> None:
    assert 0.0 <= BACKOFF.full_jitter(attempt, random.Random(seed)) <= BACKOFF.ceiling(attempt)


@given(st.integers(0, 20), st.integers(), st.floats(0.0, 60.0))
def test_equal_jitter_waits_at_least_half_and_what_was_asked_for(
    attempt: int, seed: int, floor: float
) -> None:
    wait = BACKOFF.equal_jitter(attempt, random.Random(seed), floor)
    assert max(floor, BACKOFF.ceiling(attempt) / 2) <= wait <= max(floor, BACKOFF.ceiling(attempt))


def test_full_jitter_spreads_a_crowd() -> None:
    rng = random.Random(1)
    waits = [BACKOFF.full_jitter(5, rng) for _ in range(1000)]
    assert min(waits) < 0.5
    assert max(waits) > 4.5
