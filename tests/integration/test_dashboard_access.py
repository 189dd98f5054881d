"""Every route of the dashboard's port, asked by everybody."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.clock import ManualClock
from tests.dashboards import World, served
from tests.visitors import (
    EXPIRED,
    TOKENS,
    UNKNOWN,
    Visitor,
    auth_for,
    bearer,
    first_status,
    visiting,
    with_scope,
)

from autonomous_healing.dashboard.gate import described, names_of_routes
from autonomous_healing.dashboard.live import Hub
from autonomous_healing.dashboard.measures import Measures
from autonomous_healing.dashboard.routes import NEEDED, Acts, application
from autonomous_healing.dashboard.tally import Tally
from autonomous_healing.dashboard.views import Views
from autonomous_healing.safety.access import HOLDS
from autonomous_healing.safety.options import AuthSettings, Scope

ROUTES = sorted(NEEDED)

SAFE = {"GET", "WS"}

#: What a route says of itself once its caller may: never one of these.
REFUSED = {401, 403, 421, 429}


@pytest.fixture
def world() -> World:
    return World()


@asynccontextmanager
async def asked(world: World, auth: AuthSettings | None = None) -> AsyncIterator[Visitor]:
    async with (
        served(world, auth or auth_for(world.clock), public_url="https://status.example.org/") as dashboard,
        visiting(dashboard.port) as visitor,
    ):
        yield visitor


def path_of(route: str) -> str:
    """With something in the place of its parameters."""
    return route.replace("{name}", "dashboard.css").replace("{trail_id}", "1").replace("{agent_id}", "1")


async def statuses(visitor: Visitor, headers: dict[str, str]) -> dict[str, int]:
    return {route: await visitor.status(path_of(route), headers) for route in ROUTES}


def test_every_route_there_is_has_a_scope_and_every_scope_a_route(world: World) -> None:
    """Who adds a route says here who may ask for it."""
    tally = Tally()
    views = Views(world.rooms, tally)
    hub = Hub(views, tally, world.journal.follow("test"), world.web, world.clock)
    rooms = world.rooms
    acts = Acts(audit=rooms.audit, controls=rooms.controls, clock=rooms.clock)
    app = application(views, hub, Measures(views, tally), acts, world.new_id)

    assert sorted(names_of_routes(app)) == ROUTES
    assert len(ROUTES) > 15


async def test_the_description_says_what_token_each_route_needs(world: World) -> None:
    async with asked(world) as visitor:
        document = (await visitor.ask("GET /api/openapi.json")).json()

    said = {
        f"{verb.upper()} {path}": operation["security"]
        for path, operations in document["paths"].items()
        for verb, operation in operations.items()
    }
    needed = {described(route): scope for route, scope in NEEDED.items()}
    wanted = {route: [{"token": [scope.value]}] for route, scope in needed.items() if route in said}
    assert said == wanted
    assert set(needed) - set(said) == {"GET /api/openapi.json", "WS /ws/health"}
    assert document["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}


def test_nothing_is_changed_by_one_who_may_only_read() -> None:
    changing = [route for route in ROUTES if route.split(" ")[0] not in SAFE]

    assert [route for route in changing if NEEDED[route] is Scope.READ] == []


@pytest.mark.parametrize("scope", Scope)
async def test_a_token_opens_what_its_scope_holds(world: World, scope: Scope) -> None:
    async with asked(world) as visitor:
        found = await statuses(visitor, with_scope(scope))

    open_to_it = {route for route in ROUTES if NEEDED[route] in HOLDS[scope]}
    assert {route for route, status in found.items() if status not in REFUSED} == open_to_it
    assert {found[route] for route in ROUTES if route not in open_to_it} <= {403}


async def test_without_a_token_this_machine_may_read_and_no_more(world: World) -> None:
    async with asked(world) as visitor:
        own_page = {"Origin": f"http://127.0.0.1:{visitor.port}"}
        found = await statuses(visitor, own_page)

    assert {route for route, status in found.items() if status not in REFUSED} == {
        route for route in ROUTES if NEEDED[route] is Scope.READ
    }


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://127.0.0.1:{port}"}, {"Cookie": "session=1"}])
async def test_without_a_token_nobody_else_may_anything(world: World, headers: dict[str, str]) -> None:
    async with asked(world, auth_for(world.clock, loopback_read=False)) as visitor:
        headers = {name: value.format(port=visitor.port) for name, value in headers.items()}
        found = await statuses(visitor, headers)
        answer = await visitor.ask("GET /api/health", headers)
        lost = await visitor.ask("GET /no/such/route", headers)

    assert set(found.values()) == {401}
    assert answer.headers["www-authenticate"] == 'Bearer realm="autonomous_healing"'
    assert answer.headers["content-type"] == "application/problem+json"
    assert lost.status_code == 401  # what is there, and what is not, is told to nobody


@pytest.mark.parametrize("token", [EXPIRED, UNKNOWN, "x" * 600, TOKENS[Scope.ADMIN] + "x"])
async def test_a_wrong_token_opens_nothing_on_this_machine_either(world: World, token: str) -> None:
    assert isinstance(world.clock, ManualClock)
    found = {}
    async with asked(world) as visitor:
        for route in ROUTES:
            found[route] = await visitor.status(path_of(route), bearer(token))
            world.clock.pass_time(60)
        answer = await visitor.ask("GET /api/health", bearer(token))

    assert set(found.values()) == {401}
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert token not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil:8888"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ],
)
async def test_a_page_from_elsewhere_gets_nothing_whatever_it_shows(
    world: World, headers: dict[str, str]
) -> None:
    async with asked(world) as visitor:
        found = await statuses(visitor, headers)
        with_token = await statuses(visitor, headers | with_scope(Scope.ADMIN))

    assert set(found.values()) == set(with_token.values()) == {403}


async def test_a_link_from_elsewhere_leads_to_a_page_but_does_nothing_and_opens_no_socket(
    world: World,
) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    async with asked(world) as visitor:
        followed = await visitor.status("GET /health-dashboard", link)
        posted = await visitor.status("POST /health-dashboard", link)
        with_origin = await visitor.status("GET /health-dashboard", {**link, "Origin": "http://evil.example"})
        socket = await visitor.status("WS /ws/health", link)

    assert (followed, posted, with_origin, socket) == (200, 403, 403, 403)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "a/b@c",
        "evil.example@localhost",
        "localhost:8888/#@x",
        "localhost/#@x",
        "",
    ],
)
async def test_under_a_name_that_is_not_ours_there_is_nothing(world: World, host: str) -> None:
    async with asked(world) as visitor:
        found = {
            route: await visitor.status(path_of(route), {"Host": host} | with_scope(Scope.ADMIN))
            for route in ROUTES
            if not route.startswith("WS ")
        }
        reading = await visitor.ask("GET /api/health", {"Host": host})

    assert set(found.values()) | {reading.status_code} == {421}
    assert "storage" not in reading.text


async def test_two_names_at_once_are_refused(world: World) -> None:
    async with asked(world) as visitor:
        status = await raw_status(visitor.port, "GET /livez", "Host: localhost", "Host: localhost")

    assert status == 421


async def test_a_socket_without_an_origin_is_for_those_who_show_a_token(world: World) -> None:
    async with asked(world) as visitor:
        nameless = await visitor.status("WS /ws/health")
        with_token = await visitor.status("WS /ws/health", with_scope(Scope.READ))
        elsewhere = await visitor.status("WS /ws/health", {"Host": f"evil.example:{visitor.port}"})

    assert (nameless, with_token, elsewhere) == (403, 101, 421)


async def test_wrong_tokens_are_told_so_ten_times_a_minute_and_right_ones_are_let_in_all_the_time(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    assert isinstance(world.clock, ManualClock)
    async with asked(world) as visitor:
        found = [await visitor.status("GET /livez", bearer(UNKNOWN)) for _ in range(30)]
        limited = await visitor.ask("GET /livez", bearer(UNKNOWN))
        right = await visitor.status("GET /livez", with_scope(Scope.READ))
        world.clock.pass_time(6)
        later = [await visitor.status("GET /livez", bearer(UNKNOWN)) for _ in range(2)]

    assert found == [401] * 10 + [429] * 20
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "6")
    assert limited.headers["content-type"] == "application/problem+json"
    assert (right, later) == (200, [401, 429])
    told = [one.__dict__ for one in caplog.records if one.message == "token_refused"]
    assert [(one["address"], one["reason"]) for one in told] == [("127.0.0.1", "unknown")] * 11
    assert UNKNOWN not in caplog.text


async def test_one_address_may_ask_so_often_and_pages_from_elsewhere_use_up_nothing_of_it(
    world: World,
) -> None:
    assert isinstance(world.clock, ManualClock)
    async with asked(world, auth_for(world.clock, rate=20)) as visitor:
        foreign = [await visitor.status("GET /livez", {"Sec-Fetch-Site": "cross-site"}) for _ in range(50)]
        rebound = [await visitor.status("GET /livez", {"Host": "evil.example"}) for _ in range(50)]
        found = [await visitor.status("GET /livez", with_scope(Scope.ADMIN)) for _ in range(22)]
        limited = await visitor.ask("GET /livez")
        world.clock.pass_time(3)
        again = await visitor.status("GET /livez")

    assert (set(foreign), set(rebound)) == ({403}, {421})
    assert found == [200] * 20 + [429] * 2
    assert (limited.status_code, limited.headers["retry-after"], again) == (429, "3", 200)


async def test_three_hundred_a_minute_unless_told_otherwise(world: World) -> None:
    async with asked(world, AuthSettings()) as visitor:
        found = [await visitor.status("GET /livez") for _ in range(302)]

    assert found == [200] * 300 + [429] * 2


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("Content-Length: 65536", 405),
        ("Content-Length: 65537", 413),
        ("Content-Length: 9999999999999999", 413),
        ("Transfer-Encoding: chunked", 411),
    ],
)
async def test_a_body_says_its_length_and_is_short(world: World, line: str, status: int) -> None:
    async with asked(world) as visitor:
        found = await raw_status(visitor.port, "POST /api/health", "Host: localhost", line)

    assert found == status


async def test_a_wrong_method_names_those_that_would_do(world: World) -> None:
    async with asked(world) as visitor:
        answer = await visitor.ask("DELETE /api/health", with_scope(Scope.READ))

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize("asks", ["CONNECT a:22", "TRACE /livez", "GET http://evil.example/livez"])
@pytest.mark.parametrize("host", ["evil.example", "localhost"])
async def test_it_is_no_proxy(world: World, asks: str, host: str) -> None:
    async with asked(world) as visitor:
        status = await raw_status(visitor.port, asks, f"Host: {host}")

    assert status in ((400, 421) if host == "evil.example" else (200, 400, 404, 405))


async def raw_status(port: int, asks: str, *lines: str) -> int:
    return await first_status(port, "\r\n".join([f"{asks} HTTP/1.1", *lines, "", ""]).encode())
