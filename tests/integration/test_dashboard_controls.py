"""What an operator does by hand: who may, what comes of it, and what is written down."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from tests.clock import ManualClock
from tests.dashboards import World, served
from tests.visitors import auth_for, with_scope
from tests.world import World as Healing

from autonomous_healing.database import Database
from autonomous_healing.endpoint_healing.call import Response
from autonomous_healing.endpoint_healing.keys import KeyState
from autonomous_healing.resilience import BreakerState
from autonomous_healing.safety.audit import Intact
from autonomous_healing.safety.options import Scope

QUOTE = "/api/targets/yahoo_finance/quote"
HOSTS = ("https://query1.finance.yahoo.com", "https://query2.finance.yahoo.com")
WHY = "the provider announced maintenance"


class Desk:
    """A dashboard and a client with a token."""

    def __init__(self, world: World, client: httpx2.AsyncClient) -> None:
        self.world = world
        self.client = client

    async def act(self, path: str, scope: Scope = Scope.OPERATE, **said: Any) -> httpx2.Response:
        return await self.client.post(path, headers=with_scope(scope), json={"reason": WHY, **said})

    def until(self, seconds: float = 600.0) -> str:
        return (self.world.clock.now() + timedelta(seconds=seconds)).isoformat()

    async def rows(self, path: str) -> list[dict[str, Any]]:
        answer = await self.client.get(path, headers=with_scope(Scope.READ))
        [rows] = [value for value in answer.json().values() if isinstance(value, list)]
        return list(rows)

    async def circuits(self) -> dict[str, tuple[str, str | None]]:
        """By host: its state, and what is wanted of it."""
        rows = [one for one in await self.rows("/api/breakers") if one["endpoint"] == "/quote"]
        return {one["host"]: (one["state"], one["forced"]) for one in rows}

    async def audited(self) -> list[tuple[str, str, str, str]]:
        """Action, subject, actor and outcome of all acts, the first one first."""
        return [
            (one["action"], one["subject"], one["actor"], one["details"]["outcome"])
            for one in reversed(await self.rows("/api/audit"))
        ]


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    world = World(database=database, secrets={"fred_api": ["a" * 32, "b" * 32]})
    async with (
        served(world, auth_for(world.clock)) as dashboard,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{dashboard.port}") as client,
    ):
        yield Desk(world, client)


async def test_a_target_that_is_drained_is_called_at_no_host_until_its_time_is_over(desk: Desk) -> None:
    done = await desk.act(f"{QUOTE}/drain", expires_at=desk.until(600.0))
    assert (done.status_code, done.json()["result"]) == (200, {"circuit": "open", "host": None})
    assert await desk.circuits() == dict.fromkeys(HOSTS, ("open", "open"))
    endpoint = desk.world.endpoint("yahoo_finance/quote")
    breaker = desk.world.admission.breaker(endpoint, HOSTS[0])
    assert not breaker.allow()
    [row, _] = [one for one in await desk.rows("/api/breakers") if one["forced"]]
    assert (row["forced_by"], row["forced_reason"], row["forced_for"]) == ("operate", WHY, 600.0)
    clock = desk.world.clock
    assert isinstance(clock, ManualClock)
    clock.pass_time(601.0)
    assert breaker.allow()


async def test_one_host_can_be_shut_another_pinned_and_both_released(desk: Desk) -> None:
    one, two = HOSTS
    await desk.act(f"{QUOTE}/force-open", expires_at=desk.until(), host=one)
    assert await desk.circuits() == {one: ("open", "open"), two: ("closed", None)}
    await desk.act(f"{QUOTE}/pin", expires_at=desk.until(), host=two)
    assert (await desk.circuits())[two] == ("closed", "pinned")
    endpoint = desk.world.endpoint("yahoo_finance/quote")
    assert desk.world.admission.choose_host(endpoint) == two
    released = await desk.act(f"{QUOTE}/release")
    assert released.status_code == 200
    assert {forced for _, forced in (await desk.circuits()).values()} == {None}


async def test_a_circuit_can_be_held_closed(desk: Desk) -> None:
    await desk.act(f"{QUOTE}/close", expires_at=desk.until(), host=HOSTS[0])
    endpoint = desk.world.endpoint("yahoo_finance/quote")
    breaker = desk.world.admission.breaker(endpoint, HOSTS[0])
    for _ in range(10):
        breaker.record_failure("API.SERVER_ERROR")
    assert breaker.state is BreakerState.CLOSED


async def test_a_key_can_be_quarantined_and_released_by_who_may_touch_keys(desk: Desk) -> None:
    path = "/api/keys/fred_api/fred_api%231"
    refused = await desk.act(f"{path}/quarantine")
    assert (refused.status_code, refused.json()["needed_scope"]) == (403, "admin")
    await desk.act(f"{path}/quarantine", Scope.ADMIN)
    keys = {one["alias"]: one["state"] for one in await desk.rows("/api/keys")}
    assert keys == {"fred_api#1": KeyState.QUARANTINED.value, "fred_api#2": KeyState.OK.value}
    await desk.act(f"{path}/release", Scope.ADMIN)
    again = await desk.act(f"{path}/release", Scope.ADMIN)
    assert (again.status_code, again.json()["detail"]) == (409, "fred_api#1 is ok, not quarantined")
    assert "a" * 32 not in (await desk.client.get("/api/keys", headers=with_scope(Scope.READ))).text


async def test_copies_can_be_forgotten_by_question_endpoint_source_or_all(desk: Desk) -> None:
    healing = Healing()
    copies = desk.world.parts.cache
    calls = [
        healing.call("yahoo_finance/quote"),
        healing.call("yahoo_finance/chart"),
        healing.call("yahoo_finance/chart", symbol="MSFT"),
        healing.call("fred_api/series"),
    ]
    good = await healing.fetch(calls[0])
    assert isinstance(good, Response)
    for call in calls:
        copies.keep(call, replace(good, source=call.endpoint.source.id))
    counts = []
    wishes: tuple[dict[str, Any], ...] = (
        {"key": calls[0].resource},
        {"source": "yahoo_finance", "endpoint": "/chart"},
        {"source": "yahoo_finance"},
        {},
    )
    for wanted in wishes:
        done = await desk.act("/api/cache/invalidate", **wanted)
        counts.append(done.json()["result"]["count"])
    assert counts == [1, 2, 0, 1]
    assert len(copies) == 0


@pytest.mark.parametrize(
    ("path", "said", "status"),
    [
        ("/api/targets/yahoo_finance/nothing/drain", {"expires_at": 600.0}, 404),
        ("/api/targets/nobody/quote/drain", {"expires_at": 600.0}, 404),
        (f"{QUOTE}/pin", {"expires_at": 600.0, "host": "https://elsewhere.test"}, 404),
        (f"{QUOTE}/drain", {"expires_at": -1.0}, 422),
        (f"{QUOTE}/drain", {}, 422),
        (f"{QUOTE}/drain", {"expires_at": 600.0, "reason": " "}, 422),
        (f"{QUOTE}/drain", {"expires_at": 600.0, "force": True}, 422),
        ("/api/cache/invalidate", {"endpoint": "/quote"}, 422),
        ("/api/cache/invalidate", {"key": "x", "source": "yahoo_finance"}, 422),
        ("/api/cache/invalidate", {"source": "nobody"}, 404),
    ],
)
async def test_what_cannot_be_done_changes_nothing(
    desk: Desk, path: str, said: dict[str, Any], status: int
) -> None:
    if "expires_at" in said:
        said = {**said, "expires_at": desk.until(said["expires_at"])}
    assert (await desk.act(path, **said)).status_code == status
    assert await desk.circuits() == {}


async def test_every_act_is_in_the_audit_log_with_its_end(desk: Desk) -> None:
    await desk.act(f"{QUOTE}/drain", expires_at=desk.until())
    await desk.act("/api/targets/nobody/quote/drain", expires_at=desk.until())
    await desk.act("/api/cache/invalidate")
    drain, lost, forget = (
        ("target.drain", "yahoo_finance/quote", "operate"),
        ("target.drain", "nobody/quote", "operate"),
        ("cache.invalidate", "all", "operate"),
    )
    assert await desk.audited() == [
        (*drain, "begun"), (*drain, "done"),
        (*lost, "begun"), (*lost, "failed"),
        (*forget, "begun"), (*forget, "done"),
    ]  # fmt: skip
    assert isinstance(await desk.world.rooms.audit.verify(), Intact)
