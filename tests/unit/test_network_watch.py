"""A network that is down is told from sources that are."""

import math

import pytest
from tests.clock import ManualClock

from autonomous_healing.endpoint_healing.catalog import build_source
from autonomous_healing.endpoint_healing.endpoints import Source
from autonomous_healing.endpoint_healing.network_watch import NetworkWatch, sites_of
from autonomous_healing.endpoint_healing.options import SourceSettings

NEVER = -math.inf


def source(name: str, *hosts: str) -> Source:
    return build_source(name, SourceSettings(hosts=hosts or (f"https://api.{name}.test",)))


ONE, TWO, THREE = source("one"), source("two"), source("three")


def test_two_unrelated_sources_that_are_not_reached_are_the_network_s_fault() -> None:
    watch = NetworkWatch(ManualClock())
    assert [watch.missed(one, NEVER) for one in (ONE, ONE, ONE, TWO, THREE)] == [
        False,
        False,
        False,
        True,
        True,
    ]
    assert watch.is_down
    assert watch.missing() == ("one", "three", "two")


@pytest.mark.parametrize(("seconds", "down"), [(29.9, True), (30.0, False)])
def test_only_what_lies_close_together_is_no_coincidence(seconds: float, down: bool) -> None:
    clock = ManualClock()
    watch = NetworkWatch(clock)
    watch.missed(ONE, NEVER)
    clock.pass_time(seconds)
    assert watch.missed(TWO, NEVER) is down


@pytest.mark.parametrize("heard", [0.0, 5.0, 10.0])
def test_whoever_was_reached_meanwhile_acquits_it(heard: float) -> None:
    clock = ManualClock()
    watch = NetworkWatch(clock)
    watch.missed(ONE, NEVER)
    clock.pass_time(10.0)
    assert not watch.missed(TWO, reached_at=heard)


def test_who_was_reached_before_tells_nothing() -> None:
    clock = ManualClock()
    watch = NetworkWatch(clock)
    clock.pass_time(10.0)
    watch.missed(ONE, reached_at=9.0)
    assert watch.missed(TWO, reached_at=9.0)
    assert watch.since == 10.0


@pytest.mark.parametrize(
    ("first", "second", "related"),
    [
        (("https://query1.finance.yahoo.com",), ("https://query2.finance.yahoo.com",), True),
        (("https://a.test", "https://b.test"), ("https://c.b.test",), True),
        (("http://127.0.0.1:8001",), ("http://127.0.0.1:8002",), True),
        (("http://10.0.0.1",), ("http://10.1.0.1",), False),
        (("http://[::1]:80",), ("http://[::2]:80",), False),
        (("http://localhost:1",), ("http://localhost:2",), True),
        (("https://a.test",), ("https://b.test",), False),
    ],
)
def test_who_lives_in_the_same_place_is_related(
    first: tuple[str, ...], second: tuple[str, ...], related: bool
) -> None:
    one, two = source("one", *first), source("two", *second)
    assert sites_of(one).isdisjoint(sites_of(two)) is not related
    watch = NetworkWatch(ManualClock())
    watch.missed(one, NEVER)
    assert watch.missed(two, NEVER) is not related


def test_each_source_is_tried_once_in_thirty_seconds() -> None:
    clock = ManualClock()
    watch = NetworkWatch(clock)
    watch.missed(ONE, NEVER)
    watch.missed(TWO, NEVER)
    assert (watch.wait(ONE), watch.wait(THREE)) == (30.0, 0.0)  # one was just tried, three never
    watch.try_now(THREE)
    clock.pass_time(20.0)
    assert (watch.wait(ONE), watch.wait(THREE)) == (10.0, 10.0)
    clock.pass_time(10.0)
    assert watch.wait(ONE) == 0.0
    watch.try_now(ONE)
    assert (watch.wait(ONE), watch.wait(TWO)) == (30.0, 0.0)


def test_any_answer_ends_it() -> None:
    clock = ManualClock()
    watch = NetworkWatch(clock)
    watch.missed(ONE, NEVER)
    watch.missed(TWO, NEVER)
    clock.pass_time(7.0)
    watch.answered()
    assert (watch.is_down, watch.wait(ONE), watch.missing(), watch.heard_at) == (False, 0.0, (), 7.0)
    assert not watch.missed(ONE, NEVER)


def test_what_is_up_is_never_waited_for() -> None:
    watch = NetworkWatch(ManualClock())
    watch.missed(ONE, NEVER)
    watch.try_now(ONE)
    assert watch.wait(ONE) == 0.0
