"""From an empty database to the newest schema, once, whoever comes first."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import asyncpg
import pytest

from autonomous_healing.database import DatabaseRefused
from autonomous_healing.database.migrate import (
    Migration,
    MigrationEdited,
    MigrationUnknown,
    migrate,
    migrations_home,
    read_migrations,
)
from autonomous_healing.resilience.clock import SystemClock

MIGRATIONS = read_migrations(migrations_home())
TABLES = {
    *("error_events", "error_events_with_cure", "healing_reports", "healing_attempts", "trails", "alerts"),
    *("endpoint_health", "learning_state", "agent_status", "breaker_state", "dead_letters"),
}


async def migrated(dsn: str, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    connection = await connected(dsn)
    try:
        return await migrate(connection, "healing", SystemClock(), migrations)
    finally:
        await connection.close()


async def connected(dsn: str) -> asyncpg.Connection:
    return await asyncpg.connect(dsn, server_settings={"search_path": "healing"})


async def names(dsn: str) -> set[str]:
    connection = await connected(dsn)
    rows = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('healing')"
    )
    await connection.close()
    return {row[0] for row in rows}


async def test_goes_from_empty_to_the_newest_schema_once(empty_dsn: str) -> None:
    assert await migrated(empty_dsn) == len(MIGRATIONS)
    assert await migrated(empty_dsn) == 0
    assert await names(empty_dsn) >= TABLES


async def test_each_migration_goes_on_from_any_earlier_one(empty_dsn: str) -> None:
    for count in range(1, len(MIGRATIONS) + 1):
        assert await migrated(empty_dsn, MIGRATIONS[:count]) == 1


async def test_of_many_migrators_at_once_one_does_the_work(empty_dsn: str) -> None:
    counts = await asyncio.gather(*(migrated(empty_dsn) for _ in range(5)))

    assert sorted(counts) == [0, 0, 0, 0, len(MIGRATIONS)]


async def test_refuses_a_migration_that_was_edited(empty_dsn: str) -> None:
    await migrated(empty_dsn, MIGRATIONS[:3])
    edited = replace(MIGRATIONS[1], sql=MIGRATIONS[1].sql.replace("source", "origin_of"))

    with pytest.raises(MigrationEdited, match=r"0002_error_events\.sql was edited"):
        await migrated(empty_dsn, (MIGRATIONS[0], edited, *MIGRATIONS[2:]))

    assert "trails" not in await names(empty_dsn)


async def test_refuses_a_database_of_a_newer_release(empty_dsn: str) -> None:
    await migrated(empty_dsn)

    newest, before = MIGRATIONS[-1], MIGRATIONS[-2]
    with pytest.raises(MigrationUnknown, match=f"{newest}, but this release ends with {before}"):
        await migrated(empty_dsn, MIGRATIONS[:-1])


async def test_a_broken_migration_changes_nothing_at_all(empty_dsn: str) -> None:
    broken = Migration(version=2, name="broken", sql="CREATE TABLE half (id int); SELECT 1 / 0;")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrated(empty_dsn, (MIGRATIONS[0], broken))

    assert await names(empty_dsn) == set()


def test_a_refusal_is_told_from_an_absence() -> None:
    assert issubclass(MigrationEdited, DatabaseRefused)
    assert issubclass(MigrationUnknown, DatabaseRefused)
