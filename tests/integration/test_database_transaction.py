"""Several statements, of which all count or none."""

import os
import signal
from pathlib import Path

import pytest
from tests.integration.postgres import CARELESS, CLOCK

from autonomous_healing.database import Database, DatabaseAway, DatabaseSettings
from autonomous_healing.database.embedded import EmbeddedPostgres

ADD = "INSERT INTO agent_status (name, state) VALUES ($1, 'running')"


async def names(database: Database) -> list[str]:
    return [row[0] for row in await database.fetch("SELECT name FROM agent_status ORDER BY name")]


async def test_all_of_them_count_once_it_is_over(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(ADD, "a")
        await connection.execute(ADD, "b")
        assert await names(database) == []

    assert await names(database) == ["a", "b"]


async def test_none_of_them_counts_where_anything_goes_wrong_in_between(database: Database) -> None:
    async def add_and_fail() -> None:
        async with database.transaction() as connection:
            await connection.execute(ADD, "a")
            raise KeyError

    with pytest.raises(KeyError):
        await add_and_fail()

    assert await names(database) == []


async def test_a_server_that_hangs_is_left_after_the_time_and_undoes_it(server_home: Path) -> None:
    server = EmbeddedPostgres(server_home / "pg", CLOCK, CARELESS)
    settings = DatabaseSettings(mode="external", dsn=await server.start(), pool_min=1, pool_max=1)
    database = Database(settings, CLOCK)
    await database.start()
    [[pid]] = await database.fetch("SELECT pg_backend_pid()")

    async def add_and_hang() -> None:
        async with database.transaction(0.5) as connection:
            await connection.execute(ADD, "a")
            os.kill(pid, signal.SIGSTOP)
            await connection.execute(ADD, "b")

    try:
        began = CLOCK.monotonic()
        with pytest.raises(DatabaseAway):
            await add_and_hang()
        assert CLOCK.monotonic() - began < 2.0
        os.kill(pid, signal.SIGCONT)
        assert await names(database) == []
    finally:
        await database.stop()
        await server.stop()
