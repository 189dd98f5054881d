"""Who hears of which trouble, and how often."""

import logging
from dataclasses import replace
from itertools import count

import pytest
from tests.clock import ManualClock
from tests.troubles import LIGHT, MASKED, NOT_HEALED, alert_of

from autonomous_healing.alerts import Alert, AlertLevel, AlertManager, AlertSettings, Felt, TroubleSeen
from autonomous_healing.alerts.policy import Reason

CRITICAL = replace(NOT_HEALED, felt=Felt(error=0.6))


class Ears:
    """A channel that remembers what it was told."""

    name = "ears"

    def __init__(self) -> None:
        self.fired: list[Alert] = []
        self.ended: list[Alert] = []

    def firing(self, alert: Alert) -> None:
        self.fired.append(alert)

    def resolved(self, alert: Alert) -> None:
        self.ended.append(alert)


class World:
    def __init__(self, settings: AlertSettings | None = None) -> None:
        self.clock = ManualClock()
        self.ears, self.other_ears = Ears(), Ears()
        self.manager = AlertManager(
            clock=self.clock,
            settings=settings or AlertSettings(),
            new_number=count(1).__next__,
            channels=[self.ears, self.other_ears],
        )

    def see(self, trouble: TroubleSeen) -> Reason:
        return self.manager.see(replace(trouble, at=self.clock.now()))


def test_opens_an_alert_and_tells_every_channel_once() -> None:
    world = World()

    reasons = [world.see(NOT_HEALED) for _ in range(3)]

    assert reasons == [Reason.FIRST, Reason.KNOWN, Reason.KNOWN]
    assert len(world.ears.fired) == len(world.other_ears.fired) == 1
    [alert] = world.manager.open()
    assert alert.occurrences == 3
    assert alert.id == f"alert_1_{int(world.clock.now().timestamp())}"
    assert alert.title == "Yahoo Finance - Degraded"


def test_a_light_trouble_is_logged_and_counted_but_opens_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "autonomous_healing.alerts")
    world = World()

    assert world.see(LIGHT) is Reason.INFO

    assert (world.manager.open(), world.manager.changed(), world.ears.fired) == ((), (), [])
    assert world.manager.counts()[AlertLevel.INFO] == 1
    [record] = caplog.records
    assert record.getMessage() == "alert_muted"
    assert vars(record)["reason"] == "info"


def test_tells_again_only_when_it_gets_worse() -> None:
    world = World()

    for trouble in (MASKED, NOT_HEALED, MASKED, CRITICAL, NOT_HEALED, CRITICAL):
        world.see(trouble)

    levels = [alert.level for alert in world.ears.fired]
    assert levels == [AlertLevel.WARNING, AlertLevel.ERROR, AlertLevel.CRITICAL]
    assert len({alert.id for alert in world.ears.fired}) == 1
    assert world.manager.counts()[AlertLevel.ERROR] == 2


def test_a_lighter_trouble_brings_new_readings_but_does_not_take_back_what_failed() -> None:
    world = World()
    world.see(NOT_HEALED)

    world.see(replace(LIGHT, error_rate=0.02))

    [alert] = world.manager.open()
    assert (alert.level, alert.healing_successful) == (AlertLevel.ERROR, False)
    assert alert.message.startswith("Error persisting")
    assert (alert.error_rate, alert.health_status, alert.felt) == (0.02, "healthy", LIGHT.felt)
    assert alert.title == "Yahoo Finance - Healthy"


@pytest.mark.parametrize(
    "other",
    [
        replace(NOT_HEALED, code="API.TIMEOUT", cluster="API.TIMEOUT:yahoo_finance"),
        replace(NOT_HEALED, source="fred", source_name="FRED"),
        replace(NOT_HEALED, endpoint="/quote"),
    ],
)
def test_another_code_source_or_endpoint_is_another_alert(other: TroubleSeen) -> None:
    world = World()

    assert [world.see(NOT_HEALED), world.see(other)] == [Reason.FIRST, Reason.FIRST]


def test_a_fault_that_spreads_over_half_of_the_source_is_told_once_for_all_of_it() -> None:
    world = World()
    world.see(NOT_HEALED)
    both = ("/chart", "/quote")

    spread = [
        world.see(replace(NOT_HEALED, endpoint="/quote", affected_endpoints=both)),
        world.see(replace(NOT_HEALED, endpoint="/chart", affected_endpoints=both)),
        world.see(replace(NOT_HEALED, endpoint="/search")),
    ]

    assert spread == [Reason.FIRST, Reason.KNOWN, Reason.KNOWN]
    wide = next(alert for alert in world.manager.open() if alert.endpoint == "*")
    assert wide.fingerprint == "API.SERVER_ERROR|yahoo_finance|*"
    assert wide.affected_endpoints == ("/chart", "/quote", "/search")


def test_beyond_the_most_that_may_be_open_new_ones_are_grouped_by_source() -> None:
    world = World(AlertSettings(max_open=2))
    for endpoint in ("/one", "/two"):
        world.see(replace(NOT_HEALED, endpoint=endpoint))

    reasons = [world.see(replace(NOT_HEALED, endpoint=f"/more{n}")) for n in range(50)]
    known = world.see(replace(NOT_HEALED, endpoint="/one"))
    world.see(replace(NOT_HEALED, source="fred", endpoint="/series"))

    assert reasons == [Reason.FIRST] + [Reason.KNOWN] * 49
    assert known is Reason.KNOWN
    groups = [alert for alert in world.manager.open() if alert.code == "*"]
    assert [(alert.fingerprint, alert.occurrences) for alert in groups] == [
        ("*|yahoo_finance|*", 50),
        ("*|fred|*", 1),
    ]
    assert len(world.manager.open()) == 4


def test_shows_the_gravest_first_and_the_newest_first() -> None:
    world = World()
    for endpoint, trouble in (("/a", MASKED), ("/b", CRITICAL), ("/c", CRITICAL)):
        world.see(replace(trouble, endpoint=endpoint))
        world.clock.pass_time(1)

    assert [alert.endpoint for alert in world.manager.open()] == ["/b", "/c", "/a"]
    assert [alert.endpoint for alert in world.manager.recent()] == ["/c", "/b", "/a"]


def test_what_changed_stays_changed_until_that_version_is_saved() -> None:
    world = World()
    world.see(NOT_HEALED)
    first = world.manager.changed()

    world.see(NOT_HEALED)
    world.manager.mark_saved(first)
    [second] = world.manager.changed()
    world.manager.mark_saved([second])

    assert (first[0].occurrences, second.occurrences) == (1, 2)
    assert world.manager.changed() == ()


def test_what_waits_for_the_store_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    world = World(AlertSettings(max_open=1, auto_resolve=0.0, resolve_timeout=1.0))
    for _ in range(5):
        world.see(NOT_HEALED)
        world.clock.pass_time(1)
        world.manager.sweep()
    world.see(NOT_HEALED)

    assert [alert.id.split("_")[1] for alert in world.manager.changed()] == ["5", "6"]
    assert [record.message for record in caplog.records].count("alert_left_unsaved") == 4


def test_an_alert_known_before_a_restart_is_not_told_again_unless_it_gets_worse() -> None:
    world = World()
    world.manager.restore([alert_of(occurrences=7)])

    reasons = [world.see(NOT_HEALED), world.see(CRITICAL)]

    assert reasons == [Reason.KNOWN, Reason.WORSE]
    assert [alert.occurrences for alert in world.ears.fired] == [9]
    assert [alert.id for alert in world.manager.open()] == [alert_of().id]


def test_restoring_changes_nothing_in_the_store_and_takes_up_nothing_that_is_over() -> None:
    world = World()
    over = alert_of(replace(NOT_HEALED, endpoint="/quote"), alert_id="alert_2_1").resolved(NOT_HEALED.at)

    world.manager.restore([alert_of(), over])

    assert world.manager.open() == (alert_of(),)
    assert (world.manager.changed(), world.ears.fired, world.ears.ended) == ((), [], [])


def test_of_two_restored_for_one_trouble_the_one_that_is_here_goes_on() -> None:
    world = World()
    world.see(NOT_HEALED)
    [here] = world.manager.open()

    world.manager.restore([alert_of(alert_id="alert_9_1")])

    assert world.manager.open() == (here,)
    assert [alert.id for alert in world.ears.ended] == ["alert_9_1"]
    assert {alert.id: alert.state.value for alert in world.manager.changed()} == {
        here.id: "firing",
        "alert_9_1": "resolved",
    }


def test_restoring_twice_changes_nothing() -> None:
    world = World()
    world.manager.restore([alert_of()])
    world.see(NOT_HEALED)
    open_before = world.manager.open()

    world.manager.restore([alert_of()])

    assert world.manager.open() == open_before
    assert world.ears.ended == []
