"""How long an answer is fresh and how old it is (RFC 9111, section 4.2)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.caching import NOON, date, facts, received, request, stored
from tests.clock import ManualClock

from autonomous_healing.endpoint_healing.caching.aging import (
    LONGEST_ERROR,
    freshness_lifetime,
    initial_age,
)
from autonomous_healing.endpoint_healing.caching.reuse import FRESH, decide
from autonomous_healing.endpoint_healing.caching.shared import Bounds, SharedCache
from autonomous_healing.endpoint_healing.caching.stored import StoredAnswer


class WrongClock(ManualClock):
    """Its date can be put forward and back, as that of a machine can."""

    wrong_by = timedelta(0)

    def now(self) -> Any:
        return super().now() + self.wrong_by


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({"cache_control": "max-age=60"}, 60.0),
        ({"cache_control": "max-age=60, s-maxage=5"}, 5.0),
        ({"cache_control": "max-age=5, s-maxage=60"}, 60.0),
        ({"cache_control": "max-age=60", "expires": date(5)}, 60.0),
        ({"cache_control": "max-age=0", "expires": date(60)}, 0.0),
        ({"expires": date(60)}, 60.0),
        ({"expires": date(60), "date": date(-40)}, 100.0),  # by the clock of its source
        ({"expires": date(60), "date": "no date"}, 60.0),
        ({"expires": date(-60)}, 0.0),
        ({"expires": "0"}, 0.0),  # 5.3
        ({"expires": [date(60), "0"]}, 0.0),
        ({"expires": [date(60), date(30)]}, 30.0),
        ({"cache_control": "public", "expires": "soon"}, 0.0),
        ({"last_modified": date(-1000)}, 100.0),  # 4.2.2: a tenth
        ({"last_modified": date(-100_000_000)}, 86_400.0),
        ({"last_modified": date(1000)}, 0.0),
        ({"last_modified": date(-1000), "set_cookie": "a=b"}, 0.0),
        ({}, 0.0),
        ({"cdn_cache_control": "max-age=5", "cache_control": "max-age=60"}, 5.0),  # RFC 9213, section 2.2
        ({"cdn_cache_control": "max-age=5", "expires": date(60)}, 5.0),
        ({"cdn_cache_control": "x", "expires": date(60)}, 0.0),
    ],
)
def test_is_fresh_for(said: dict[str, Any], seconds: float) -> None:
    assert freshness_lifetime(facts(**{"date": date(), **said})) == seconds


@pytest.mark.parametrize("status", [201, 202, 403, 502, 503, 504, 599])
def test_nothing_is_guessed_of_a_status_that_says_nothing_of_it(status: int) -> None:
    assert freshness_lifetime(facts(status, last_modified=date(-1000))) == 0.0


@pytest.mark.parametrize("status", [400, 404, 410, 500, 503])
def test_an_error_that_somebody_may_have_provoked_does_not_stay(status: int) -> None:
    assert freshness_lifetime(facts(status, cache_control="max-age=100000")) == LONGEST_ERROR
    assert freshness_lifetime(facts(status, cache_control="max-age=5")) == 5.0


@pytest.mark.parametrize(
    ("said", "took", "seconds"),
    [
        ({}, 0.0, 0.0),
        ({"age": "30"}, 0.0, 30.0),
        ({"age": "30"}, 2.5, 32.5),  # 4.2.3: what passed on the way counts
        ({"date": date(-20)}, 0.0, 20.0),
        ({"date": date(-20), "age": "30"}, 0.0, 30.0),
        ({"date": date(20)}, 0.0, 0.0),
        ({"date": date(20), "age": "30"}, 0.0, 30.0),
        ({"age": "30, 5"}, 0.0, 30.0),  # 5.1: of several the first
        ({"age": ["5", "30"]}, 0.0, 5.0),
        ({"age": "-5"}, 0.0, 0.0),
        ({"age": "5.0"}, 0.0, 0.0),
        ({"age": "x"}, 0.0, 0.0),
        ({"age": "99999999999"}, 0.0, 2_147_483_648.0),
    ],
)
def test_is_so_old_when_it_comes(said: dict[str, Any], took: float, seconds: float) -> None:
    assert initial_age(facts(**{"date": date(), **said}), took, NOON) == seconds


def test_a_part_of_a_second_makes_nothing_old() -> None:
    assert initial_age(facts(date=date()), 0.0, NOON + 0.9) == 0.0
    assert initial_age(facts(date=date()), 0.0, NOON + 1.0) == 1.0


def test_it_ages_with_the_time_that_passes() -> None:
    answer = stored(age="5", at=100.0)
    assert [answer.age(now) for now in (100.0, 101.5, 160.0)] == [5.0, 6.5, 65.0]


@given(
    age=st.text(max_size=12),
    dated=st.integers(-(10**9), 10**9),
    took=st.floats(-1e6, 1e6),
    now=st.floats(-1e6, 1e9),
)
def test_no_age_is_ever_negative(age: str, dated: int, took: float, now: float) -> None:
    said = facts(age=age.encode("ascii", "ignore").decode(), date=date(dated))
    assert initial_age(said, took, NOON) >= 0.0
    assert stored(date=date(dated)).age(now) >= 0.0


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_jumps_makes_nothing_old_that_is_kept_nor_what_comes(hours: int) -> None:
    clock = WrongClock()
    cache = SharedCache(Bounds(), clock)
    noon = clock.now().timestamp()
    asked = request()

    def keep() -> StoredAnswer:
        said = received(cache_control="max-age=60", date=date(noon - NOON + clock.monotonic()))
        kept = cache.keep("shop/", asked, replace(said, at=clock.monotonic(), date=cache.date()))
        assert isinstance(kept, StoredAnswer)
        return kept

    kept = keep()
    clock.wrong_by = timedelta(hours=hours)
    clock.pass_time(10.0)
    assert decide(kept, clock.monotonic(), asked.wishes) is FRESH
    assert kept.age(clock.monotonic()) == 10.0
    assert keep().age(clock.monotonic()) == 0.0
