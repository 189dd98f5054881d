"""A network that is down is one alert, which ends with the first answer of anybody."""

import itertools
from collections.abc import Sequence

from tests.clock import ManualClock
from tests.world import TRUTH, World, no_answer

from autonomous_healing.agents import AlertingAgent
from autonomous_healing.agents.network_alert import NetworkAlert
from autonomous_healing.alerts import Alert, AlertLevel, AlertManager, AlertSettings

PREV = "/api/polygon/prev?ticker=AAPL"
SERIES = "/api/fred/series?series_id=DGS10"
LATEST = "/api/exchange-rate/latest/USD"


class Desk:
    """A world whose users ask, and those who tell people of what comes of it."""

    def __init__(self, alerts: Sequence[Alert] = ()) -> None:
        self.world = World(healing={"in_request_retries": 0}, clock=ManualClock())
        world, clock = self.world, self.world.clock
        numbers = itertools.count(1)
        self.alerts = AlertManager(
            clock=clock, settings=AlertSettings(), new_number=lambda: next(numbers), channels=()
        )
        self.alerts.restore(alerts)
        follower = world.journal.follow("alerting")
        self.agent = AlertingAgent(follower, self.alerts, world.admission, world.endpoints, clock)
        self.watch = NetworkAlert(self.alerts, world.admission.circuits, clock)

    async def ask(self, *paths: str) -> None:
        for path in paths:
            known = len(self.world.reports)
            await self.world.get(path)
            for report in self.world.reports[known:]:
                await self.agent.handle(report)

    async def lose_the_network(self) -> None:
        self.world.upstream.says("https", no_answer())
        await self.ask(PREV, SERIES)

    def look(self, seconds: float) -> None:
        """As it is looked at, for so long."""
        for _ in range(int(seconds * 2)):
            self.watch.look()
            self.alerts.sweep()
            self.world.clock.pass_time(0.5)

    def open(self) -> list[str]:
        return [alert.source for alert in self.alerts.open()]


async def test_one_alert_is_opened_and_none_of_the_sources_that_are_not_reached() -> None:
    desk = Desk()
    desk.world.upstream.says("https", no_answer())
    await desk.ask(PREV)
    assert desk.open() == ["polygon_io"]  # as long as it may be its own fault
    await desk.ask(SERIES)
    for _ in range(3):
        desk.look(10.0)
        await desk.ask(PREV, SERIES, LATEST)
    assert sorted(desk.open()) == ["network", "polygon_io"]
    [alert] = [one for one in desk.alerts.open() if one.source == "network"]
    assert (alert.level, alert.code, alert.title) == (
        AlertLevel.CRITICAL,
        "SYS.NETWORK_DOWN",
        "Network - Failed",
    )
    assert "fred_api, polygon_io" in alert.message
    assert alert.recommended_actions == ("Check local network and DNS",)


async def test_it_lasts_as_long_as_the_network_is_down() -> None:
    desk = Desk()
    await desk.lose_the_network()
    desk.look(900.0)
    assert "network" in desk.open()
    [alert] = [one for one in desk.alerts.open() if one.source == "network"]
    assert alert.occurrences == 30


async def test_it_ends_when_anybody_answers_again() -> None:
    desk = Desk()
    await desk.lose_the_network()
    desk.look(60.0)
    desk.world.upstream.says("https", TRUTH)
    await desk.ask(LATEST)
    desk.look(10.0)
    assert "network" not in desk.open()


async def test_the_next_time_it_is_another_alert() -> None:
    desk = Desk()
    for _ in range(2):
        await desk.lose_the_network()
        desk.look(5.0)
        assert "network" in desk.open()
        desk.world.upstream.says("https", TRUTH)
        await desk.ask(LATEST)
        desk.look(10.0)
        assert "network" not in desk.open()
    assert [one.source for one in desk.alerts.recent()].count("network") == 2


async def test_an_alert_of_before_a_restart_ends_with_an_answer_and_not_before() -> None:
    before = Desk()
    await before.lose_the_network()
    before.look(5.0)
    after = Desk([one for one in before.alerts.open() if one.source == "network"])
    after.look(60.0)
    assert after.open() == ["network"]
    await after.ask(LATEST)
    after.look(10.0)
    assert after.open() == []
