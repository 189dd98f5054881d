"""Which circuits are one, which host is asked, and what an operator decides."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from tests.clock import ManualClock

from autonomous_healing.endpoint_healing.catalog import build_endpoints
from autonomous_healing.endpoint_healing.circuits import Circuits
from autonomous_healing.endpoint_healing.options import HealingSettings, SourceSettings
from autonomous_healing.resilience import BreakerState, CircuitBreaker, Force

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
SERVER_ERROR = "API.SERVER_ERROR"


class House:
    """The circuits of the five providers, with as many endpoints at one host as a test wants."""

    def __init__(self, endpoints: int = 4, hosts: int = 1) -> None:
        self.clock = ManualClock()
        settings = HealingSettings.model_validate({"breaker": {"jitter": 0.0}})
        self.circuits = Circuits(settings, self.clock, random.Random(7))
        names = [f"https://query{n + 1}.example" for n in range(hosts)]
        [known] = build_endpoints({"shop": SourceSettings(kind="raw", hosts=tuple(names))})
        self.endpoints = [replace(known, name=f"/e{n}") for n in range(endpoints)]
        self.hosts = names

    def breaker(self, number: int, host: int = 0) -> CircuitBreaker:
        return self.circuits.breaker(self.endpoints[number], self.hosts[host])

    def use(self, *numbers: int) -> None:
        """Calls that go well."""
        for number in numbers:
            self.breaker(number).record_success(0.1)

    def open(self, *numbers: int, host: int = 0, reset_in: float | None = None) -> None:
        for number in numbers:
            for _ in range(5):
                self.breaker(number, host).record_failure(SERVER_ERROR, reset_in)

    def states(self, host: int = 0) -> list[BreakerState]:
        return [self.breaker(number, host).state for number in range(len(self.endpoints))]

    def merged(self) -> list[bool]:
        return [one.merged for one in self.circuits.readings()]


#: Endpoints of one host that are in use, and those of them that open in turn; what all four are then.
MERGES = [
    ((0, 1, 2, 3), (0,), [OPEN, CLOSED, CLOSED, CLOSED]),  # one alone, whatever its share
    ((0, 1, 2, 3), (0, 1), [OPEN, OPEN, OPEN, OPEN]),
    ((0,), (0,), [OPEN, CLOSED, CLOSED, CLOSED]),
    ((0, 1), (0, 1), [OPEN, OPEN, OPEN, OPEN]),  # of two all: the others are not in use, but of the same host
]


@pytest.mark.parametrize(("used", "opened", "states"), MERGES)
def test_circuits_of_a_host_are_one_when_two_and_half_of_those_in_use_are_open(
    used: tuple[int, ...], opened: tuple[int, ...], states: list[BreakerState]
) -> None:
    house = House()
    house.use(*used)
    house.open(*opened)
    assert house.states() == states


def test_two_of_five_in_use_are_not_half() -> None:
    house = House(endpoints=5)
    house.use(0, 1, 2, 3, 4)
    house.open(0, 1)
    assert house.states() == [OPEN, OPEN, CLOSED, CLOSED, CLOSED]
    assert not any(house.merged())
    house.open(2)
    assert house.states() == [OPEN] * 5
    assert all(house.merged())


def test_what_was_not_called_for_an_hour_is_not_in_use() -> None:
    house = House(endpoints=5)
    house.use(2, 3, 4)
    house.clock.pass_time(3601.0)
    house.use(0, 1)
    house.open(0, 1)
    assert house.states() == [OPEN] * 5


def test_other_hosts_are_not_drawn_in() -> None:
    house = House(hosts=2)
    house.use(0, 1, 2, 3)
    house.open(0, 1)
    assert house.states(host=1) == [CLOSED] * 4


def test_a_host_whose_circuits_are_one_is_tried_by_one_call_at_a_time() -> None:
    house = House()
    house.use(0, 1, 2, 3)
    house.open(0, 1)
    house.clock.pass_time(30.0)
    admitted = [house.breaker(n).allow() for n in (2, 0, 1, 3)]
    assert admitted == [True, False, False, False]
    assert house.states() == [HALF_OPEN] * 4
    house.breaker(2).record_success(0.1)
    assert [house.breaker(n).allow() for n in (1, 0, 3, 2)] == [True, False, False, False]


def test_two_good_trials_of_any_of_them_close_all() -> None:
    house = House()
    house.use(0, 1, 2, 3)
    house.open(0, 1)
    house.clock.pass_time(30.0)
    for number in (3, 0):
        assert house.breaker(number).allow()
        house.breaker(number).record_success(0.1)
    assert house.states() == [CLOSED] * 4
    assert not any(house.merged())
    house.open(2)
    assert house.states() == [CLOSED, CLOSED, OPEN, CLOSED]


def test_a_failed_trial_of_one_keeps_all_open_for_longer() -> None:
    house = House()
    house.use(0, 1, 2, 3)
    house.open(0, 1)
    house.clock.pass_time(30.0)
    assert house.breaker(3).allow()
    house.breaker(3).record_failure(SERVER_ERROR)
    assert [one.retry_after() for one in house.circuits.all()] == [60.0] * 4
    assert [house.breaker(n).allow() for n in range(4)] == [False] * 4


def test_a_probe_of_one_ends_the_waiting_of_all() -> None:
    house = House()
    house.use(0, 1, 2, 3)
    house.open(0, 1)
    assert [house.breaker(n).allow_early() for n in range(4)] == [True, False, False, False]
    house.breaker(0).record_success(0.1)
    assert house.states() == [HALF_OPEN] * 4


def test_the_longest_row_of_openings_counts_for_all() -> None:
    house = House()
    house.use(0, 1, 2, 3)
    house.open(0)
    for _ in range(3):
        house.clock.pass_time(house.breaker(0).retry_after())
        assert house.breaker(0).allow()
        house.breaker(0).record_failure(SERVER_ERROR)
    house.open(1)
    house.clock.pass_time(30.0)
    assert house.breaker(1).allow()
    house.breaker(1).record_failure(SERVER_ERROR)
    assert {one.retry_after() for one in house.circuits.all()} == {150.0}


def test_what_waits_for_a_stated_reset_is_no_sign_of_the_others() -> None:
    house = House()
    house.use(0, 1, 2, 3)
    house.open(0, 1, 2, reset_in=500.0)
    assert house.states() == [OPEN, OPEN, OPEN, CLOSED]
    assert not any(house.merged())


def test_nor_does_it_make_one_of_others_that_are_too_few() -> None:
    house = House(endpoints=5)
    house.use(0, 1, 2, 3, 4)
    house.open(0, 1)
    house.open(2, reset_in=500.0)
    assert house.states() == [OPEN, OPEN, OPEN, CLOSED, CLOSED]
    assert not any(house.merged())


def test_together_with_one_that_fails_it_is_only_one() -> None:
    house = House()
    house.use(0, 1, 2, 3)
    house.open(0, reset_in=500.0)
    house.open(1)
    assert house.states() == [OPEN, OPEN, CLOSED, CLOSED]


def test_neither_is_what_an_operator_holds_open_a_sign() -> None:
    house = House()
    house.use(0, 1, 2, 3)
    house.circuits.force(house.endpoints[0], Force.OPEN, seconds=600.0, reason="", by="ann")
    house.open(1)
    assert house.states() == [OPEN, OPEN, CLOSED, CLOSED]


def test_a_stated_reset_of_one_is_neither_shortened_nor_spread() -> None:
    house = House()
    house.use(0, 1, 2, 3)
    house.open(3, reset_in=500.0)
    house.open(0, 1)
    assert [one.retry_after() for one in house.circuits.all()] == [30.0, 30.0, 30.0, 500.0]
    house.clock.pass_time(30.0)
    for _ in range(2):
        assert house.breaker(0).allow()
        house.breaker(0).record_success(0.1)
    assert house.states() == [CLOSED, CLOSED, CLOSED, OPEN]


def test_one_that_is_first_asked_for_later_is_one_with_them() -> None:
    house = House()
    house.use(0, 1)
    house.open(0, 1)
    assert (house.breaker(2).state, house.merged()) == (OPEN, [True] * 3)


def test_all_of_a_host_are_no_longer_steady_when_they_are_one() -> None:
    house = House()
    house.use(0, 1, 2, 3)
    hot = house.breaker(3)
    assert hot.is_steady
    house.open(0, 1)
    assert not hot.is_steady


def test_the_first_host_that_may_be_called_is_asked() -> None:
    house = House(endpoints=1, hosts=3)
    endpoint = house.endpoints[0]
    assert house.circuits.choose_host(endpoint) == house.hosts[0]
    house.open(0)
    assert house.circuits.choose_host(endpoint) == house.hosts[1]
    house.open(0, host=1)
    assert house.circuits.choose_host(endpoint) == house.hosts[2]
    house.clock.pass_time(30.0)
    assert house.circuits.choose_host(endpoint) == house.hosts[0]  # for its trial
    assert house.breaker(0).allow()
    assert house.circuits.choose_host(endpoint) == house.hosts[1]
    assert house.breaker(0, 1).allow()
    assert house.circuits.choose_host(endpoint) == house.hosts[2]


def test_the_least_bad_is_named_where_none_may_be_called() -> None:
    house = House(endpoints=1, hosts=3)
    endpoint = house.endpoints[0]
    house.open(0, host=0, reset_in=500.0)
    house.open(0, host=1)
    house.open(0, host=2)
    house.clock.pass_time(30.0)
    assert house.breaker(0, 1).allow()
    house.breaker(0, 1).record_failure(SERVER_ERROR)
    assert house.breaker(0, 2).allow()
    assert house.circuits.choose_host(endpoint) == house.hosts[2]
    house.circuits.force(endpoint, Force.OPEN, seconds=600.0, reason="", by="ann", host=house.hosts[2])
    assert house.circuits.choose_host(endpoint) == house.hosts[1]


def test_who_was_opened_less_often_is_less_bad_than_who_is_due_first() -> None:
    house = House(endpoints=1, hosts=2)
    house.open(0)
    house.clock.pass_time(30.0)
    assert house.breaker(0).allow()
    house.breaker(0).record_failure(SERVER_ERROR)
    house.clock.pass_time(45.0)
    house.open(0, host=1)
    assert [house.breaker(0, n).retry_after() for n in (0, 1)] == [15.0, 30.0]
    assert house.circuits.choose_host(house.endpoints[0]) == house.hosts[1]


def closed_again(house: House, host: int = 0) -> None:
    breaker = house.breaker(0, host)
    house.clock.pass_time(breaker.retry_after())
    for _ in range(2):
        assert breaker.allow()
        breaker.record_success(0.1)


@pytest.mark.parametrize(("after", "share"), [(0.0, 0.1), (30.0, 0.55), (60.0, 1.0)])
def test_a_closed_circuit_gets_its_calls_back_little_by_little(after: float, share: float) -> None:
    house = House(endpoints=1, hosts=2)
    house.open(0)
    closed_again(house)
    house.clock.pass_time(after)
    asked = Counter(house.circuits.choose_host(house.endpoints[0]) for _ in range(4000))
    assert asked[house.hosts[0]] / 4000 == pytest.approx(share, abs=0.03)


def test_it_gets_all_of_them_while_its_alternates_cannot_be_called() -> None:
    house = House(endpoints=1, hosts=2)
    house.open(0, host=0)
    closed_again(house)
    house.breaker(0).openings = 9
    house.open(0, host=1)
    asked = {house.circuits.choose_host(house.endpoints[0]) for _ in range(100)}
    assert asked == {house.hosts[0]}


def test_a_pinned_host_goes_before_all_others_while_it_is_pinned() -> None:
    house = House(endpoints=1, hosts=2)
    endpoint, (first, second) = house.endpoints[0], house.hosts
    house.circuits.force(
        endpoint, Force.PINNED, seconds=600.0, reason="ours is nearer", by="ann", host=second
    )
    house.open(0, host=1)
    assert house.circuits.choose_host(endpoint) == second
    assert [house.breaker(0, n).is_steady for n in (0, 1)] == [False, True]
    house.clock.pass_time(600.0)
    assert house.circuits.choose_host(endpoint) == first
    assert house.breaker(0, 0).is_steady


def test_only_one_host_can_be_pinned() -> None:
    house = House(endpoints=1, hosts=2)
    house.circuits.force(house.endpoints[0], Force.PINNED, seconds=600.0, reason="", by="ann")
    assert [one.forced for one in house.circuits.readings()] == [Force.PINNED, None]


def test_what_an_operator_holds_open_for_all_hosts_is_asked_nowhere() -> None:
    house = House(endpoints=1, hosts=2)
    endpoint = house.endpoints[0]
    house.circuits.force(endpoint, Force.OPEN, seconds=600.0, reason="their maintenance", by="ann")
    assert house.states() + house.states(host=1) == [OPEN, OPEN]
    house.clock.pass_time(500.0)
    assert house.circuits.last_resort(endpoint) is None
    house.circuits.unforce(endpoint)
    assert [house.breaker(0, n).allow() for n in (0, 1)] == [True, True]


def test_an_operator_takes_one_out_of_those_that_are_one() -> None:
    house = House()
    house.use(0, 1, 2, 3)
    house.open(0, 1)
    house.circuits.force(house.endpoints[1], Force.CLOSED, seconds=600.0, reason="it works", by="ann")
    assert house.states() == [OPEN, CLOSED, OPEN, OPEN]
    assert house.merged() == [True, False, True, True]
    house.clock.pass_time(30.0)
    assert [house.breaker(n).allow() for n in (0, 2, 3)] == [True, False, False]
    for _ in range(2):
        house.breaker(0).record_success(0.1)
    assert not any(house.merged())
    house.open(3)
    assert house.states() == [CLOSED, CLOSED, CLOSED, OPEN]


def test_what_an_operator_holds_open_stays_so_when_the_others_close() -> None:
    house = House()
    house.use(0, 1, 2, 3)
    house.open(0, 1)
    house.circuits.force(house.endpoints[2], Force.OPEN, seconds=600.0, reason="drained", by="ann")
    assert house.merged() == [True, True, False, True]
    house.clock.pass_time(30.0)
    for _ in range(2):
        assert house.breaker(0).allow()
        house.breaker(0).record_success(0.1)
    assert house.states() == [CLOSED, CLOSED, OPEN, CLOSED]


def test_what_an_operator_has_closed_is_not_one_any_more() -> None:
    house = House()
    house.use(0, 1, 2, 3)
    house.open(0, 1)
    for endpoint in house.endpoints:
        house.circuits.force(endpoint, Force.CLOSED, seconds=60.0, reason="it works", by="ann")
    house.clock.pass_time(60.0)
    house.use(0, 1, 2, 3)
    house.open(2)
    assert house.states() == [CLOSED, CLOSED, OPEN, CLOSED]


@pytest.mark.parametrize(
    ("host", "seconds"), [("https://elsewhere.example", 60.0), (None, 0.0), (None, -1.0)]
)
def test_no_operator_decides_of_what_is_not_there(host: str | None, seconds: float) -> None:
    house = House(endpoints=1)
    with pytest.raises(ValueError, match=r"host|time"):
        house.circuits.force(house.endpoints[0], Force.OPEN, seconds=seconds, reason="", by="ann", host=host)


def test_as_a_last_resort_one_call_in_thirty_seconds_goes_to_the_least_bad() -> None:
    house = House(endpoints=1, hosts=2)
    endpoint = house.endpoints[0]
    house.clock.pass_time(100.0)
    assert house.circuits.last_resort(endpoint) is None  # nothing is amiss
    for _ in range(4):  # so that it would stay open for two minutes
        house.open(0, host=0)
        house.clock.pass_time(house.breaker(0).retry_after())
        assert house.breaker(0).allow()
    house.breaker(0).record_failure(SERVER_ERROR)
    assert house.circuits.last_resort(endpoint) is None  # the other host can be asked
    house.open(0, host=1, reset_in=9000.0)
    house.clock.pass_time(29.9)
    assert house.circuits.last_resort(endpoint) is None
    house.clock.pass_time(0.1)
    assert house.circuits.last_resort(endpoint) == house.hosts[0]
    assert house.breaker(0).allow_early()
    assert house.circuits.last_resort(endpoint) is None
    house.breaker(0).record_failure(SERVER_ERROR)
    assert house.circuits.last_resort(endpoint) is None
    house.clock.pass_time(30.0)
    assert house.circuits.last_resort(endpoint) == house.hosts[0]


def test_no_resort_is_so_last_that_a_stated_reset_is_broken() -> None:
    house = House(endpoints=1)
    house.open(0, reset_in=9000.0)
    house.clock.pass_time(8999.0)
    assert house.circuits.last_resort(house.endpoints[0]) is None


#: What the slowest twentieth usually takes, and from how long on a call is slow; six times 2 s are expected.
SLOWNESS = [(0.1, 5.0), (1.6, 5.0), (2.0, 6.0), (10.0, 30.0)]


@pytest.mark.parametrize(("p95", "slow_after"), SLOWNESS)
def test_slow_is_three_times_what_is_usual_and_five_seconds_at_least(p95: float, slow_after: float) -> None:
    house = House(endpoints=1)
    assert house.breaker(0).slow_after == 3 * 2 * house.endpoints[0].source.expected_response
    house.circuits.learn(house.endpoints[0], house.hosts[0], p95)
    assert house.breaker(0).slow_after == pytest.approx(slow_after)


def test_what_is_usual_changes_within_an_hour_and_not_at_once() -> None:
    house = House(endpoints=1)
    house.circuits.learn(house.endpoints[0], house.hosts[0], 2.0)
    for _ in range(60):
        house.clock.pass_time(1.0)
        house.circuits.learn(house.endpoints[0], house.hosts[0], 20.0)
    assert house.breaker(0).slow_after < 7.0
    for _ in range(120):
        house.clock.pass_time(60.0)
        house.circuits.learn(house.endpoints[0], house.hosts[0], 20.0)
    assert house.breaker(0).slow_after > 50.0


def test_an_unknown_p95_teaches_nothing() -> None:
    house = House(endpoints=1)
    before = house.breaker(0).slow_after
    house.circuits.learn(house.endpoints[0], house.hosts[0], None)
    assert house.breaker(0).slow_after == before


def test_a_reading_says_all_there_is_to_know() -> None:
    house = House(endpoints=1, hosts=2)
    house.breaker(0).record_successes([0.1] * 15)
    house.open(0)
    house.clock.pass_time(10.0)
    [endpoint], (_, other) = house.endpoints, house.hosts
    house.circuits.force(endpoint, Force.OPEN, seconds=60.0, reason="drained", by="ann", host=other)
    first, second = house.circuits.readings()
    assert (first.source, first.endpoint, first.host) == ("shop", "/e0", house.hosts[0])
    assert first.target == f"shop/e0@{house.hosts[0]}"
    assert (first.state, first.openings, first.opened_for, first.until) == (OPEN, 1, 10.0, 20.0)
    assert (first.reason, first.calls, first.failed, first.share, first.merged) == (
        SERVER_ERROR,
        20,
        5,
        0.0,
        False,
    )
    assert (first.forced, second.forced, second.forced_by, second.forced_reason) == (
        None,
        Force.OPEN,
        "ann",
        "drained",
    )
    assert (second.forced_for, second.until, second.opened_for) == (60.0, 60.0, 0.0)


def test_only_what_was_ever_amiss_is_remembered_and_then_for_good() -> None:
    house = House(endpoints=2)
    house.use(0, 1)
    assert house.circuits.memories() == {}
    house.open(0)
    house.circuits.force(house.endpoints[1], Force.CLOSED, seconds=1.0, reason="", by="ann")
    names = [f"shop/e{n}@{house.hosts[0]}" for n in (0, 1)]
    assert sorted(house.circuits.memories()) == names
    house.clock.pass_time(1.0)
    assert house.circuits.memories()[names[1]].forced is None
