"""What stands in the way of more processes is said before any of them is started."""

import os
from pathlib import Path

import pytest
from tests.lanes import street
from tests.wire_origins import HERE, on_uvloop

from autonomous_healing import wire
from autonomous_healing.proxy import Door
from autonomous_healing.workers import Attempts, Crew, Desk, Orders, OrdersTooLong
from autonomous_healing.workers.channel import MOST_BYTES


@on_uvloop
async def test_settings_that_no_message_holds_are_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").touch()
    async with street("yahoo_finance") as here:
        rooms = here.house
        endpoints, admission, clock = rooms.parts.endpoints, rooms.parts.admission, rooms.clock
        desk = Desk(endpoints, admission, rooms.parts.cache, rooms.path, rooms.proxy, clock, 3)
        orders = Orders(module="nobody", settings=bytes(MOST_BYTES), secrets={}, sessions=None)
        door = Door(host=HERE, port=0, drain_seconds=0.0, limits=wire.ServerLimits())
        attempts = Attempts(rooms.server, admission, clock)
        crew = Crew(orders, door, rooms.server, desk, attempts, clock, rooms.shared)
        try:
            with pytest.raises(OrdersTooLong, match=r"4\.2 MB .* server\.workers"):
                await crew.open(2, 1000)
        finally:
            await crew.drain()
            await crew.close()
    assert os.listdir() == ["mine.txt"]
