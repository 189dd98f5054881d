"""The door to PostgreSQL: what it says when the server is slow, gone or back."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest
from tests.integration.postgres import kill_postmaster, supervised, until

from autonomous_healing.database import Database, DatabaseAway, DatabaseRefused, DatabaseSettings
from autonomous_healing.database.migrate import MigrationEdited
from autonomous_healing.resilience.clock import SystemClock

NOWHERE = DatabaseSettings(mode="external", dsn="postgresql://127.0.0.1:1/none")


def embedded(home: Path) -> Database:
    settings = DatabaseSettings(data_dir=str(home / "pg"), require_at_start=True)
    return Database(settings, SystemClock())


async def test_starts_without_a_database_and_says_since_when() -> None:
    database = Database(NOWHERE, SystemClock())
    await database.start()

    assert database.away_since is not None
    with pytest.raises(DatabaseAway, match="Connect call failed"):
        await database.fetch("SELECT 1")
    with pytest.raises(DatabaseAway):
        _ = database.pool
    await database.stop()


async def test_refuses_to_start_without_a_database_that_is_required() -> None:
    settings = NOWHERE.model_copy(update={"require_at_start": True, "start_wait": 0.2})

    with pytest.raises(DatabaseAway, match=r"not there after 0\.2 s"):
        await Database(settings, SystemClock()).start()


async def test_refuses_a_schema_with_an_edited_migration(database: Database, dsn: str) -> None:
    await database.execute("UPDATE schema_migrations SET checksum = repeat('0', 64) WHERE version = 3")
    second = Database(DatabaseSettings(mode="external", dsn=dsn), SystemClock())

    with pytest.raises(MigrationEdited, match="0003_healing_reports"):
        await second.start()
    await second.stop()


async def test_fetches_executes_and_executes_many(database: Database) -> None:
    insert = "INSERT INTO agent_status (name, state) VALUES ($1, $2)"
    assert await database.execute(insert, "a", "running") == "INSERT 0 1"
    await database.executemany(insert, [("b", "running"), ("c", "failed")])

    rows = await database.fetch("SELECT name FROM agent_status WHERE state = $1 ORDER BY name", "running")

    assert [row["name"] for row in rows] == ["a", "b"]
    assert database.away_since is None


async def test_a_fault_in_a_statement_stays_what_it_is(database: Database) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        await database.fetch("SELECT * FROM no_such_table")
    with pytest.raises(asyncpg.InterfaceError):
        await database.fetch("SELECT $1::int", 1, 2)

    assert database.away_since is None


async def test_the_server_gives_up_a_slow_statement(dsn: str) -> None:
    settings = DatabaseSettings(mode="external", dsn=dsn, statement_timeout_ms=50, require_at_start=True)
    database = Database(settings, SystemClock())
    await database.start()

    with pytest.raises(DatabaseAway, match="statement timeout"):
        await database.fetch("SELECT pg_sleep(10)")
    assert database.away_since is None  # slow is not away
    await database.stop()


async def test_a_caller_gives_up_sooner_and_the_connection_is_not_poisoned(dsn: str) -> None:
    settings = DatabaseSettings(mode="external", dsn=dsn, pool_max=1, require_at_start=True)
    database = Database(settings, SystemClock())
    await database.start()

    with pytest.raises(DatabaseAway, match="TimeoutError"):
        await database.fetch("SELECT pg_sleep(1)", timeout=0.05)

    assert [tuple(row) for row in await database.fetch("SELECT 1")] == [(1,)]
    assert database.away_since is None
    await database.stop()


async def test_waits_no_longer_than_told_for_an_exhausted_pool(dsn: str) -> None:
    settings = DatabaseSettings(mode="external", dsn=dsn, pool_max=1, require_at_start=True)
    database = Database(settings, SystemClock())
    await database.start()
    busy = asyncio.create_task(database.fetch("SELECT pg_sleep(0.5)"))
    await until(lambda: database.pool.get_idle_size() == 0)

    with pytest.raises(DatabaseAway):
        await database.fetch("SELECT 1", timeout=0.05)

    await busy
    assert database.away_since is None
    await database.stop()


async def test_one_lost_connection_is_replaced(database: Database, dsn: str) -> None:
    other = await asyncpg.connect(dsn)
    backends = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'autonomous_healing'"
    )
    await other.execute(f"{backends} AND datname = current_database()")
    await other.close()

    with suppress(DatabaseAway):  # at most the first one meets the closed connection
        await database.fetch("SELECT 1")

    assert len(await database.fetch("SELECT 1")) == 1


async def test_comes_back_by_itself_when_the_postmaster_is_killed(server_home: Path) -> None:
    async with supervised(embedded(server_home)) as database:
        await database.execute("INSERT INTO agent_status (name, state) VALUES ('a', 'running')")
        kill_postmaster(server_home / "pg")

        await until(lambda: database.away_since is not None)
        await until(lambda: database.away_since is None)

        assert [row["name"] for row in await database.fetch("SELECT name FROM agent_status")] == ["a"]


async def test_a_stopped_backend_holds_nobody_up(server_home: Path) -> None:
    database = embedded(server_home)
    await database.start()
    [row] = await database.fetch("SELECT pg_backend_pid()")
    os.kill(row[0], signal.SIGSTOP)

    with pytest.raises(DatabaseAway):
        await database.fetch("SELECT 1", timeout=0.1)

    assert len(await database.fetch("SELECT 1", timeout=2)) == 1
    os.kill(row[0], signal.SIGCONT)
    await database.stop()


async def test_a_second_copy_is_told_so_at_start(server_home: Path) -> None:
    first, second = embedded(server_home), embedded(server_home)
    await first.start()

    with pytest.raises(DatabaseRefused, match="another running copy"):
        await second.start()

    assert len(await first.fetch("SELECT 1")) == 1
    await second.stop()
    await first.stop()


async def test_old_partitions_go_by_themselves(dsn: str, database: Database) -> None:
    await database.fetch("SELECT add_partition('trails', 'at', DATE '2001-02-03')")
    find = "SELECT to_regclass('trails_20010203') IS NULL AS gone"
    other = Database(DatabaseSettings(mode="external", dsn=dsn, require_at_start=True), SystemClock())

    async with supervised(other):
        async with asyncio.timeout(10):
            while not (await database.fetch(find))[0]["gone"]:
                await SystemClock().sleep(0.02)
    assert (await database.fetch(find))[0]["gone"]
