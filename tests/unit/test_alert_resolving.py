"""When an alert is over, and when it is not."""

from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from tests.clock import ManualClock
from tests.troubles import LIGHT, NOON, NOT_HEALED, alert_of

from autonomous_healing.alerts import Alert, AlertManager, AlertSettings, TroubleSeen, Truthful
from autonomous_healing.alerts.manager import SWEEP_SECONDS
from autonomous_healing.alerts.policy import Reason
from autonomous_healing.alerts.recovery import Recovery

WIDE = replace(NOT_HEALED, affected_endpoints=("/chart", "/quote"))


class Ears:
    name = "ears"

    def __init__(self) -> None:
        self.fired: list[str] = []
        self.ended: list[str] = []

    def firing(self, alert: Alert) -> None:
        self.fired.append(alert.id)

    def resolved(self, alert: Alert) -> None:
        self.ended.append(alert.id)


class World:
    """A second passes after everything that happens."""

    def __init__(self, settings: AlertSettings | None = None) -> None:
        self.clock = ManualClock()
        self.ears = Ears()
        self.manager = AlertManager(
            clock=self.clock,
            settings=settings or AlertSettings(),
            new_number=count(1).__next__,
            channels=[self.ears],
        )

    def see(self, trouble: TroubleSeen = NOT_HEALED) -> Reason:
        reason = self.manager.see(replace(trouble, at=self.clock.now()))
        self.clock.pass_time(1)
        return reason

    def truthful(self, endpoint: str = "/chart", source: str = "yahoo_finance", late: float = 0.0) -> None:
        at = self.clock.now() - timedelta(seconds=late)
        self.manager.truthful(Truthful(source=source, endpoint=endpoint, at=at))
        self.clock.pass_time(1)

    def is_over_in(self, seconds: float) -> bool:
        self.clock.pass_time(seconds)
        self.manager.sweep()
        return not self.manager.open()


def test_two_truthful_answers_in_a_row_end_it_within_five_seconds_and_not_at_once() -> None:
    world = World()
    world.see()
    world.truthful()
    world.truthful()

    assert not world.is_over_in(3.0)
    assert world.is_over_in(0.9)
    [alert] = world.manager.recent()
    assert alert.resolved_at == world.clock.now()
    assert world.ears.ended == [alert.id]


def test_sweeping_as_often_as_is_asked_for_ends_it_in_time() -> None:
    world = World()
    world.see()
    world.truthful()
    proven = world.clock.monotonic()
    world.truthful()

    while not world.is_over_in(SWEEP_SECONDS):
        assert world.clock.monotonic() - proven < 100

    assert 4.0 < world.clock.monotonic() - proven <= 5.0


def test_one_truthful_answer_does_not_end_it() -> None:
    world = World()
    world.see()
    world.truthful()

    assert not world.is_over_in(200)


@pytest.mark.parametrize("endpoint_and_source", [("/quote", "yahoo_finance"), ("/chart", "fred")])
def test_truthful_answers_elsewhere_do_not_end_it(endpoint_and_source: tuple[str, str]) -> None:
    world = World()
    world.see()
    world.truthful(*endpoint_and_source)
    world.truthful(*endpoint_and_source)

    assert not world.is_over_in(200)


@pytest.mark.parametrize("failure", [NOT_HEALED, LIGHT, replace(NOT_HEALED, code="API.TIMEOUT")])
def test_any_failure_in_between_breaks_the_row(failure: TroubleSeen) -> None:
    world = World()
    world.see()
    world.truthful()
    world.see(failure)
    world.truthful()

    assert not world.is_over_in(200)


def test_a_failure_before_the_five_seconds_are_over_keeps_it_open() -> None:
    world = World()
    world.see()
    world.truthful()
    world.truthful()
    world.see()

    assert not world.is_over_in(200)
    assert len(world.ears.fired) == 1


def test_answers_from_before_the_failure_do_not_count_however_late_they_are_told() -> None:
    world = World()
    world.see()
    world.truthful(late=1.0)
    world.truthful(late=60.0)

    assert not world.is_over_in(200)


def test_a_failure_told_late_takes_only_the_answers_from_before_it_out_of_the_row() -> None:
    world = World()
    world.see()
    world.truthful()
    between = world.clock.now()
    world.clock.pass_time(1)
    world.truthful()
    world.manager.see(replace(NOT_HEALED, at=between))

    assert not world.is_over_in(200)
    world.truthful()
    assert world.is_over_in(5)


def test_a_failure_told_late_does_not_let_answers_count_from_before_the_last_one() -> None:
    world = World()
    long_ago = world.clock.now()
    world.clock.pass_time(10)
    world.see()
    world.manager.see(replace(NOT_HEALED, at=long_ago))
    world.truthful(late=5)
    world.truthful(late=5)

    assert not world.is_over_in(200)


def test_one_exchange_told_twice_is_one_answer() -> None:
    world = World()
    world.see()
    answer = Truthful(source="yahoo_finance", endpoint="/chart", at=world.clock.now())
    world.manager.truthful(answer)
    world.manager.truthful(answer)

    assert not world.is_over_in(200)


def test_an_alert_of_a_whole_source_ends_when_each_of_its_endpoints_is_well() -> None:
    world = World()
    world.see(WIDE)
    for _ in range(2):
        world.truthful("/chart")
    assert not world.is_over_in(100)

    for _ in range(2):
        world.truthful("/quote")
    assert world.is_over_in(4)


def test_an_endpoint_that_joins_later_has_to_recover_too() -> None:
    world = World()
    world.see(WIDE)
    for endpoint in ("/chart", "/chart", "/quote", "/quote"):
        world.truthful(endpoint)
    world.see(replace(NOT_HEALED, endpoint="/search"))

    assert not world.is_over_in(100)
    world.truthful("/search")
    world.truthful("/search")
    assert world.is_over_in(4)


def test_what_was_well_is_not_once_another_place_has_to_recover_too() -> None:
    recovery = Recovery(["/chart"], now=0.0)
    for second in range(2):
        recovery.answered("/chart", NOON + timedelta(seconds=second), now=1.0)
    assert recovery.well_for(3.0) == 2.0

    recovery.include(["/quote"])

    assert recovery.well_for(3.0) is None


def test_an_alert_of_one_endpoint_does_not_wait_for_others_that_share_its_fault() -> None:
    world = World()
    world.see(replace(WIDE, source_endpoints=5))
    world.truthful("/chart")
    world.truthful("/chart")

    assert world.is_over_in(4)


def test_a_group_stays_while_more_come_and_ends_after_them() -> None:
    world = World(AlertSettings(max_open=2))
    for endpoint in ("/chart", "/chain", "/quote"):
        world.see(replace(NOT_HEALED, endpoint=endpoint))
    world.clock.pass_time(250)
    for endpoint in ("/search", "/quote"):
        world.see(replace(NOT_HEALED, endpoint=endpoint))
    world.clock.pass_time(100)

    assert [alert.endpoint for alert in world.manager.sweep()] == ["/chart", "/chain"]
    assert world.see(replace(NOT_HEALED, endpoint="/more")) is Reason.KNOWN
    assert world.is_over_in(300)


def test_it_ends_when_its_fault_was_absent_for_long() -> None:
    world = World()
    world.see()

    assert not world.is_over_in(298.5)
    assert world.is_over_in(0.5)
    assert len(world.ears.ended) == 1


def test_its_fault_is_not_absent_while_it_still_comes_however_light() -> None:
    world = World()
    world.see()
    world.clock.pass_time(250)
    world.see(LIGHT)

    assert not world.is_over_in(298.5)


def test_a_narrow_alert_stays_while_its_fault_is_counted_with_the_whole_source() -> None:
    world = World()
    world.see()
    world.see(WIDE)
    world.clock.pass_time(250)
    world.see(NOT_HEALED)
    world.clock.pass_time(100)
    world.manager.sweep()

    assert sorted(alert.endpoint for alert in world.manager.open()) == ["*", "/chart"]


def test_a_failure_of_another_kind_does_not_keep_a_fault_present() -> None:
    world = World()
    world.see()
    world.clock.pass_time(250)
    world.see(replace(NOT_HEALED, code="API.TIMEOUT"))
    world.clock.pass_time(100)

    assert [alert.code for alert in world.manager.sweep()] == ["API.SERVER_ERROR"]
    assert [alert.code for alert in world.manager.open()] == ["API.TIMEOUT"]


def test_its_end_is_told_once() -> None:
    world = World()
    world.see()

    assert len([*(world.is_over_in(400) for _ in range(3))]) == 3
    assert len(world.ears.ended) == 1


def test_the_same_trouble_after_the_end_is_a_new_alert() -> None:
    world = World()
    world.see()
    assert world.is_over_in(300)

    assert world.see() is Reason.FIRST
    assert len(set(world.ears.fired)) == 2


def test_what_is_not_to_end_by_itself_does_not() -> None:
    world = World()
    world.manager.restore([alert_of(auto_resolve=False)])

    assert not world.is_over_in(10_000)


@pytest.mark.parametrize("trouble", [NOT_HEALED, WIDE])
def test_an_alert_known_before_a_restart_ends_like_any_other(trouble: TroubleSeen) -> None:
    world = World()
    world.manager.restore([alert_of(trouble)])
    for endpoint in sorted(trouble.affected):
        assert not world.is_over_in(100)
        world.truthful(endpoint)
        world.truthful(endpoint)

    assert world.is_over_in(4)
    assert world.ears.ended == [alert_of(trouble).id]
