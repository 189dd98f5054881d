"""The dashboard over a real socket."""

import asyncio
import json
import logging
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from tests.dashboards import EVERYBODY_HERE, World, served
from tests.troubles import NOT_HEALED

from autonomous_healing import toon
from autonomous_healing.dashboard import Dashboard, ServerSettings
from autonomous_healing.wire import PortTaken

TABLES = (
    "/api/health/endpoints",
    "/api/health/alerts",
    "/api/healing/reports",
    "/api/healing/strategies",
    "/api/breakers",
    "/api/quota",
    "/api/keys",
    "/api/agents/list",
)

ROUTES = (
    *TABLES,
    "/health-dashboard",
    "/static/dashboard.css",
    "/static/overview.js",
    "/static/words.json",
    "/api/health",
    "/livez",
    "/readyz",
    "/api/healing/status",
    "/metrics",
    "/api/openapi.json",
)


@asynccontextmanager
async def asking(world: World, **settings: Any) -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        served(world, **settings) as dashboard,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{dashboard.port}") as client,
    ):
        yield client


def busy() -> World:
    """A world in which every table has rows."""
    world = World(secrets={"fred_api": ["a" * 32]})
    world.alerts.see(NOT_HEALED)
    world.agent("monitoring")
    series = world.endpoint("fred_api/series")
    world.admission.window(series).record_success(0.2)
    world.admission.breaker(series, series.source.hosts[0]).record_failure("API.TIMEOUT")
    return world


async def test_every_route_answers_with_its_protection() -> None:
    async with asking(busy()) as client:
        answers = {route: await client.get(route) for route in ROUTES}
    for route, answer in answers.items():
        assert answer.status_code == 200, route
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        kept = "no-cache" if route.startswith("/static") else "no-store"
        assert answer.headers["cache-control"] == kept, route


async def test_toon_says_what_json_says() -> None:
    world = busy()
    async with asking(world) as client:
        world.heal()
        for route in TABLES:
            plain = await client.get(route)
            by_accept = await client.get(route, headers={"Accept": "text/toon"})
            by_query = await client.get(route, params={"format": "toon"})
            back = await client.get(route, params={"format": "json"}, headers={"Accept": "text/toon"})
            assert plain.json()["count"] > 0, route
            assert by_accept.headers["content-type"] == by_query.headers["content-type"] == toon.MEDIA_TYPE
            assert toon.loads(by_accept.text) == toon.loads(by_query.text) == plain.json() == back.json()
            assert plain.headers["vary"] == by_accept.headers["vary"] == "Accept"


async def test_the_root_leads_to_the_overview() -> None:
    async with asking(World()) as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/health-dashboard")


async def test_single_documents_have_the_digits_of_the_interface_too() -> None:
    world = busy()
    async with asking(world) as client:
        world.heal()
        status = (await client.get("/api/healing/status")).json()
        health = (await client.get("/api/health")).json()
        agent = (await client.get("/api/agents/status/monitoring")).json()
    assert status["last_heal"] == agent["last_success"] == "2026-03-02T15:00:00.000Z"
    assert (status["last_status"], status["active"]) == ("healed", True)
    assert health == {
        "status": "degraded",
        "storage": "away",
        "timestamp": "2026-03-02T15:00:00.000Z",
        "uptime": 0.0,
    }


async def test_a_trail_tells_why() -> None:
    world = World()
    async with asking(world) as client:
        report = world.heal()
        trail = (await client.get(f"/api/healing/trails/{report.id}")).json()
    assert (trail["id"], trail["status"]) == (str(report.id), "healed")
    assert [one["strategy"] for one in trail["attempts"]] == ["exponential_backoff_retry", "use_cached_data"]


#: A wrong question, and the status of its answer.
WRONG = {
    "/api/healing/trails/0195f3a0-0000-7000-8000-000000000000": 404,
    "/api/healing/trails/nonsense": 404,
    "/api/agents/status/nobody": 404,
    "/static/../server.py": 404,
    "/static/nothing.js": 404,
    "/no/such/route": 404,
    "/api/health/alerts?level=loud": 422,
    "/api/health/alerts?state=sleeping": 422,
    "/api/health/endpoints?colour=red": 422,
    "/api/health/endpoints?format=xml": 422,
    "/api/healing/reports?limit=501": 422,
    "/api/healing/reports?limit=0": 422,
    "/api/healing/reports?cursor=0195f3a0-0000-7000-8000-000000000000": 422,
}


async def test_a_wrong_question_gets_a_problem_document() -> None:
    async with asking(World()) as client:
        answers = {route: await client.get(route) for route in WRONG}
    assert {route: answer.status_code for route, answer in answers.items()} == WRONG
    for route, answer in answers.items():
        assert answer.headers["content-type"] == "application/problem+json", route
        assert answer.headers["cache-control"] == "no-store"
        problem = answer.json()
        assert (problem["type"], problem["status"]) == ("about:blank", WRONG[route])
        assert problem["detail"]


async def test_the_field_at_fault_is_named() -> None:
    async with asking(World()) as client:
        problem = (await client.get("/api/health/alerts?level=loud")).json()
    assert [error["field"] for error in problem["errors"]] == ["query.level"]


#: What changes the product.
ACTS = {
    *(
        f"/api/targets/{{source}}/{{endpoint}}/{act}"
        for act in ("drain", "force-open", "close", "pin", "release")
    ),
    *(f"/api/keys/{{source}}/{{alias}}/{act}" for act in ("quarantine", "release")),
    "/api/cache/invalidate",
}


async def test_what_shows_something_changes_nothing() -> None:
    async with asking(World()) as client:
        answer = await client.post("/api/health/endpoints", json={})
        document = (await client.get("/api/openapi.json")).json()
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")
    changing = {path for path, verbs in document["paths"].items() if set(verbs) != {"get"}}
    assert changing == ACTS
    assert [path for path in changing if "get" in document["paths"][path]] == []


async def test_the_description_names_every_route_and_what_it_answers() -> None:
    async with asking(World()) as client:
        document = (await client.get("/api/openapi.json")).json()
    described = set(document["paths"])
    written = {route for route in ROUTES if not route.startswith(("/static", "/api/openapi"))}
    assert (
        written
        | {
            "/",
            "/static/{name}",
            "/api/healing/trails/{trail_id}",
            "/api/agents/status/{agent_id}",
            "/api/audit",
            "/api/audit/verify",
        }
        | ACTS
        == described
    )
    health = document["components"]["schemas"]["EndpointHealth"]
    assert "forecast" not in health["properties"]
    assert health["properties"]["error_rate"]["anyOf"][1] == {"type": "null"}
    for route in TABLES:
        answers = document["paths"][route]["get"]["responses"]
        assert {"application/json", "text/toon"} == set(answers["200"]["content"])
        assert "application/problem+json" in answers["default"]["content"]


async def test_an_unexpected_fault_is_an_incident_and_tells_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(World):
        def _statuses(self) -> Any:
            raise RuntimeError("secret in here")

    async with asking(Broken()) as client:
        with caplog.at_level(logging.ERROR):
            answer = await client.get("/api/agents/list")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text
    incident = answer.json()["instance"].removeprefix("urn:incident:")
    [line] = [one for one in caplog.records if one.message == "request_crashed"]
    assert line.__dict__["incident"] == incident
    assert answer.headers["content-security-policy"]


async def test_ready_only_when_nothing_is_missing_but_alive_all_the_time() -> None:
    world = World(missing=["database", "proxy"])
    async with asking(world) as client:
        early = await client.get("/readyz")
        alive = await client.get("/livez")
        world.missing.clear()
        late = await client.get("/readyz")
    assert (early.status_code, early.json()) == (503, {"ready": False, "missing": ["database", "proxy"]})
    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert (late.status_code, late.json()) == (200, {"ready": True, "missing": []})


#: A Host header, and the status of its answer.
HOSTS = {
    "localhost:8888": 200,
    "127.0.0.1": 200,
    "[::1]:8888": 200,
    "status.example.org": 200,
    "LOCALHOST": 200,
    "evil.example": 421,
    "127.0.0.1.evil.example": 421,
    "evil.example@localhost.evil": 421,
    "[": 421,
    "": 421,
}


async def test_answers_only_for_its_own_names() -> None:
    async with asking(World(), public_url="https://status.example.org/") as client:
        answers = {host: await client.get("/api/health", headers={"Host": host}) for host in HOSTS}
    assert {host: answer.status_code for host, answer in answers.items()} == HOSTS
    refused = [answer for answer in answers.values() if answer.status_code == 421]
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in refused)
    assert all("storage" not in answer.text for answer in refused)


async def test_a_file_that_the_browser_has_is_not_sent_again() -> None:
    async with asking(World()) as client:
        first = await client.get("/static/dashboard.css")
        second = await client.get("/static/dashboard.css", headers={"If-None-Match": first.headers["etag"]})
    assert first.headers["content-type"] == "text/css; charset=utf-8"
    assert (second.status_code, second.content) == (304, b"")
    assert second.headers["etag"] == first.headers["etag"]


async def test_pages_of_reports_can_be_followed() -> None:
    world = World()
    async with asking(world) as client:
        made = [str(world.heal().id) for _ in range(3)]
        first = (await client.get("/api/healing/reports", params={"limit": 2})).json()
        rest = (await client.get("/api/healing/reports", params={"cursor": first["next_cursor"]})).json()
    assert [row["id"] for row in (*first["reports"], *rest["reports"])] == made[::-1]
    assert rest["next_cursor"] is None


async def test_alerts_are_filtered() -> None:
    async with asking(busy()) as client:
        errors = (await client.get("/api/health/alerts?level=error&state=firing")).json()
        warnings = (await client.get("/api/health/alerts?level=warning")).json()
    assert [alert["title"] for alert in errors["alerts"]] == ["Yahoo Finance - Degraded"]
    assert warnings == {"alerts": [], "count": 0, "next_cursor": None}


async def test_a_port_that_is_taken_is_said_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        dashboard = Dashboard(World().rooms, ServerSettings(dashboard_port=port), EVERYBODY_HERE)
        with pytest.raises(PortTaken, match=str(port)) as refusal:
            await dashboard.serve()
    assert refusal.value.port == port


async def test_serves_until_it_is_stopped_and_gives_the_port_back() -> None:
    dashboard = Dashboard(World().rooms, ServerSettings(dashboard_port=0), EVERYBODY_HERE)
    dashboard.bind()
    port = dashboard.port
    assert port > 0
    serving = asyncio.create_task(dashboard.serve())
    async with httpx2.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/livez")).status_code == 200
    await dashboard.stop()
    async with asyncio.timeout(10):
        await serving
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


async def test_a_bound_dashboard_that_never_served_gives_the_port_back() -> None:
    dashboard = Dashboard(World().rooms, ServerSettings(dashboard_port=0), EVERYBODY_HERE)
    dashboard.bind()
    port = dashboard.port
    await dashboard.stop()
    with socket.create_server(("127.0.0.1", port)) as taken:
        assert taken.getsockname()[1] == port


async def test_signals_stay_with_the_application() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with asking(World()) as client:
        await client.get("/livez")
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


async def test_metrics_come_in_the_text_format() -> None:
    async with asking(busy()) as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'healing_breaker_state{endpoint="/chart",source="yahoo_finance"} 0.0' in answer.text


async def test_json_has_no_number_that_json_does_not_know() -> None:
    async with asking(busy()) as client:
        text = (await client.get("/api/health/endpoints")).text
    json.loads(text, parse_constant=lambda name: pytest.fail(name))
