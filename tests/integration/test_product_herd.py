"""Two hundred who ask the running product for the same at once cost its source one call."""

import asyncio
from pathlib import Path

from tests.integration.postgres import CLOCK
from tests.integration.product import in_process, settings_for

from autonomous_healing.drills import Stage

ASKED_BY = 200


async def test_a_herd_makes_one_call_although_the_database_may_hold_a_copy(server_home: Path) -> None:
    async with Stage(7, CLOCK) as stage:
        cache = {"serve_fresh": True, "coalesce": True}
        settings = settings_for(stage, server_home, healing__cache=cache)
        async with in_process(settings) as product:
            for base in ("EUR", "GBP", "JPY"):
                before = len(stage.exchanges())
                path = f"/api/exchange-rate/latest/{base}"
                got = await asyncio.gather(*(product.ask(path) for _ in range(ASKED_BY)))
                assert {one.status for one in got} == {200}
                assert len({one.body for one in got}) == 1
                assert len(stage.exchanges()) - before == 1
