"""Acts through the API: who may, what has to be said, and what the audit log tells of them afterwards."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request, WebSocket
from tests.clock import ManualClock
from tests.dashboards import NOWHERE
from tests.integration.postgres import CLOCK
from tests.visitors import TOKENS, Visitor, first_status, standing, with_scope

from autonomous_healing.dashboard.actions import Act, ActionDoor, ActRequest, Done, TimedActRequest
from autonomous_healing.dashboard.answers import answer_errors_with_problems
from autonomous_healing.dashboard.asgi import caller_of
from autonomous_healing.dashboard.gate import add_all, guard, names_of_routes
from autonomous_healing.dashboard.problems import Refusal
from autonomous_healing.database import Database
from autonomous_healing.resilience import uuid7_from
from autonomous_healing.safety.access import HOLDS, Caller
from autonomous_healing.safety.audit import AuditTrail, Intact
from autonomous_healing.safety.chain import Link, Plain
from autonomous_healing.safety.options import Scope
from autonomous_healing.safety.store import AuditStore

DRAIN = "POST /targets/yahoo_finance/drain"

NEEDED = {
    "POST /targets/{target}/drain": Scope.OPERATE,
    "POST /cache/invalidate": Scope.OPERATE,
    "POST /approvals/{number}": Scope.APPROVE,
    "DELETE /keys/{alias}": Scope.ADMIN,
    "GET /targets": Scope.READ,
    "WS /ws/targets": Scope.OPERATE,
}


@dataclass
class Targets:
    """What acts are done to."""

    drained: list[str] = field(default_factory=list)
    fault: BaseException | None = None
    result: Mapping[str, Plain] = field(default_factory=lambda: {"open_calls": 3})
    clock: ManualClock = field(default_factory=ManualClock)
    before: Callable[[], Awaitable[object]] | None = None  #: what happens while it is done

    async def drain(self, target: str) -> Mapping[str, Plain]:
        if self.before is not None:
            await self.before()
        if self.fault is not None:
            raise self.fault
        self.drained.append(target)
        return self.result


def application(targets: Targets, trail: AuditTrail) -> FastAPI:
    """As the dashboard's own routes are made."""
    door = ActionDoor(trail, targets.clock, uuid7_from(targets.clock))
    router = APIRouter()

    @router.post("/targets/{target}/drain")
    async def drain(target: str, asked: TimedActRequest, request: Request) -> Done:
        act = Act(action="target.drain", subject=target, do=lambda: targets.drain(target))
        return await door.act(caller_of(request.scope), asked, act)

    @router.post("/cache/invalidate")
    @router.post("/approvals/{number}")
    @router.delete("/keys/{alias}")
    async def act_at_once(asked: ActRequest, request: Request) -> Done:
        act = Act(action="test.act", subject=request.url.path, do=lambda: targets.drain(request.url.path))
        return await door.act(caller_of(request.scope), asked, act)

    @router.get("/targets")
    async def list_them() -> list[str]:
        return targets.drained

    @router.post("/forgotten")
    async def nobody_said_who_may(asked: ActRequest, request: Request) -> Done:
        return await act_at_once(asked, request)

    @router.websocket("/ws/targets")
    @router.websocket("/ws/forgotten")
    async def listen(socket: WebSocket) -> None:
        await socket.accept()

    app = FastAPI(openapi_url=None)
    add_all(app, router)
    guard(app, NEEDED)
    answer_errors_with_problems(app, uuid7_from(targets.clock))
    return app


@pytest.fixture
def targets() -> Targets:
    return Targets()


@pytest.fixture
def trail(database: Database) -> AuditTrail:
    return AuditTrail(AuditStore(database))


@pytest.fixture
async def visitor(targets: Targets, trail: AuditTrail) -> AsyncIterator[Visitor]:
    async with standing(application(targets, trail), targets.clock) as visitor:
        yield visitor


@asynccontextmanager
async def without_database(targets: Targets) -> AsyncIterator[Visitor]:
    trail = AuditTrail(AuditStore(Database(NOWHERE, CLOCK)))
    async with standing(application(targets, trail), targets.clock) as visitor:
        yield visitor


WISH: Mapping[str, Any] = {"reason": "too slow", "expires_at": "2026-03-02T16:00:00Z"}


async def act(
    visitor: Visitor,
    body: object = WISH,
    route: str = DRAIN,
    scope: Scope = Scope.OPERATE,
    headers: Mapping[str, str] | None = None,
) -> httpx2.Response:
    verb, path = route.split(" ")
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    said = {"Content-Type": "application/json", **with_scope(scope), **(headers or {})}
    return await visitor.client.request(verb, path, content=content, headers=said)


def told(links: list[Link]) -> list[tuple[str, str, str, str]]:
    """Who, what, to what, and how it ended, oldest first."""
    entries = [link.entry for link in reversed(links)]
    return [(one.actor, one.action, one.subject, str(one.details["outcome"])) for one in entries]


async def test_an_act_is_written_down_before_it_is_done_and_its_end_after_it(
    visitor: Visitor, targets: Targets, trail: AuditTrail
) -> None:
    answer = await act(visitor)
    end, begun = await trail.newest()

    assert (answer.status_code, targets.drained) == (200, ["yahoo_finance"])
    said = answer.json()
    assert (said["action"], said["subject"]) == ("target.drain", "yahoo_finance")
    assert (said["result"], said["audited"]) == ({"open_calls": 3}, 2)
    assert said["expires_at"] == "2026-03-02T16:00:00.000Z"
    assert begun.entry.details == {
        "id": said["id"],
        "outcome": "begun",
        "reason": "too slow",
        "expires_at": "2026-03-02T16:00:00+00:00",
    }
    assert end.entry.details == {"id": said["id"], "outcome": "done", "result": {"open_calls": 3}}
    for one in (begun.entry, end.entry):
        assert (one.actor, one.origin, one.action) == ("operate", "person", "target.drain")
        assert (one.subject, one.verdict, one.at) == ("yahoo_finance", "approved", targets.clock.now())
    assert await trail.verify() == Intact(end.head)


async def test_an_act_that_cannot_be_done_is_told_and_written_down(
    visitor: Visitor, targets: Targets, trail: AuditTrail
) -> None:
    targets.fault = Refusal(409, "It is drained already.")

    answer = await act(visitor)

    assert (answer.status_code, answer.json()["detail"]) == (409, "It is drained already.")
    end, _ = await trail.newest()
    assert end.entry.details["outcome"] == "failed"
    assert end.entry.details["why"] == "It is drained already."


async def test_an_act_that_crashes_is_an_incident_and_written_down_without_its_words(
    visitor: Visitor, targets: Targets, trail: AuditTrail, caplog: pytest.LogCaptureFixture
) -> None:
    targets.fault = RuntimeError("secret in here")

    answer = await act(visitor)

    assert (answer.status_code, "secret" in answer.text) == (500, False)
    end, _ = await trail.newest()
    assert (end.entry.details["outcome"], end.entry.details["why"]) == ("failed", "RuntimeError")


async def test_an_act_that_is_broken_off_is_written_down(targets: Targets, trail: AuditTrail) -> None:
    """As when the product stops while it is under way."""
    door = ActionDoor(trail, targets.clock, uuid7_from(targets.clock))
    targets.before = asyncio.Event().wait
    doing = asyncio.create_task(
        door.act(
            Caller("ann", HOLDS[Scope.OPERATE]),
            ActRequest(reason="why not"),
            Act(action="target.drain", subject="a", do=lambda: targets.drain("a")),
        )
    )
    async with asyncio.timeout(10):
        while not await trail.newest():
            await CLOCK.sleep(0.01)
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing

    assert told(list(await trail.newest())) == [
        ("ann", "target.drain", "a", "begun"),
        ("ann", "target.drain", "a", "failed"),
    ]


async def test_an_act_that_takes_too_long_is_broken_off_and_written_down(
    targets: Targets, trail: AuditTrail
) -> None:
    door = ActionDoor(trail, targets.clock, uuid7_from(targets.clock), act_seconds=0.1)
    targets.before = asyncio.Event().wait

    with pytest.raises(Refusal) as refused:
        await door.act(
            Caller("ann", HOLDS[Scope.OPERATE]),
            ActRequest(reason="why not"),
            Act(action="target.drain", subject="a", do=lambda: targets.drain("a")),
        )

    assert refused.value.problem.status == 504
    end, _ = await trail.newest()
    assert end.entry.details["outcome"] == "failed"
    assert "broken off after 0.1 s" in str(end.entry.details["why"])


async def test_nobody_without_a_name_does_anything_even_where_a_route_would_let_them(
    targets: Targets, trail: AuditTrail
) -> None:
    door = ActionDoor(trail, targets.clock, uuid7_from(targets.clock))

    with pytest.raises(Refusal) as refused:
        await door.act(
            Caller(None, HOLDS[Scope.ADMIN]),
            ActRequest(reason="why not"),
            Act(action="target.drain", subject="a", do=lambda: targets.drain("a")),
        )

    assert (refused.value.problem.status, targets.drained) == (403, [])
    assert list(await trail.newest()) == []


async def test_nothing_is_done_that_cannot_be_written_down(
    targets: Targets, caplog: pytest.LogCaptureFixture
) -> None:
    async with without_database(targets) as visitor:
        answer = await act(visitor)

    assert (answer.status_code, answer.headers["retry-after"], targets.drained) == (503, "5", [])
    assert "was not done" in answer.json()["detail"]
    [line] = [one for one in caplog.records if one.message == "act_not_audited"]
    assert line.__dict__["action"] == "target.drain"


async def test_what_was_done_stays_done_where_its_end_cannot_be_written_down_any_more(
    visitor: Visitor,
    targets: Targets,
    database: Database,
    trail: AuditTrail,
    caplog: pytest.LogCaptureFixture,
) -> None:
    targets.before = lambda: database.execute("ALTER TABLE audit_log RENAME TO elsewhere")
    answer = await act(visitor)
    await database.execute("ALTER TABLE elsewhere RENAME TO audit_log")

    assert (answer.status_code, answer.json()["audited"], targets.drained) == (200, None, ["yahoo_finance"])
    [begun] = await trail.newest()
    assert begun.entry.details["outcome"] == "begun"
    [line] = [one for one in caplog.records if one.message == "act_end_not_audited"]
    assert (line.levelno, line.__dict__["act"]) == (logging.ERROR, begun.entry.details["id"])
    assert line.__dict__["outcome"] == "done"


@pytest.mark.parametrize(
    ("result", "kept"),
    [
        ({"share": 0.5}, {"not_kept": "holds a float"}),
        ({"text": "x" * 9000}, {"not_kept": "has 9011 characters"}),
    ],
)
async def test_a_result_that_the_audit_log_does_not_take_costs_nobody_the_act(
    visitor: Visitor,
    targets: Targets,
    trail: AuditTrail,
    result: Mapping[str, Any],
    kept: Mapping[str, Any],
) -> None:
    targets.result = result

    answer = await act(visitor)

    assert (answer.status_code, answer.json()["result"]) == (200, result)
    end, _ = await trail.newest()
    assert end.entry.details["result"] == kept


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, "body.reason"),
        ({**WISH, "reason": ""}, 422, "body.reason"),
        ({**WISH, "reason": "   "}, 422, "body.reason"),
        ({**WISH, "reason": "x" * 501}, 422, "body.reason"),
        ({**WISH, "reason": "a\nb"}, 422, "body.reason"),
        ({**WISH, "reason": "a\x00b"}, 422, "body.reason"),
        ({**WISH, "reason": "a\x1b[31mb"}, 422, "body.reason"),
        ({**WISH, "reason": "a\x85b"}, 422, "body.reason"),
        ({**WISH, "reason": "a\u2028b"}, 422, "body.reason"),
        ({**WISH, "reason": "a\u202eb"}, 422, "body.reason"),
        ({**WISH, "reason": "a\ud800b"}, 422, "body.reason"),
        ({**WISH, "reason": 5}, 422, "body.reason"),
        ({**WISH, "reason": None}, 422, "body.reason"),
        ({"reason": "so"}, 422, "body.expires_at"),
        ({**WISH, "expires_at": None}, 422, "body.expires_at"),
        ({**WISH, "expires_at": "2026-03-02T16:00:00"}, 422, "body.expires_at"),
        ({**WISH, "expires_at": "tomorrow"}, 422, "body.expires_at"),
        ({**WISH, "expires_at": 1772467200}, 422, "body.expires_at"),
        ({**WISH, "expires_at": "1772467200"}, 422, "body.expires_at"),
        ({**WISH, "expires_at": "2026-03-02T15:00:00Z"}, 422, "body.expires_at"),
        ({**WISH, "expires_at": "2026-03-02T14:59:59Z"}, 422, "body.expires_at"),
        ({**WISH, "expires_at": "2026-04-01T15:00:01Z"}, 422, "body.expires_at"),
        ({**WISH, "actor": "somebody else"}, 422, "body.actor"),
        ({**WISH, "share": float("nan")}, 422, "body.share"),
        ([], 422, "body"),
        ("so", 422, "body"),
        (b"", 422, "body"),
        (b"{", 400, None),
        (b"\xff", 400, None),
        (b"[" * 60_000, 400, None),
        (b"1" * 6000, 400, None),
    ],
)
async def test_what_has_to_be_said_is_said_in_full_and_nothing_else(
    visitor: Visitor, targets: Targets, trail: AuditTrail, body: Any, status: int, field: str | None
) -> None:
    answer = await act(visitor, body)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    if field is not None:
        assert field in [error["field"] for error in answer.json()["errors"]]
    assert (targets.drained, list(await trail.newest())) == ([], [])


async def test_an_act_without_an_end_takes_none(visitor: Visitor, trail: AuditTrail) -> None:
    plain = await act(visitor, {"reason": "so"}, "POST /cache/invalidate")
    timed = await act(visitor, WISH, "POST /cache/invalidate")

    assert (plain.status_code, plain.json()["expires_at"], timed.status_code) == (200, None, 422)


async def test_reasons_in_any_language_are_kept(visitor: Visitor, trail: AuditTrail) -> None:
    reason = (
        "gar zu langsam: \u592a\u6162 \u0637\u06cc\u200c\u06a9 \U0001f40c <script>'; DROP TABLE audit_log;"
    )

    answer = await act(visitor, {**WISH, "reason": reason})

    assert answer.status_code == 200
    _, begun = await trail.newest()
    assert begun.entry.details["reason"] == reason


@pytest.mark.parametrize("target", ["%00", "a%00b"])
async def test_what_cannot_be_kept_is_refused_before_it_is_done(
    visitor: Visitor, targets: Targets, target: str
) -> None:
    answer = await act(visitor, route=f"POST /targets/{target}/drain")

    assert (answer.status_code, targets.drained) == (400, [])


async def test_acts_of_many_at_once_are_all_written_down_in_one_chain(
    visitor: Visitor, trail: AuditTrail
) -> None:
    answers = await asyncio.gather(*(act(visitor) for _ in range(12)))

    assert {answer.status_code for answer in answers} == {200}
    found = await trail.verify()
    assert isinstance(found, Intact)
    assert found.head.seq == 24


@pytest.mark.parametrize("scope", Scope)
async def test_each_scope_opens_what_it_holds_and_the_answer_names_the_one_that_is_missing(
    visitor: Visitor, targets: Targets, scope: Scope
) -> None:
    for route, needed in NEEDED.items():
        path = route.replace("{target}", "a").replace("{number}", "1").replace("{alias}", "k")
        if route.startswith("WS "):
            status = await visitor.status(path, with_scope(scope))
            assert status == (101 if needed in HOLDS[scope] else 403), route
            continue
        body = WISH if "drain" in path else {"reason": "so"}
        answer = await act(visitor, body, path, scope)
        assert answer.status_code == (200 if needed in HOLDS[scope] else 403), route
        if answer.status_code == 403:
            assert answer.json()["needed_scope"] == needed.value
            assert needed.value in answer.json()["detail"]
            assert f'scope="{needed.value}"' in answer.headers["www-authenticate"]


async def test_a_route_that_nobody_declared_is_closed_to_everybody(
    visitor: Visitor, targets: Targets, trail: AuditTrail, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await act(visitor, {"reason": "so"}, "POST /forgotten", Scope.ADMIN)
    socket = await visitor.status("WS /ws/forgotten", with_scope(Scope.ADMIN))

    assert (answer.status_code, socket, targets.drained) == (403, 403, [])
    names = set(names_of_routes(application(targets, trail)))
    assert names - set(NEEDED) == {"POST /forgotten", "WS /ws/forgotten"}
    refused = [one.__dict__ for one in caplog.records if one.message == "access_refused"]
    assert [(one["caller"], one["route"]) for one in refused] == [
        ("admin", "POST /forgotten"),
        ("admin", "WS /ws/forgotten"),
    ]


async def test_without_a_token_nothing_is_done_on_this_machine_either(
    visitor: Visitor, targets: Targets
) -> None:
    own = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{visitor.port}"}
    answer = await visitor.client.post("/targets/a/drain", content=json.dumps(WISH), headers=own)

    assert (answer.status_code, answer.json()["needed_scope"], targets.drained) == (403, "operate", [])


async def test_who_may_not_is_told_so_before_the_body_is_looked_at(visitor: Visitor) -> None:
    answer = await act(visitor, b"{", DRAIN, Scope.READ)

    assert answer.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example", "Content-Type": "text/plain"},
        {"Sec-Fetch-Site": "cross-site", "Content-Type": "application/x-www-form-urlencoded"},
    ],
)
async def test_a_page_from_elsewhere_does_nothing_even_with_a_token(
    visitor: Visitor, targets: Targets, headers: dict[str, str]
) -> None:
    answer = await act(visitor, headers=headers)

    assert (answer.status_code, targets.drained) == (403, [])


@pytest.mark.parametrize(
    "path",
    [
        "/keys/%2e%2e",
        "//keys/a",
        "/./keys/a",
        "/targets/../keys/a",
        "/targets/%2e%2e/keys/a",
        "/targets;/../keys/a",
        "/keys%2fa",
        "/KEYS/a",
        "/keys/a/",
        "/keys\\a",
        "/%6beys/a",
        "/keys/a%3f",
        "/keys/a%23",
        "/targets#/../keys/a",
        "/targets?/../keys/a",
    ],
)
async def test_however_a_path_is_written_it_takes_the_scope_of_the_route_that_it_leads_to(
    visitor: Visitor, targets: Targets, path: str
) -> None:
    body = json.dumps({"reason": "so"}).encode()
    lines = (
        f"DELETE {path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {TOKENS[Scope.OPERATE]}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "",
        "",
    )
    status = await first_status(visitor.port, "\r\n".join(lines).encode() + body)

    assert status in (307, 400, 403, 404, 405)
    assert targets.drained == []


async def test_a_body_that_does_not_come_is_not_waited_for(targets: Targets, trail: AuditTrail) -> None:
    app = application(targets, trail)
    lines = (
        "POST /targets/a/drain HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {TOKENS[Scope.OPERATE]}",
        "Content-Type: application/json",
        "Content-Length: 50",
        "",
        "{",
    )
    async with standing(app, targets.clock, body_stall_seconds=0.2) as visitor:
        status = await first_status(visitor.port, "\r\n".join(lines).encode())

    assert (status, targets.drained) == (400, [])
