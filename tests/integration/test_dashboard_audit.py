"""The audit log over HTTP, from a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from tests.clock import ManualClock
from tests.dashboards import World, served
from tests.integration.test_audit import AT, ENTRY, superuser
from tests.visitors import standing

from autonomous_healing import toon
from autonomous_healing.dashboard.answers import answer_errors_with_problems
from autonomous_healing.dashboard.audit_routes import audit_routes
from autonomous_healing.dashboard.gate import add_all, guard
from autonomous_healing.dashboard.routes import NEEDED
from autonomous_healing.database import Database
from autonomous_healing.resilience import uuid7_from
from autonomous_healing.safety.audit import AuditTrail
from autonomous_healing.safety.chain import GENESIS, Entry, Head, Link, flaw_in
from autonomous_healing.safety.store import AuditStore


@pytest.fixture
def world(database: Database) -> World:
    return World(database=database)


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        served(world) as dashboard,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{dashboard.port}") as client,
    ):
        yield client


async def filled(world: World, count: int) -> Head:
    """So many entries, one a minute."""
    for n in range(count):
        link = await world.rooms.audit.record(replace(ENTRY, at=AT + timedelta(minutes=n)))
    return link.head


async def places(client: httpx2.AsyncClient, **asked: Any) -> list[int]:
    answer = await client.get("/api/audit", params=asked)
    assert answer.status_code == 200, answer.text
    return [row["seq"] for row in answer.json()["entries"]]


async def test_an_entry_is_shown_with_all_that_its_hash_is_made_of(
    world: World, client: httpx2.AsyncClient
) -> None:
    await filled(world, 2)

    page = (await client.get("/api/audit")).json()

    assert (page["count"], page["next_cursor"]) == (2, None)
    head = GENESIS
    for row in reversed(page["entries"]):
        facts = {name: row[name] for name in ("actor", "origin", "action", "subject", "verdict", "details")}
        entry = Entry(at=AT.fromisoformat(row["at"]), **facts)
        link = Link(seq=row["seq"], entry=entry, prev_hash=row["prev_hash"], hash=row["hash"])
        assert flaw_in(link, head) is None
        head = link.head
    assert page["entries"][1]["at"] == "2026-03-02T15:00:00.123456+00:00"


async def test_pages_can_be_followed_to_the_first_entry(world: World, client: httpx2.AsyncClient) -> None:
    await filled(world, 7)

    seen, cursor = [], None
    while True:
        asked = {"limit": 3} if cursor is None else {"limit": 3, "cursor": cursor}
        page = (await client.get("/api/audit", params=asked)).json()
        seen.append([row["seq"] for row in page["entries"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == [[7, 6, 5], [4, 3, 2], [1]]


async def test_a_page_that_just_holds_the_rest_has_none_behind_it(
    world: World, client: httpx2.AsyncClient
) -> None:
    await filled(world, 3)

    assert (await client.get("/api/audit", params={"limit": 3})).json()["next_cursor"] is None


async def test_entries_between_two_moments(world: World, client: httpx2.AsyncClient) -> None:
    await filled(world, 5)
    third = (AT + timedelta(minutes=2)).isoformat()

    assert await places(client, **{"from": third}) == [5, 4, 3]
    assert await places(client, to=third) == [2, 1]
    assert await places(client, **{"from": third, "to": third}) == []
    assert await places(client, **{"from": "2026-03-02T16:02:00.123456+01:00", "limit": 2}) == [5, 4]


async def test_toon_says_what_json_says(world: World, client: httpx2.AsyncClient) -> None:
    await filled(world, 2)

    plain = await client.get("/api/audit")
    as_toon = await client.get("/api/audit", headers={"Accept": "text/toon"})

    assert toon.loads(as_toon.text) == plain.json()


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "limit=a",
        "cursor=0",
        "cursor=-1",
        "cursor=9223372036854775808",
        "cursor=1;DROP TABLE audit_log",
        "from=yesterday",
        "from=2026-03-02T15:00:00",
        "from=%27%20OR%201=1--",
        "since=2026-03-02T15:00:00Z",
        "order=seq",
        "to=%00",
    ],
)
async def test_a_wrong_question_is_told(client: httpx2.AsyncClient, query: str) -> None:
    answer = await client.get(f"/api/audit?{query}")

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
async def test_moments_at_the_ends_of_time_can_be_asked_for(client: httpx2.AsyncClient, moment: str) -> None:
    assert await places(client, **{"from": moment, "to": moment}) == []


async def test_an_intact_chain_is_said_to_be_so(world: World, client: httpx2.AsyncClient) -> None:
    head = await filled(world, 3)

    assert (await client.get("/api/audit/verify")).json() == {
        "intact": True,
        "entries": 3,
        "head": f"3:{head.hash}",
        "broken_at": None,
        "why": None,
    }


async def test_a_break_is_told_with_its_place(world: World, client: httpx2.AsyncClient, dsn: str) -> None:
    await filled(world, 3)
    async with superuser(dsn) as connection:
        await connection.execute("UPDATE audit_log SET actor = 'bob' WHERE seq = 2")

    found = (await client.get("/api/audit/verify")).json()

    assert (found["intact"], found["broken_at"], found["entries"]) == (False, 2, None)
    assert found["why"] == "was changed: its hash does not fit"


async def test_many_who_verify_at_once_are_all_answered(world: World, client: httpx2.AsyncClient) -> None:
    await filled(world, 3)

    answers = await asyncio.gather(*(client.get("/api/audit/verify") for _ in range(5)))

    assert [answer.json()["entries"] for answer in answers] == [3] * 5


@pytest.mark.parametrize("path", ["/api/audit", "/api/audit/verify"])
async def test_without_the_database_it_is_said_when_to_ask_again(path: str) -> None:
    async with (
        served(World()) as dashboard,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{dashboard.port}") as client,
    ):
        answer = await client.get(path)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_walk_that_takes_too_long_is_left_to_the_command(database: Database, dsn: str) -> None:
    clock = ManualClock()
    app = FastAPI(openapi_url=None)
    add_all(app, audit_routes(AuditTrail(AuditStore(database)), walk_seconds=0.1))
    guard(app, NEEDED)
    answer_errors_with_problems(app, uuid7_from(clock))
    async with standing(app, clock) as visitor, superuser(dsn) as connection, connection.transaction():
        await connection.execute("LOCK audit_log")
        answer = await visitor.ask("GET /api/audit/verify")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "autonomous-healing audit verify" in answer.json()["detail"]
