"""What alerts are told of failures and of truthful answers, and nothing else."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
from tests.clock import ManualClock
from tests.world import TRUTH, World, no_answer, said, timed_out

from autonomous_healing.agents import AgentState, AgentStatus, AlertingAgent, RecoveryWatch
from autonomous_healing.agents.alerting import dead_agent
from autonomous_healing.alerts import AlertLevel, AlertManager, AlertSettings, TroubleSeen, Truthful
from autonomous_healing.alerts.policy import Reason
from autonomous_healing.endpoint_healing.diagnosis import diagnose

LATEST = "/api/exchange-rate/latest/USD"
PAIR = "/api/exchange-rate/pair/USD/EUR"
ANOTHER = "/api/exchange-rate/latest/GBP"
FRED = "/api/fred/series?series_id=DGS10"


class Listener(AlertManager):
    """The real manager, which also notes what it was told."""

    def __init__(self, clock: ManualClock) -> None:
        numbers = itertools.count(1)
        super().__init__(clock=clock, settings=AlertSettings(), new_number=lambda: next(numbers), channels=())
        self.troubles: list[TroubleSeen] = []
        self.answers: list[Truthful] = []

    def see(self, trouble: TroubleSeen) -> Reason:
        self.troubles.append(trouble)
        return super().see(trouble)

    def truthful(self, answer: Truthful) -> None:
        self.answers.append(answer)
        super().truthful(answer)


class Desk:
    """A world whose users ask, with the agents that tell the alerts of it."""

    def __init__(self, **settings: Any) -> None:
        calm = {"breaker": {"consecutive": 100, "min_calls": 100}, "in_request_retries": 0}
        self.world = World(healing={**calm, **settings})
        self.clock = self.world.clock
        self.alerts = Listener(self.clock)
        parts = (self.alerts, self.world.admission, self.world.endpoints, self.clock)
        self.agent = AlertingAgent(self.world.journal.follow("alerting"), *parts)
        self.watch = RecoveryWatch(*parts)

    async def ask(self, *paths: str, **headers: str) -> None:
        """The users' questions, each of which is told at once."""
        for path in paths:
            known = len(self.world.reports)
            await self.world.get(path, **headers)
            for report in self.world.reports[known:]:
                await self.agent.handle(report)

    def breaks(self, part: str = "exchangerate") -> None:
        self.world.upstream.says(part, said(503))

    def mends(self, part: str = "exchangerate") -> None:
        self.world.upstream.says(part, TRUTH)


async def test_one_failure_is_one_trouble_with_all_its_facts() -> None:
    desk = Desk()
    desk.breaks()
    await desk.ask(PAIR)

    [trouble] = desk.alerts.troubles
    assert (trouble.source, trouble.source_name, trouble.endpoint) == (
        "exchange_rate_api",
        "Exchange Rate API",
        "/pair",
    )
    assert (trouble.code, trouble.cluster) == ("API.SERVER_ERROR", "API.SERVER_ERROR:exchange_rate_api")
    assert (trouble.healed, trouble.strategy, trouble.origin) == (False, None, "live")
    assert (trouble.health_status, trouble.error_rate) == ("degraded", 1.0)
    assert trouble.source_endpoints == 2
    assert "503" in trouble.message


async def test_a_quick_error_is_told_whoever_is_in_a_hurry() -> None:
    desk = Desk()
    desk.breaks()
    await desk.ask(LATEST, healing_deadline="3")
    assert len(desk.alerts.troubles) == 1


async def test_nobody_is_alarmed_by_a_caller_in_a_hurry() -> None:
    desk = Desk()
    desk.world.upstream.says("exchangerate", timed_out())
    await desk.ask(LATEST, healing_deadline="3")
    assert desk.alerts.troubles == []
    await desk.ask(LATEST)
    assert len(desk.alerts.troubles) == 1


async def test_a_healed_failure_is_told_with_what_cured_it() -> None:
    desk = Desk()
    await desk.ask(LATEST)
    desk.breaks()
    await desk.ask(LATEST)

    [trouble] = desk.alerts.troubles
    assert (trouble.healed, trouble.strategy, trouble.tried) == (
        True,
        "use_cached_data",
        ("use_cached_data",),
    )


async def test_who_forbade_healing_gets_no_attempt_told() -> None:
    desk = Desk()
    desk.breaks()
    await desk.ask(PAIR, healing_allow="none")
    [trouble] = desk.alerts.troubles
    assert (trouble.attempted, trouble.healed) == (False, False)


async def test_good_answers_are_no_trouble() -> None:
    desk = Desk()
    await desk.ask(LATEST, PAIR)
    assert desk.alerts.troubles == []


async def test_what_users_felt_is_told_in_shares_of_their_requests() -> None:
    desk = Desk()
    await desk.ask(LATEST, LATEST)
    desk.breaks()
    await desk.ask(LATEST)
    await desk.ask(ANOTHER)
    await desk.ask(ANOTHER)

    felt = desk.alerts.troubles[-1].felt
    # Two fresh answers and one copy, then two requests without an answer.
    assert felt.exact == pytest.approx(3 / 5)
    assert felt.error == pytest.approx(2 / 5)
    assert (felt.stale, felt.reduced, felt.substitute) == (0.0, 0.0, 0.0)


async def test_without_users_the_share_of_failed_probes_is_what_is_felt() -> None:
    desk = Desk()
    desk.breaks()
    failed = await desk.world.failed(desk.world.call("exchange_rate_api/pair", "exact", "probe"))
    await desk.agent.handle(await desk.world.healer.heal(failed, diagnose(failed.failure)))
    [trouble] = desk.alerts.troubles
    assert (trouble.felt.error, trouble.felt.exact, trouble.origin) == (1.0, None, "probe")


async def test_a_fault_that_another_endpoint_has_too_is_told_as_shared() -> None:
    desk = Desk()
    desk.breaks()
    await desk.ask(PAIR, ANOTHER)

    first, second = desk.alerts.troubles
    assert (first.affected_endpoints, second.affected_endpoints) == ((), ("/pair",))
    assert {alert.endpoint for alert in desk.alerts.open()} >= {"*"}


async def test_a_truthful_answer_is_told_where_an_alert_is_open() -> None:
    desk = Desk()
    await desk.ask(FRED)
    desk.breaks()
    await desk.ask(PAIR)
    desk.watch.look()
    assert desk.alerts.answers == []

    desk.mends()
    await desk.ask(PAIR, FRED)
    desk.watch.look()
    desk.watch.look()

    assert [(one.source, one.endpoint) for one in desk.alerts.answers] == [("exchange_rate_api", "/pair")]


async def test_a_copy_is_no_truthful_answer() -> None:
    desk = Desk()
    await desk.ask(LATEST)
    desk.watch.look()
    desk.breaks()
    await desk.ask(LATEST, LATEST)
    desk.watch.look()

    assert desk.alerts.open() != ()
    assert desk.alerts.answers == []


async def test_an_alert_is_over_after_truthful_answers_that_hold() -> None:
    desk = Desk()
    desk.watch.look()
    desk.world.upstream.says("exchangerate", no_answer())
    await desk.ask(PAIR)
    assert len(desk.alerts.open()) == 1

    desk.mends()
    for _ in range(8):
        await desk.ask(PAIR)
        desk.watch.look()
        desk.clock.pass_time(1.0)

    assert desk.alerts.open() == ()
    assert desk.watch.processed == 9


def test_an_agent_that_was_given_up_is_a_critical_trouble_of_our_own() -> None:
    clock = ManualClock()
    status = AgentStatus(
        name="diagnosis",
        state=AgentState.FAILED,
        last_success=None,
        last_error="ValueError: tripped",
        restarts=5,
        inbox_depth=0,
        processed=0,
    )
    alerts = Listener(clock)

    alerts.see(dead_agent(status, clock.now()))
    alerts.see(dead_agent(replace(status, name="coordinator"), clock.now()))

    first, second = sorted(alerts.open(), key=lambda alert: alert.endpoint, reverse=True)
    assert (first.level, first.code, first.endpoint) == (
        AlertLevel.CRITICAL,
        "SYS.AGENT_FAILED",
        "diagnosis",
    )
    assert "5 restarts did not help: ValueError: tripped" in first.message
    assert second.endpoint == "coordinator"
