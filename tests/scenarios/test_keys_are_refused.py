"""A provider refuses one key or all of them: who is asked with which, and how often."""

import itertools

import pytest
from tests.world import SECRETS, TRUTH, World, json_of, said, tried

from autonomous_healing.agents.key_alert import KeyAlert
from autonomous_healing.alerts import Alert, AlertLevel, AlertManager, AlertSettings
from autonomous_healing.database import Database, DatabaseSettings
from autonomous_healing.endpoint_healing.assembly import build_keeper
from autonomous_healing.endpoint_healing.keys import KeyState

SERIES = "/api/fred/series?series_id=DGS10"
PREV = "/api/polygon/prev?ticker=AAPL"
FRED_ONE, FRED_TWO = SECRETS["fred_api"]
POLYGON_ONE, POLYGON_TWO = SECRETS["polygon_io"]

HOUR = 3600.0


def keys_asked(world: World, name: str) -> list[str]:
    """The key of each question that reached the provider."""
    return [one.query[name] for one in world.upstream.asked]


def states(world: World, source: str) -> list[KeyState]:
    endpoint = next(one for one in world.endpoints if one.source.id == source)
    return [one.state for one in world.admission.limits(endpoint.source).keys.readings()]


class Watch:
    """The alerts of a world's keys, as the product has them."""

    def __init__(self, world: World) -> None:
        database = Database(DatabaseSettings(mode="external", dsn="postgresql://nowhere"), world.clock)
        keeper = build_keeper(world.parts, database, {}, world.clock)
        numbers = itertools.count(1)
        alerts = AlertManager(
            clock=world.clock, settings=AlertSettings(), new_number=lambda: next(numbers), channels=()
        )
        self._alerts = alerts
        self._watch = KeyAlert(alerts, keeper, world.sources, world.clock)

    def look(self) -> list[Alert]:
        self._watch.look()
        return list(self._alerts.open())


async def test_where_the_terms_allow_a_throttled_key_rests_and_the_other_is_used_at_once() -> None:
    world = World()
    world.upstream.says(f"api_key={FRED_ONE}", said(429, retry_after="60"))
    reply = await world.get(SERIES)
    assert (reply.status, reply.headers["Healing-Strategy"]) == (200, "fred_rotate_api_key")
    assert keys_asked(world, "api_key") == [FRED_ONE, FRED_TWO]
    for _ in range(3):
        assert (await world.get(SERIES)).headers == {}
    assert keys_asked(world, "api_key")[2:] == [FRED_TWO] * 3
    world.clock.pass_time(60.0)
    world.upstream.says("https", TRUTH)
    assert (await world.get(SERIES)).status == 200
    assert states(world, "fred_api") == [KeyState.OK, KeyState.OK]


async def test_elsewhere_a_throttled_key_is_not_gone_round() -> None:
    world = World()
    world.upstream.says("https://api.polygon.io", said(429, retry_after="60"))
    reply = await world.get(PREV)
    assert reply.status == 429
    assert keys_asked(world, "apiKey") == [POLYGON_ONE]
    assert states(world, "polygon_io") == [KeyState.LIMITED, KeyState.OK]


@pytest.mark.parametrize("copy", [True, False])
async def test_with_all_keys_throttled_nobody_is_asked_until_the_first_of_them_returns(copy: bool) -> None:
    world = World()
    if copy:
        await world.get(SERIES)
        world.clock.pass_time(2 * HOUR)
    before = len(world.upstream.asked)
    world.upstream.says("https://api.stlouisfed.org", said(429, retry_after="60"))
    await world.get(SERIES)
    assert len(world.upstream.asked) - before == 2
    for _ in range(59):
        world.clock.pass_time(1.0)
        reply = await world.get(SERIES)
        assert (reply.status, reply.headers["Healing-Status"]) == (
            (200, "healed") if copy else (503, "failed")
        )
        if not copy:
            assert 1 <= int(reply.headers["Retry-After"]) <= 60
    assert len(world.upstream.asked) - before == 2
    assert Watch(world).look() == []  # they return by themselves


@pytest.mark.parametrize(
    ("path", "part", "status", "strategy"),
    [
        (PREV, "apiKey=canary_polygon%2Bone", 401, "rotate_api_key"),
        (SERIES, f"api_key={FRED_ONE}", 403, "fred_rotate_api_key"),
    ],
)
async def test_a_rejected_key_is_never_used_again_in_that_request_nor_after_it(
    path: str, part: str, status: int, strategy: str
) -> None:
    world = World()
    world.upstream.says(part, said(status, "no such key"))
    reply = await world.get(path)
    assert (reply.status, reply.headers["Healing-Strategy"]) == (200, strategy)
    assert tried(world.reports[0])[strategy] == "healed"
    for _ in range(20):
        world.clock.pass_time(60.0)
        assert (await world.get(path)).status == 200
    assert sum(part in one.url for one in world.upstream.asked) == 1
    [alert] = Watch(world).look()
    assert (alert.level, alert.title.split(" - ")[1]) == (AlertLevel.WARNING, "Key unusable")
    assert "#1 was rejected (API.AUTH_REJECTED). 1 of 2 keys left." in alert.message
    assert any("whether the key is valid" in action for action in alert.recommended_actions)


async def test_with_all_keys_rejected_it_is_critical_and_one_call_a_minute_at_most_tries_again() -> None:
    world = World()
    world.upstream.says("https://api.polygon.io", said(401, {"status": "ERROR", "error": "Unknown API Key"}))
    watch, called_at = Watch(world), list[float]()
    seen = 0
    for _ in range(6 * 60 * 6):
        reply = await world.get(PREV)
        assert reply.status in (401, 503)
        called_at += [world.clock.monotonic()] * (len(world.upstream.asked) - seen)
        seen = len(world.upstream.asked)
        world.clock.pass_time(10.0)
    [alert] = watch.look()
    assert (alert.level, alert.title) == (AlertLevel.CRITICAL, "Polygon.io - No key left")
    assert keys_asked(world, "apiKey") == [POLYGON_ONE, POLYGON_TWO] * 2  # at first, and once after an hour
    later = called_at[2:]
    assert all(after - before >= 60.0 for before, after in itertools.pairwise(later))
    assert later[0] >= HOUR


async def test_a_key_that_is_valid_again_is_found_by_a_user_s_question_and_serves_all() -> None:
    world = World()
    world.upstream.says("https://api.polygon.io", said(401, {"status": "ERROR", "error": "Unknown API Key"}))
    await world.get(PREV)
    world.upstream.says("https://api.polygon.io", TRUTH)
    problem = json_of(await world.get(PREV))
    assert problem["code"] == "API.AUTH_REJECTED"
    assert "polygon_io#1 is invalid, back in" in problem["detail"]
    world.clock.pass_time(HOUR)
    assert (await world.get(PREV)).headers == {}
    assert states(world, "polygon_io")[0] is KeyState.OK


async def test_a_server_that_fails_says_nothing_of_the_key() -> None:
    world = World(healing={"in_request_retries": 0})
    world.upstream.says("https://api.polygon.io", said(500), said(503), TRUTH)
    for _ in range(3):
        await world.get(PREV)
    assert keys_asked(world, "apiKey") == [POLYGON_ONE] * 3
    assert states(world, "polygon_io") == [KeyState.OK, KeyState.OK]


@pytest.mark.parametrize(("name", "value"), [("X-Api-Key", "{}"), ("Authorization", "Bearer {}")])
async def test_a_key_in_a_header_stands_there_and_nowhere_else(name: str, value: str) -> None:
    auth = {"place": "header", "name": name}
    world = World(sources={"polygon_io": {"auth": auth}}, secrets={"polygon_io": ("canary-key",)})
    refused = said(401, {"status": "ERROR", "error": "Unknown API Key canary-key"})
    world.upstream.says("https://api.polygon.io", refused)
    reply = await world.get(PREV, healing_allow="none", x_api_key="the caller's own")
    [asked] = world.upstream.asked
    assert asked.headers[name] == value.format("canary-key")
    assert "canary" not in asked.url
    assert "canary" not in f"{reply.headers} {reply.body!r}"
