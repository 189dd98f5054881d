"""What is known of endpoints beyond a restart, in a real PostgreSQL."""

from tests.world import World

from autonomous_healing.database import Database
from autonomous_healing.endpoint_healing.circuit_store import CircuitStore
from autonomous_healing.endpoint_healing.remembrance import Remembrance
from autonomous_healing.endpoint_healing.rollups import Rollups
from autonomous_healing.endpoint_healing.store import EndpointStore

CHART = "yahoo_finance/chart"


def remembrance(world: World, database: Database) -> Remembrance:
    rollups = Rollups(database, world.endpoints, world.admission.window, world.clock)
    circuits = CircuitStore(database, world.clock)
    return Remembrance(
        world.endpoints, world.admission, EndpointStore(database, world.clock), circuits, rollups
    )


async def test_what_is_loaded_again_because_something_else_failed_counts_once(database: Database) -> None:
    before, after = World(), World()
    window = before.admission.window(before.endpoint(CHART))
    for seconds in (0.1, 0.2, 0.3):
        window.record_success(seconds)
    await remembrance(before, database).save_health()
    remembered = remembrance(after, database)
    for _ in range(2):
        await remembered.load()
    assert after.admission.window(after.endpoint(CHART)).read().total == 3
