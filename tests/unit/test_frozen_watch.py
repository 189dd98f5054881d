"""A value that no longer changes while others of its source do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.world import World

from autonomous_healing.endpoint_healing.call import Finding
from autonomous_healing.endpoint_healing.codes import FROZEN
from autonomous_healing.endpoint_healing.freshness import (
    WATCHED,
    AlwaysOpen,
    FrozenWatch,
    MarketHours,
    Sessions,
)
from autonomous_healing.endpoint_healing.options import FreshnessSettings
from autonomous_healing.endpoint_healing.records import Bar, Bars, Quote, Record

WORLD = World()
START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
HOST, OTHER_HOST = "https://query1.test", "https://query2.test"
SPY = Quote(symbol="SPY", price=600.0, volume=1e6, as_of=START)


class Watching:
    """Polls once every two minutes and tells when a value was found frozen."""

    def __init__(self, hours: MarketHours | None = None) -> None:
        self.watch = FrozenWatch(FreshnessSettings(), hours or AlwaysOpen())
        self.now = START

    def see(self, record: Record, place: str = "yahoo_finance/quote", host: str = HOST, **params: str) -> str:
        found = self.watch.judge(record, WORLD.call(place, **params), host, self.now)
        return found.code if isinstance(found, Finding) else ""

    def poll(
        self, record: Record, times: int, minutes: float = 2.0, others: str = "moving", **params: str
    ) -> list[str]:
        """What is found at each poll, while another symbol moves, stands still or is not asked for."""
        found = []
        for n in range(times):
            if others != "absent":
                price = 70.0 + (n if others == "moving" else 0)
                self.see(replace(SPY, price=price), symbol="QQQ")
            found.append(self.see(record, **params))
            self.now += timedelta(minutes=minutes)
        return found


def test_twenty_equal_answers_over_half_an_hour_while_another_moves_are_frozen() -> None:
    assert Watching().poll(SPY, 22) == [""] * 19 + [FROZEN] * 3


def test_says_how_long_it_stood_still() -> None:
    watching = Watching()
    watching.poll(SPY, 19)
    watching.see(replace(SPY, price=71.0), symbol="QQQ")
    found = watching.watch.judge(SPY, WORLD.call("yahoo_finance/quote"), HOST, watching.now)
    assert isinstance(found, Finding)
    assert found.message == "unchanged in 20 answers over 2280s of open market"
    assert found.confidence < 0.9


@pytest.mark.parametrize("others", ["still", "absent"])
def test_a_quiet_source_is_not_frozen(others: str) -> None:
    assert Watching().poll(SPY, 40, others=others) == [""] * 40


def test_a_symbol_seen_for_the_first_time_has_not_moved() -> None:
    watching = Watching()
    watching.poll(SPY, 25, others="absent")
    watching.see(replace(SPY, price=70.0), symbol="QQQ")
    assert watching.see(SPY) == ""
    watching.now += timedelta(minutes=2)
    watching.see(replace(SPY, price=71.0), symbol="QQQ")
    assert watching.see(SPY) == FROZEN


def test_many_answers_in_a_short_time_are_not_frozen() -> None:
    assert Watching().poll(SPY, 60, minutes=0.25) == [""] * 60


def test_closed_hours_do_not_count() -> None:
    closed = Sessions([(START - timedelta(hours=8), START + timedelta(minutes=20))])
    assert Watching(closed).poll(SPY, 60) == [""] * 60


def test_a_change_begins_anew() -> None:
    watching = Watching()
    watching.poll(SPY, 19)
    assert watching.poll(replace(SPY, price=600.1), 19) == [""] * 19


def test_volume_moves_too() -> None:
    watching = Watching()
    found = []
    for n in range(40):
        found += watching.poll(replace(SPY, volume=1e6 + n), 1)
    assert found == [""] * 40


def test_each_host_is_watched_by_itself() -> None:
    watching = Watching()
    assert watching.poll(SPY, 21)[-1] == FROZEN
    assert watching.see(SPY, host=OTHER_HOST) == ""


def test_a_quote_of_a_day_stands_still_by_nature() -> None:
    assert Watching().poll(replace(SPY, as_of_day=True), 40) == [""] * 40


def bars(interval: float) -> Bars:
    row = Bar(START, 1.0, 2.0, 0.5, 1.5, 9.0)
    return Bars(symbol="SPY", interval=interval, rows=(row,))


def test_daily_bars_stand_still_by_nature() -> None:
    watching = Watching()
    found = []
    for n in range(40):
        watching.see(replace(SPY, price=70.0 + n), symbol="QQQ")
        found.append(watching.see(bars(86400.0), "yahoo_finance/chart"))
        watching.now += timedelta(minutes=2)
    assert found == [""] * 40


@pytest.mark.parametrize(("interval", "name", "polls"), [(60.0, "1m", 20), (3600.0, "1h", 61)])
def test_a_bar_stands_still_until_the_next_one_comes(interval: float, name: str, polls: int) -> None:
    watching = Watching()
    found = []
    for n in range(70):
        watching.see(replace(SPY, price=70.0 + n), symbol="QQQ")
        found.append(watching.see(bars(interval), "yahoo_finance/chart", interval=name))
        watching.now += timedelta(minutes=2)
    assert found.index(FROZEN) == polls - 1


def test_what_is_not_asked_for_any_more_is_forgotten() -> None:
    watching = Watching()
    watching.see(SPY)
    for n in range(WATCHED + 5):
        watching.see(replace(SPY, price=1.0 + n), symbol=f"S{n}")
    assert len(watching.watch) == WATCHED
