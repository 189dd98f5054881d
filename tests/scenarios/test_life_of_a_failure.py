"""docs/life-of-a-failure.md tells one example; this plays it, and the page has to be true."""

import asyncio
import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest
from tests.clock import HurriedClock
from tests.pages import page, shown
from tests.world import TRUTH, World

from autonomous_healing.agents import (
    AlertingAgent,
    Belt,
    DiagnosedCall,
    DiagnosisAgent,
    HealingCoordinator,
    LearningAgent,
    MonitoringSettings,
    RecoveryWatch,
)
from autonomous_healing.alerts import AlertManager, AlertSettings
from autonomous_healing.alerts import to_json as alert_json
from autonomous_healing.dashboard.views import report_row
from autonomous_healing.dashboard.views import to_json as view_json
from autonomous_healing.dashboard.views.health import endpoint_health
from autonomous_healing.database import Database, DatabaseSettings
from autonomous_healing.drills.twins import FaultKind
from autonomous_healing.endpoint_healing.call import FailedCall
from autonomous_healing.endpoint_healing.probe import Probe
from autonomous_healing.endpoint_healing.store import rows_of
from autonomous_healing.endpoint_healing.trail import EndpointReport, iso
from autonomous_healing.learning import LearningSettings, LearningStore, NestedLearner, Option
from autonomous_healing.learning.options import SlackExploration
from autonomous_healing.proxy import HealingProxy, Request
from autonomous_healing.proxy.provenance import Reply
from autonomous_healing.resilience import uuid7_from
from autonomous_healing.safety import Guard, Origin

PAGE = page("life-of-a-failure.md")
PLACE = "fred_api/observations"
UPSTREAM = "fred/series/observations"

#: Longer than a copy of this kind counts as the answer itself.
LATER = timedelta(hours=2).total_seconds()


class Example:
    """The product around the example: the proxy's door, the followers of the journal, the alerts."""

    def __init__(self) -> None:
        self.world = World(clock=HurriedClock())
        clock, world = self.world.clock, self.world
        new_id = uuid7_from(clock, bytes)
        self.proxy = HealingProxy(world.endpoints, world.healer, world.settings, clock, new_id)
        self.endpoint = world.endpoint(PLACE)
        database = Database(DatabaseSettings(mode="external", dsn="postgresql://nowhere/none"), clock)
        numbers = itertools.count(1)
        self.alerts = AlertManager(
            clock=clock, settings=AlertSettings(), new_number=lambda: next(numbers), channels=()
        )
        follow = world.journal.follow
        self.learning = LearningAgent(follow("learning"), world.learner, LearningStore(database), clock)
        self.alerting = AlertingAgent(
            follow("alerting"), self.alerts, world.admission, world.endpoints, clock
        )
        self.watch = RecoveryWatch(self.alerts, world.admission, world.endpoints, clock)
        self.watch.look()

    async def ask(self) -> Reply:
        """The question that the page prints."""
        url = urlsplit(shown(PAGE)["question"].split("'")[1])
        reply = await self.proxy.handle(Request(url.path, parse_qsl(url.query), {}))
        assert reply.status == 200, reply.body
        return reply

    def two_hours_later_the_source_speaks_of_january(self) -> None:
        self.world.clock.pass_time(LATER)
        self.world.upstream.says(UPSTREAM, FaultKind.STALE)

    async def tell_followers(self) -> None:
        """What the agents do when the journal gives them its latest report."""
        await self.learning.handle(self.report)
        await self.alerting.handle(self.report)

    @property
    def report(self) -> EndpointReport:
        return self.world.reports[-1]

    async def recover(self) -> None:
        """The source tells the truth again: two good answers, and a look every half second."""
        self.world.upstream.says(UPSTREAM, TRUTH)
        for _ in range(2):
            self.world.clock.pass_time(30.0)
            await self.ask()
            self.watch.look()
        while self.alerts.open():
            self.world.clock.pass_time(0.5)
            self.watch.look()


async def play() -> dict[str, Any]:
    """Everything that the page shows, by the names of its blocks."""
    example = Example()
    good = await example.ask()
    assert good.headers == {}, "the page says that no header speaks of healing"
    told: dict[str, Any] = {"good-answer": _newest(good.body)}
    example.two_hours_later_the_source_speaks_of_january()
    healed = await example.ask()
    assert healed.body == good.body
    upstream = example.world.upstream
    refused = await upstream.answer_to(upstream.asked[-1].url, {}, 1.0)
    told |= _of_the_healing(example, healed, refused.body)
    await example.tell_followers()
    told |= {
        "learned": [
            {"strategy": one.strategy, "worked": one.state["a"], "failed": one.state["b"]}
            for one in example.world.learner.snapshot()
            if one.layer == "inner" and one.strategy
        ],
        "alert": alert_json(example.alerts.open()[0]),
        "dashboard-report": view_json(report_row(example.report)),
        "dashboard-endpoint": _endpoint_row(example),
    }
    await example.recover()
    over = alert_json(example.alerts.recent()[0])
    told["alert-over"] = {name: over[name] for name in ("id", "state", "resolved_at", "occurrences")}
    told["orders"] = await _orders()
    told |= await _of_the_probe()
    return told


def _endpoint_row(example: Example) -> dict[str, Any]:
    row = view_json(endpoint_health(example.endpoint, example.world.admission))
    calls = ("status", "total_requests", "failed_requests", "error_rate", "consecutive_failures")
    users = ("healed_share", "felt", "breaker")
    return {name: row[name] for name in ("source", "endpoint", *calls, *users)}


def _newest(body: bytes) -> dict[str, Any]:
    """The parts of FRED's answer that the page prints."""
    document = json.loads(body)
    return {"realtime_end": document["realtime_end"], "observations": document["observations"][:1]}


def _of_the_healing(example: Example, healed: Reply, refused: bytes) -> dict[str, Any]:
    report = example.report
    failure, diagnosis = report.case.failure, report.diagnosis
    assert failure.finding is not None
    claimed = example.world.healer.cascade.claim(diagnosis, "fred_api", Origin.RULE)
    action = claimed[-1].action(report.case)
    review = Guard(fail_safe=example.world.fail_safe).review(action)
    return {
        "refused-answer": _newest(refused),
        "finding": {name: getattr(failure.finding, name) for name in ("code", "message", "confidence")},
        "diagnosis": {**asdict(diagnosis), "severity": diagnosis.severity.value},
        "cascade": [one.name for one in claimed],
        "review": {
            **asdict(action),
            "origin": action.origin.value,
            "verdict": review.verdict.value,
            "reason": review.reason,
        },
        "headers": {"Content-Type": healed.content_type, **healed.headers},
        "trail": example.world.trail(healed),
        "journal": str(report),
        **_rows(report),
    }


def _rows(report: EndpointReport) -> dict[str, Any]:
    """What is written down, by table."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(report):
        cells = {name: _cell(value) for name, value in row.values.items()}
        rows.setdefault(row.table, []).append(cells)
    attempt = ("position", "strategy", "outcome", "reason", "duration_ms")
    [event], [whole], [trail] = rows["error_events"], rows["healing_reports"], rows["trails"]
    return {
        "row-error-events": event,
        "row-healing-reports": whole,
        "rows-healing-attempts": [{name: one[name] for name in attempt} for one in rows["healing_attempts"]],
        "row-trails": {name: value for name, value in trail.items() if name != "body"},
    }


def _cell(value: Any) -> Any:
    match value:
        case UUID():
            return str(value)
        case datetime():
            return iso(value)
        case _:
            return value


async def _orders() -> list[dict[str, Any]]:
    """In which order the learner would have the two tried after so many of these faults."""
    example = Example()
    await example.ask()
    example.two_hours_later_the_source_speaks_of_january()
    orders = [{"after": 0, **_order(example)}]
    for faults in (1, 2):
        await example.ask()
        await example.tell_followers()
        orders.append({"after": faults, **_order(example)})
        example.world.clock.pass_time(60.0)
    return orders


def _order(example: Example) -> dict[str, Any]:
    """Without exploring, which would leave the order to chance."""
    never = SlackExploration(floor=0.0, start=0.0)
    learner = NestedLearner(LearningSettings(slack_exploration=never), random.Random(1))
    learner.restore(example.world.learner.snapshot())
    options = [_option(example, name) for name in ("exponential_backoff_retry", "use_cached_data")]
    now = example.world.clock.now().timestamp()
    plan = learner.rank("DATA.STALE", "DATA.STALE:fred_api", options, 3.0, now)
    return {"order": list(plan.order), "chance": round(plan.predicted, 2), "learned": plan.learned}


def _option(example: Example, name: str) -> Option:
    strategy = example.world.strategy(name)
    worth = min(LearningSettings().quality.of(level.word) for level in strategy.levels)
    return Option(name, worth, strategy.cost)


async def _of_the_probe() -> dict[str, Any]:
    """The same fault where no user asks: a probe meets it, and two agents hand it on."""
    example = Example()
    world = example.world
    [target] = [one for one in MonitoringSettings().endpoints if f"{one.source}{one.endpoint}" == PLACE]
    probe = Probe(endpoint=example.endpoint, params=target.params, timeout=target.timeout)
    assert await world.prober.probe(probe) is None
    example.two_hours_later_the_source_speaks_of_january()
    failed = await world.prober.probe(probe)
    assert failed is not None

    probed: Belt[FailedCall] = Belt("probed")
    diagnosed: Belt[DiagnosedCall] = Belt("diagnosed")
    await probed.put(failed)
    await probed.close()
    await DiagnosisAgent(probed, diagnosed, world.healer, world.clock).run()
    await HealingCoordinator(diagnosed, world.healer, world.clock).run()
    await example.tell_followers()

    row = view_json(report_row(example.report))
    [alert] = example.alerts.open()
    names = ("origin", "cluster", "status", "strategy", "fidelity", "attempts")
    felt = endpoint_health(example.endpoint, world.admission).felt
    return {
        "probe-target": target.params,
        "probe-report": {name: row[name] for name in names} | {"felt_requests": sum(asdict(felt).values())},
        "probe-alert": {"level": alert.level.word, "title": alert.title, "message": alert.message},
    }


@cache
def facts() -> dict[str, Any]:
    return asyncio.run(play())


def differences(text: str) -> Iterator[str]:
    """Where a page says something else than the example gives, with what it should say."""
    printed = shown(text)
    for name in sorted((facts().keys() | printed.keys()) - {"question"}):
        if name not in facts() or name not in printed:
            yield f"{name}: only in the {'page' if name in printed else 'example'}"
        elif _read(name, printed[name]) != facts()[name]:
            yield f"{name}: the example gives\n{written(name)}"


def _read(name: str, block: str) -> Any:
    """A block as the value it stands for."""
    match facts()[name]:
        case str():
            return block.strip()
        case dict() if name == "headers":
            return dict(line.split(": ", 1) for line in block.strip().splitlines()[1:])
        case _:
            return json.loads(block)


def written(name: str) -> str:
    """A fact as the page prints it."""
    match facts()[name]:
        case str() as line:
            return line
        case dict() as headers if name == "headers":
            return "\n".join(["HTTP/1.1 200 OK", *(f"{key}: {value}" for key, value in headers.items())])
        case value:
            return _json(value)


def _json(value: Any, margin: str = "") -> str:
    """On one line what fits on one."""
    line = json.dumps(value)
    if len(margin + line) <= 110:
        return line
    inner = margin + "  "
    if isinstance(value, dict):
        members = [f"{inner}{json.dumps(name)}: {_json(one, inner)}" for name, one in value.items()]
        return "{\n" + ",\n".join(members) + f"\n{margin}}}"
    return "[\n" + ",\n".join(inner + _json(one, inner) for one in value) + f"\n{margin}]"


def test_the_page_tells_what_the_code_does() -> None:
    assert list(differences(PAGE)) == []


@pytest.mark.parametrize(
    ("true", "untrue"),
    [
        ("Healing-Fidelity: stale;age=", "Healing-Fidelity: exact;age="),
        ('"severity": "degraded"', '"severity": "failed"'),
        ('"reason": "not_allowed"', '"reason": "unknown"'),
        ('"level": "warning"', '"level": "info"'),
        ("<!-- shown: trail -->", "<!-- shown: trial -->"),
    ],
)
def test_an_untrue_page_is_noticed(true: str, untrue: str) -> None:
    assert true in PAGE
    assert list(differences(PAGE.replace(true, untrue)))
