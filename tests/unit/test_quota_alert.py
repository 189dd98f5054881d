"""People hear of a quota that will not last before it is used up: once, and of the end of that."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from tests.clock import WallClock

from autonomous_healing.agents.quota_alert import LOOK_SECONDS, QUOTA, QuotaAlert, telling_of
from autonomous_healing.alerts import Alert, AlertLevel, AlertManager, AlertSettings
from autonomous_healing.endpoint_healing.admission import Admission
from autonomous_healing.endpoint_healing.catalog import build_source, default_sources
from autonomous_healing.endpoint_healing.options import HealingSettings
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.quotas.options import QuotaWindowSettings
from autonomous_healing.endpoint_healing.quotas.readings import QuotaForecast

ALPHA = build_source("alpha_vantage", default_sources()["alpha_vantage"])
DAY = QuotaWindowSettings(window="day", limit=240, kind="fixed")
MINUTE = QuotaWindowSettings(window="minute", limit=5)


@pytest.mark.parametrize(
    ("eta", "resets_in", "alias", "said"),
    [
        (
            2.0,
            9.0,
            "alpha_vantage#1",
            "the quota of alpha_vantage#1 in a day will be used up about 2026-03-02 17:00 UTC,"
            " and begins anew at 2026-03-03 00:00 UTC",
        ),
        (2.0, None, "", "the quota in a day will be used up about 2026-03-02 17:00 UTC"),
        (0.0, 9.0, "", "nothing is left of the quota in a day, and begins anew at 2026-03-03 00:00 UTC"),
    ],
)
def test_says_of_which_key_and_when(eta: float, resets_in: float | None, alias: str, said: str) -> None:
    forecast = QuotaForecast(
        source="alpha_vantage",
        key_alias=alias,
        window="day",
        is_pace=False,
        eta=timedelta(hours=eta),
        resets_in=None if resets_in is None else timedelta(hours=resets_in),
    )
    telling = telling_of(ALPHA, [forecast], datetime(2026, 3, 2, 15, tzinfo=UTC))
    assert (telling.level, telling.title) == (AlertLevel.WARNING, "Alpha Vantage - Quota running out")
    assert telling.message == said


class House:
    """A ledger with the real alerts."""

    def __init__(self, *windows: QuotaWindowSettings) -> None:
        self.clock = WallClock("2026-03-02T00:00")
        self.admission = Admission({}, {"alpha_vantage": windows}, HealingSettings(), self.clock)
        self.ledger = self.admission.limits(ALPHA).ledger
        numbers = itertools.count(1)
        self.alerts = AlertManager(
            clock=self.clock, settings=AlertSettings(), new_number=lambda: next(numbers), channels=()
        )
        self.watch = QuotaAlert(self.alerts, self.admission, [ALPHA], self.clock)

    def live(self, hours: float, calls_an_hour: int) -> list[Alert]:
        """What is open after so many hours of asking and looking."""
        step = LOOK_SECONDS * 12
        for n in range(int(hours * 3600 / step)):
            if calls_an_hour and n * step % (3600 / calls_an_hour) < step:
                self.ledger.charge("alpha_vantage#1", 1, Purpose.RETRY)
            self.clock.pass_time(step)
            self.watch.look()
            self.alerts.sweep()
        return list(self.alerts.open())


def test_an_alert_rises_with_a_forecast_is_told_once_and_ends_with_it() -> None:
    house = House(DAY)
    assert house.live(6, 6) == []
    [warning] = house.live(4, 20)
    assert (warning.source, warning.endpoint, warning.level) == ("alpha_vantage", QUOTA, AlertLevel.WARNING)
    assert warning.code == "FORECAST.QUOTA_EXHAUSTION"
    [still] = house.live(1, 20)
    assert still.id == warning.id
    assert house.live(6, 0) == []  # nobody asks any more


def test_a_pace_is_nobodys_concern() -> None:
    house = House(MINUTE)
    for _ in range(4):
        house.ledger.charge("alpha_vantage#1")
    assert house.ledger.forecasts() != []
    house.watch.look()
    assert house.alerts.open() == ()


def test_an_alert_of_before_a_restart_ends_as_well() -> None:
    house = House(DAY)
    [alert] = house.live(10, 20)
    other = House(DAY)
    other.alerts.restore([alert])
    assert other.live(0.5, 0) == []
