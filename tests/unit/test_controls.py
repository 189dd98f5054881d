"""What an operator forgets is gone, whatever is under way meanwhile."""

from typing import Any

from tests.clock import ManualClock
from tests.shelf import Shelf
from tests.world import World

from autonomous_healing.endpoint_healing.caching.memory import Memory
from autonomous_healing.endpoint_healing.controls import Controls

CACHING: Any = {"cache": {"serve_fresh": True, "coalesce": True}}
RATES = "exchange_rate_api/latest"


class BusyShelf(Shelf):
    """While it forgets, somebody asks."""

    world: World | None = None

    async def forget_source(self, source: str, endpoint: str | None = None) -> None:
        world, self.world = self.world, None
        if world is not None:
            await world.healer.answer(world.call(RATES, "exact, stale"))
        await super().forget_source(source, endpoint)


async def test_what_is_brought_back_while_the_second_layer_forgets_is_forgotten_too() -> None:
    shelf, clock = BusyShelf(), ManualClock()
    before = World(healing=CACHING, clock=clock, layer=shelf)
    await before.healer.answer(before.call(RATES, "exact, stale"))
    assert before.kept is not None
    await before.kept.flush()
    clock.pass_time(10.0)
    after = shelf.world = World(healing=CACHING, clock=clock, layer=shelf)
    controls = Controls(after.parts, Memory(100, 1_048_576), after.kept)
    await controls.forget_copies(source="exchange_rate_api")
    assert after.upstream.asked == []
    assert (len(after.cache), len(shelf.rows)) == (0, 0)
