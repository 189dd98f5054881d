"""People hear of keys that only they can put right: once, with what to do, and of the end."""

import itertools
from dataclasses import replace

import pytest
from tests.clock import ManualClock

from autonomous_healing.agents.key_alert import KEYS, KeyAlert, KeysSeen, telling_of
from autonomous_healing.alerts import Alert, AlertLevel, AlertManager, AlertSettings
from autonomous_healing.database import Database, DatabaseSettings
from autonomous_healing.endpoint_healing.catalog import build_source, default_sources
from autonomous_healing.endpoint_healing.codes import AUTH_REJECTED, QUOTA_EXHAUSTED, RATE_LIMITED
from autonomous_healing.endpoint_healing.encryption import Cipher
from autonomous_healing.endpoint_healing.key_keeping import KeyKeeper
from autonomous_healing.endpoint_healing.key_options import KeySettings
from autonomous_healing.endpoint_healing.key_store import KeyStore
from autonomous_healing.endpoint_healing.keys import KeyReading, KeyRing, KeyState
from autonomous_healing.endpoint_healing.redaction import Redactions

FRED = build_source("fred_api", default_sources()["fred_api"])
FIRST, SECOND, STORED = "fred_api#1", "fred_api#2", "fred_api#s1"
VARIABLES = ("FRED_API_KEY", "FRED_API_KEY_2")


def reading(alias: str, state: KeyState = KeyState.OK, last_error: str = "") -> KeyReading:
    return KeyReading(
        source="fred_api",
        alias=alias,
        state=state,
        seconds_left=None,
        last_error=last_error,
        share=1.0,
        excluded=(),
    )


REJECTED = reading(FIRST, KeyState.INVALID, AUTH_REJECTED)
SEEN = KeysSeen(source=FRED, keys=(REJECTED, reading(SECOND)), variables=VARIABLES)


@pytest.mark.parametrize(
    ("keys", "locked", "level"),
    [
        ((), (), None),  # nobody has set any: the banner says so
        ((reading(FIRST),), (), None),
        ((reading(FIRST, KeyState.LIMITED), reading(SECOND, KeyState.DRAINED)), (), None),  # they return
        ((REJECTED, reading(SECOND)), (), AlertLevel.WARNING),
        ((REJECTED, reading(SECOND, KeyState.LIMITED)), (), AlertLevel.WARNING),
        ((reading(FIRST, KeyState.QUARANTINED), reading(SECOND)), (), AlertLevel.WARNING),
        ((reading(FIRST),), (STORED,), AlertLevel.WARNING),
        ((REJECTED,), (), AlertLevel.CRITICAL),
        ((REJECTED, reading(SECOND, KeyState.QUARANTINED)), (), AlertLevel.CRITICAL),
        ((), (STORED,), AlertLevel.CRITICAL),
    ],
)
def test_one_unfit_key_is_a_warning_and_none_left_is_critical(
    keys: tuple[KeyReading, ...], locked: tuple[str, ...], level: AlertLevel | None
) -> None:
    telling = telling_of(replace(SEEN, keys=keys, locked=locked))
    assert (telling.level if telling else None) == level


def test_says_which_key_and_what_to_do_about_one_of_the_environment() -> None:
    telling = telling_of(SEEN)
    assert telling is not None
    assert telling.title == "FRED - Key unusable"
    assert telling.message == "fred_api#1 was rejected (API.AUTH_REJECTED). 1 of 2 keys left."
    assert telling.actions == (
        "Check at FRED whether the key is valid",
        "Replace it: set FRED_API_KEY or FRED_API_KEY_2 and start again",
        "Or store another: autonomous-healing key add fred_api",
    )


def test_says_what_to_do_about_stored_keys_and_those_in_quarantine() -> None:
    stored = reading(STORED, KeyState.INVALID, AUTH_REJECTED)
    out = reading(SECOND, KeyState.QUARANTINED, "leaked")
    telling = telling_of(replace(SEEN, keys=(stored, out)))
    assert telling is not None
    assert telling.title == "FRED - No key left"
    assert telling.message == (
        "fred_api#s1 was rejected (API.AUTH_REJECTED); fred_api#2 is in quarantine (leaked). "
        "0 of 2 keys left."
    )
    assert "Replace it: autonomous-healing key rotate fred_api fred_api#s1" in telling.actions
    assert (
        "Put it back when the cause is gone: autonomous-healing key release fred_api fred_api#2"
        in telling.actions
    )


def test_says_what_stored_keys_need_to_be_read() -> None:
    telling = telling_of(replace(SEEN, keys=(), locked=(STORED,), problem="ENCRYPTION_KEY is not set"))
    assert telling is not None
    assert telling.message == "fred_api#s1 cannot be read: ENCRYPTION_KEY is not set. 0 of 1 keys left."
    assert telling.actions == ("Set ENCRYPTION_KEY to the key by which they were stored, and start again",)


class House:
    """A ring of two keys with the real keeper and the real alerts."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.ring = KeyRing(FRED, ("canary-one", "canary-two"), self.clock, KeySettings())
        database = Database(DatabaseSettings(mode="external", dsn="postgresql://nowhere"), self.clock)
        self.keeper = KeyKeeper(
            {"fred_api": self.ring}, KeyStore(database), Cipher(""), Redactions({}), self.clock
        )
        numbers = itertools.count(1)
        self.alerts = AlertManager(
            clock=self.clock, settings=AlertSettings(), new_number=lambda: next(numbers), channels=()
        )
        self.watch = KeyAlert(self.alerts, self.keeper, default_sources(), self.clock)

    def look(self, seconds: float = 0.0) -> list[Alert]:
        """What is open after so many seconds of looking."""
        self.watch.look()
        for _ in range(int(seconds)):
            self.clock.pass_time(1.0)
            self.watch.look()
            self.alerts.sweep()
        return list(self.alerts.open())


def test_an_alert_rises_when_the_last_key_goes_and_ends_when_all_are_well() -> None:
    house = House()
    assert house.look(10) == []
    house.ring.reject(FIRST, AUTH_REJECTED, "/series", None)
    [warning] = house.look(10)
    assert (warning.level, warning.endpoint, warning.source) == (AlertLevel.WARNING, KEYS, "fred_api")
    house.ring.reject(SECOND, AUTH_REJECTED, "/series", None)
    [critical] = house.look(10)
    assert (critical.id, critical.level) == (warning.id, AlertLevel.CRITICAL)
    assert critical.title == "FRED - No key left"
    assert "canary" not in repr(critical)
    house.ring.rotate(FIRST, "new")
    house.ring.rotate(SECOND, "new too")
    assert house.look(10) == []


def test_it_is_open_as_long_as_it_lasts_and_told_once() -> None:
    house = House()
    house.ring.quarantine(FIRST, "leaked")
    [first] = house.look()
    [last] = house.look(3600)
    assert (last.id, last.occurrences) == (first.id, 37)
    house.ring.release(FIRST)
    assert house.look(10) == []


def test_limits_alone_call_nobody() -> None:
    house = House()
    house.ring.reject(FIRST, RATE_LIMITED, "/series", 600.0)
    house.ring.reject(SECOND, QUOTA_EXHAUSTED, "/series", 600.0)
    assert house.look(10) == []


def test_an_alert_of_before_a_restart_ends_here_too() -> None:
    before, house = House(), House()
    before.ring.reject(FIRST, AUTH_REJECTED, "/series", None)
    house.alerts.restore(before.look(5))
    assert house.look(10) == []


def test_stored_keys_that_cannot_be_read_are_told_too() -> None:
    house = House()
    house.keeper.locked = {"fred_api": (STORED,)}
    [alert] = house.look()
    assert (alert.level, alert.message) == (
        AlertLevel.WARNING,
        "fred_api#s1 cannot be read: ENCRYPTION_KEY is not set. 2 of 3 keys left.",
    )
