"""A source as a whole is in trouble: which calls to it are no longer made."""

import random
from collections import Counter

import pytest
from tests.clock import ManualClock

from autonomous_healing.endpoint_healing.codes import TIMEOUT
from autonomous_healing.endpoint_healing.flow_options import AdmissionSettings
from autonomous_healing.endpoint_healing.priority import Priority
from autonomous_healing.endpoint_healing.shedding import Shedding

INTERACTIVE, BATCH, PROBE, SHADOW = Priority


class Trouble:
    """A source, and the share of each kind of calls that is refused."""

    def __init__(self, **settings: float) -> None:
        self.clock = ManualClock()
        options = AdmissionSettings.model_validate(settings)
        self.shedding = Shedding("fred_api", self.clock, options, random.Random(1))

    def seen(self, good: int, failed: int, seconds: float = 20.0) -> None:
        """So many calls, one after the other within so many seconds, the failed ones spread among them."""
        calls = good + failed
        for n in range(calls):
            if (n + 1) * failed // calls > n * failed // calls:
                self.shedding.record_failed(TIMEOUT)
            else:
                self.shedding.record_good()
            self.clock.pass_time(seconds / calls)

    def refused(self, **offered: int) -> dict[str, float]:
        """Share by priority, of so many calls each, mixed."""
        calls = [Priority[name.upper()] for name, count in offered.items() for _ in range(count)]
        random.Random(7).shuffle(calls)
        for one in calls:  # what is offered is known after the first look only
            self.shedding.admits(one)
        self.clock.pass_time(1.0)
        self.shedding.admits(calls[0])
        away = Counter(one for one in calls if not self.shedding.admits(one))
        return {
            name: round(away[Priority[name.upper()]] / count, 2) for name, count in offered.items() if count
        }


#: good, failed, share refused: (calls - good / 0.95) / (calls + 1), at most 0.8
SHARES = [
    (1000, 0, 0.0),
    (950, 50, 0.0),
    (949, 51, 0.001),
    (900, 100, 0.0526),
    (500, 500, 0.473),
    (250, 750, 0.736),
    (100, 900, 0.8),
    (0, 1000, 0.8),
    (0, 10, 0.8),
    (5, 5, 0.4306),
    (0, 9, 0.0),
    (0, 0, 0.0),
]


@pytest.mark.parametrize(("good", "failed", "share"), SHARES)
def test_the_share_follows_envoy_s_formula(good: int, failed: int, share: float) -> None:
    trouble = Trouble()
    if good + failed:
        trouble.seen(good, failed)
    assert trouble.shedding.refused_share() == pytest.approx(share, abs=0.0005)


@pytest.mark.parametrize(
    ("settings", "share"),
    [
        ({}, 0.473),
        ({"success": 0.5}, 0.0),
        ({"success": 1.0}, 0.4995),
        ({"max_refused": 0.3}, 0.3),
        ({"min_calls": 1001}, 0.0),
        ({"window": 1.0}, 0.0),  # of the last second there are too few
    ],
)
def test_each_setting_moves_the_share(settings: dict[str, float], share: float) -> None:
    trouble = Trouble(**{"min_calls": 100, **settings})
    trouble.seen(500, 500)
    assert trouble.shedding.refused_share() == pytest.approx(share, abs=0.0005)


def test_while_all_is_well_nothing_is_refused() -> None:
    trouble = Trouble()
    trouble.seen(960, 40)
    assert not trouble.shedding.active
    assert all(trouble.shedding.admits(PROBE) for _ in range(1000))


def test_of_callers_alone_the_share_itself_is_refused() -> None:
    trouble = Trouble()
    trouble.seen(500, 500)
    assert trouble.refused(interactive=4000) == {"interactive": pytest.approx(0.47, abs=0.03)}


def test_never_more_than_eight_tenths_are_refused() -> None:
    trouble = Trouble()
    trouble.seen(0, 1000)
    assert trouble.refused(interactive=4000) == {"interactive": pytest.approx(0.8, abs=0.03)}


def test_who_waits_is_refused_last() -> None:
    trouble = Trouble()
    trouble.seen(800, 200)  # 15.8 % are to be refused: the whole of the least urgent, as far as may be
    refused = trouble.refused(interactive=2000, batch=100, probe=100, shadow=100)
    assert refused["shadow"] == pytest.approx(0.8, abs=0.1)
    assert refused["probe"] == pytest.approx(0.8, abs=0.1)
    assert refused["batch"] == pytest.approx(0.8, abs=0.1)
    assert refused["interactive"] == pytest.approx((0.158 * 2300 - 240) / 2000, abs=0.03)


def test_callers_are_spared_while_others_are_enough() -> None:
    trouble = Trouble()
    trouble.seen(900, 100)  # 5.3 %
    refused = trouble.refused(interactive=1000, batch=1000)
    assert refused == {"interactive": 0.0, "batch": pytest.approx(0.105, abs=0.03)}


def test_those_who_were_never_refused_count_as_offered_too() -> None:
    trouble = Trouble()
    trouble.shedding.record_unasked(800)
    trouble.seen(100, 100, seconds=10.0)  # 5.2 % of 1100 calls
    refused = trouble.refused(batch=100)
    assert refused["batch"] == pytest.approx(0.57, abs=0.1)


def test_those_who_ask_no_more_spare_nobody() -> None:
    trouble = Trouble()
    for _ in range(4000):
        trouble.shedding.admits(BATCH)
    trouble.clock.pass_time(31.0)
    trouble.seen(500, 500)
    assert trouble.refused(interactive=4000) == {"interactive": pytest.approx(0.47, abs=0.03)}


def test_it_is_over_when_the_trouble_has_left_the_window() -> None:
    trouble = Trouble()
    trouble.seen(0, 100, seconds=5.0)
    assert trouble.shedding.active
    trouble.clock.pass_time(30.1)
    assert trouble.shedding.admits(SHADOW)
    assert not trouble.shedding.active


def test_good_answers_end_it_within_a_second() -> None:
    trouble = Trouble()
    trouble.seen(50, 50, seconds=5.0)
    assert trouble.shedding.active
    trouble.shedding.record_good(5000)
    trouble.clock.pass_time(1.0)
    assert trouble.shedding.admits(INTERACTIVE)
    assert not trouble.shedding.active


def test_failures_that_are_told_before_the_good_answers_around_them_refuse_nothing() -> None:
    trouble = Trouble()
    trouble.clock.pass_time(100.0)
    trouble.shedding.record_good(9)
    for _ in range(20):
        trouble.shedding.record_failed(TIMEOUT)
        trouble.clock.pass_time(0.004)
        assert not trouble.shedding.active
    trouble.shedding.record_unasked(980)
    trouble.clock.pass_time(1.0)
    trouble.shedding.record_failed(TIMEOUT)
    assert not trouble.shedding.active


def test_its_begin_and_its_end_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    trouble = Trouble()
    trouble.seen(0, 100)
    trouble.clock.pass_time(31.0)
    trouble.shedding.admits(INTERACTIVE)
    told = [(one.message, one.__dict__["source"]) for one in caplog.records]
    assert told == [("shedding_began", "fred_api"), ("shedding_ended", "fred_api")]
    assert (caplog.records[0].__dict__["code"], caplog.records[0].__dict__["share"]) == (TIMEOUT, 0.8)


def test_it_knows_what_the_trouble_is() -> None:
    trouble = Trouble()
    trouble.seen(0, 20)
    assert trouble.shedding.code == TIMEOUT
    assert repr(trouble.shedding) == "<Shedding fred_api: 80%>"
