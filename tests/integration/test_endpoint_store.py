"""The state of endpoints survives a restart, in a real PostgreSQL, and what is unknown stays unknown."""

from dataclasses import replace

from tests.world import World

from autonomous_healing.database import Database
from autonomous_healing.endpoint_healing.health import Health
from autonomous_healing.endpoint_healing.store import EndpointStore
from autonomous_healing.healing import Severity
from autonomous_healing.resilience import SystemClock

CHART = World().endpoint("yahoo_finance/chart")
AT = SystemClock().now().replace(microsecond=0)

UNKNOWN = Health(
    status=None,
    total=0,
    failed=0,
    average_seconds=None,
    last_success=None,
    last_failure=AT,
    consecutive_failures=1,
    uptime_percentage=None,
    felt={},
)
KNOWN = replace(
    UNKNOWN,
    status=Severity.DEGRADED,
    total=10,
    failed=2,
    average_seconds=0.25,
    last_success=AT,
    uptime_percentage=75.0,
    felt={"fresh": 3, "stale": 1},
)

MEASURES = "SELECT error_rate, avg_response_time, uptime_percentage, healed_share FROM endpoint_health"


async def test_what_is_not_known_of_an_endpoint_is_null(database: Database) -> None:
    store = EndpointStore(database, SystemClock())
    await store.save_health([(CHART, KNOWN)])
    [row] = await database.fetch(MEASURES)
    assert tuple(row) == (0.2, 0.25, 75.0, 0.25)
    await store.save_health([(CHART, UNKNOWN)])
    [row] = await database.fetch(MEASURES)
    assert tuple(row) == (None, None, None, None)


async def test_what_is_taken_up_again_is_no_better_known_than_before(database: Database) -> None:
    store = EndpointStore(database, SystemClock())
    await store.save_health([(CHART, UNKNOWN)])
    known = (await store.load_health())["yahoo_finance", "/chart"]
    assert known == UNKNOWN
    world = World()
    world.admission.window(CHART).restore(known)
    health = world.admission.window(CHART).read()
    assert (health.status, health.average_seconds, health.error_rate) == (None, None, None)


async def test_what_was_known_is_known_again(database: Database) -> None:
    store = EndpointStore(database, SystemClock())
    await store.save_health([(CHART, KNOWN)])
    known = (await store.load_health())["yahoo_finance", "/chart"]
    assert known == replace(KNOWN, status=None, uptime_percentage=None)
