"""Every row that was put is stored once, whatever happens to the database in between."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from tests.integration.postgres import kill_postmaster, supervised, until

from autonomous_healing.database import Database, DatabaseSettings, EventWriter, Row, Spool
from autonomous_healing.database.writer import WriterCounts
from autonomous_healing.resilience.clock import SystemClock

MB = 1024 * 1024
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
AWAY = DatabaseSettings(mode="external", dsn="postgresql://127.0.0.1:1/none")


def event(number: int, **values: Any) -> Row:
    plain = {"source": "fred", "endpoint": "series", "error_type": "TIMEOUT"}
    return Row(table="error_events", values={"id": UUID(int=number), "timestamp": NOW, **plain, **values})


def trail(number: int) -> Row:
    place = {"source": "fred", "endpoint": "series", "status": "healed"}
    return Row(
        table="trails", values={"id": UUID(int=number), "at": NOW, **place, "body": {"steps": [number]}}
    )


@asynccontextmanager
async def writing(writer: EventWriter) -> AsyncIterator[EventWriter]:
    task = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path, 16 * MB)


def reopened(spool: Spool, directory: Path) -> Spool:
    spool.close()
    return Spool(directory, 16 * MB)


def segments(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.glob("*.spool")}


async def numbers_in(database: Database, table: str = "error_events") -> list[int]:
    return [row["id"].int for row in await database.fetch(f"SELECT id FROM {table} ORDER BY id")]


def adds_up(counts: WriterCounts) -> bool:
    return counts.accepted == counts.stored + counts.dead + counts.dropped + counts.pending


async def test_what_goes_in_comes_out_equal(database: Database, spool: Spool) -> None:
    writer = EventWriter(database, spool, SystemClock())
    params = {"series_id": "GDP", "deep": [1, 2.5, None, {"text": "äöü \U0001f642"}]}
    async with writing(writer):
        writer.put(
            event(1, error_message="no answer", response_time=1.25, request_params=params, healed_at=NOW)
        )
        writer.put(trail(2))
        await until(lambda: writer.counts.stored == 2)

    [row] = await database.fetch("SELECT *, request_params::text AS params FROM error_events")
    assert (row["id"], row["timestamp"], row["healed_at"]) == (UUID(int=1), NOW, NOW)
    assert (row["error_message"], row["response_time"]) == ("no answer", 1.25)
    assert json.loads(row["params"]) == params
    assert (row["retry_count"], row["fixed_automatically"], row["http_status_code"]) == (0, False, None)
    assert row["created_at"] is not None
    assert await numbers_in(database, "trails") == [2]


async def test_stores_the_same_row_once(database: Database, spool: Spool) -> None:
    writer = EventWriter(database, spool, SystemClock())
    async with writing(writer):
        for _ in range(3):
            writer.put(event(1))
            writer.put(event(2))
            await until(lambda: not writer.counts.pending)

    assert await numbers_in(database) == [1, 2]


POISON: list[tuple[dict[str, Any], str]] = [
    ({"error_message": "NUL \x00 inside"}, "unsupported Unicode escape"),
    ({"error_message": "half a surrogate \ud800"}, "cannot be encoded"),
    ({"http_status_code": 2**40}, "out of range"),
    ({"http_status_code": "teapot"}, "invalid input syntax"),
    ({"source": "s" * 51}, "too long"),
    ({"source": None}, "null value"),
    ({"timestamp": "yesterday-ish"}, "invalid input syntax"),
    ({"no_such_column": 1}, "no_such_column"),
]


@pytest.mark.parametrize(("values", "reason"), POISON)
async def test_a_bad_row_goes_to_the_dead_letters_and_the_rest_is_stored(
    database: Database, spool: Spool, values: dict[str, Any], reason: str
) -> None:
    writer = EventWriter(database, spool, SystemClock())
    async with writing(writer):
        for number in range(1, 101):
            writer.put(event(number, **(values if number == 42 else {})))
        await until(lambda: not writer.counts.pending)

    assert await numbers_in(database) == [number for number in range(1, 101) if number != 42]
    [letter] = await database.fetch("SELECT table_name, reason, payload FROM dead_letters")
    assert letter["table_name"] == "error_events"
    assert reason in letter["reason"]
    assert b"00000000-0000-0000-0000-00000000002a" in letter["payload"]
    assert (writer.counts.stored, writer.counts.dead) == (99, 1)


async def test_a_batch_of_nothing_but_poison_does_not_hold_up_what_follows(
    database: Database, spool: Spool
) -> None:
    writer = EventWriter(database, spool, SystemClock())
    async with writing(writer):
        for number in range(1, 61):
            writer.put(event(number, error_message=f"\x00{number}"))
        deep: Any = 1
        for _ in range(50_000):
            deep = [deep]
        writer.put(event(61, request_params=deep))
        writer.put(event(62, response_time=float("nan")))
        await until(lambda: not writer.counts.pending)

    assert await numbers_in(database) == [62]
    assert writer.counts.dead == 61


async def test_an_absent_database_costs_nothing(spool: Spool, tmp_path: Path, database: Database) -> None:
    absent = Database(AWAY, SystemClock())
    writer = EventWriter(absent, spool, SystemClock())
    async with writing(writer):
        for number in range(1, 1001):
            writer.put(event(number))
            writer.put(trail(number))
        await until(lambda: spool.records == 2000)
    await writer.drain(1)
    assert adds_up(writer.counts)

    later = EventWriter(database, reopened(spool, tmp_path), SystemClock())
    async with writing(later):
        await until(lambda: not later.counts.pending)

    assert await numbers_in(database) == list(range(1, 1001))
    assert await numbers_in(database, "trails") == list(range(1, 1001))
    assert (later.counts.accepted, later.counts.stored) == (2000, 2000)


async def test_older_rows_are_stored_before_newer_ones(database: Database, tmp_path: Path) -> None:
    spool = Spool(tmp_path, 16 * MB)
    writer = EventWriter(Database(AWAY, SystemClock()), spool, SystemClock())
    for number in range(1, 600):
        writer.put(event(number))
    await writer.drain(1)

    later = EventWriter(database, reopened(spool, tmp_path), SystemClock())
    async with writing(later):
        later.put(event(600))
        await until(lambda: not later.counts.pending)

    rows = await database.fetch("SELECT id FROM error_events ORDER BY created_at, id")
    assert [row["id"].int for row in rows] == list(range(1, 601))
    [times] = await database.fetch("SELECT count(DISTINCT created_at) FROM error_events")
    assert times[0] > 1


async def test_a_replay_after_a_crash_doubles_nothing(
    database: Database, spool: Spool, tmp_path: Path
) -> None:
    writer = EventWriter(Database(AWAY, SystemClock()), spool, SystemClock())
    for number in range(1, 301):
        writer.put(event(number))
    await writer.drain(1)
    files = segments(tmp_path)

    for _ in range(2):
        spool = reopened(spool, tmp_path)
        replay = EventWriter(database, spool, SystemClock())
        await replay.drain(10)
        assert (replay.counts.stored, replay.counts.pending) == (300, 0)
        for name, content in files.items():  # as if the end had come before the file was removed
            (tmp_path / name).write_bytes(content)

    assert await numbers_in(database) == list(range(1, 301))


async def test_a_full_queue_overflows_to_the_disk(database: Database, spool: Spool) -> None:
    writer = EventWriter(database, spool, SystemClock(), queue_max=10)
    for number in range(1, 101):
        writer.put(event(number))
    assert spool.records == 90

    await writer.drain(10)

    assert await numbers_in(database) == list(range(1, 101))
    assert adds_up(writer.counts)


async def test_draining_stores_or_spools_everything(database: Database, spool: Spool) -> None:
    writer = EventWriter(database, spool, SystemClock())
    for number in range(1, 1001):
        writer.put(event(number))

    await writer.drain(0.0)  # no time at all for the database
    writer.put(event(1001))

    counts = writer.counts
    assert counts.stored + spool.records == 1001
    assert adds_up(counts)


@pytest.mark.parametrize(
    "trouble",
    [
        "ALTER TABLE error_events RENAME TO hidden",
        "ALTER DATABASE {} SET default_transaction_read_only = on",
    ],
)
async def test_trouble_that_is_no_rows_fault_makes_no_dead_letters(
    database: Database, spool: Spool, trouble: str
) -> None:
    [name] = await database.fetch("SELECT quote_ident(current_database()) AS name")
    await database.execute(trouble.format(name["name"]))
    await database.pool.expire_connections()
    writer = EventWriter(database, spool, SystemClock())
    writer.put(event(1))
    writer.put(event(2))

    await writer.drain(5)

    assert (spool.records, writer.counts.dead, writer.counts.pending) == (2, 0, 2)


async def test_a_locked_table_only_delays_rows(dsn: str, spool: Spool) -> None:
    settings = DatabaseSettings(mode="external", dsn=dsn, statement_timeout_ms=100, require_at_start=True)
    database = Database(settings, SystemClock())
    await database.start()
    holder = await asyncpg.connect(dsn)
    lock = holder.transaction()
    await lock.start()
    await holder.execute("LOCK TABLE healing.error_events IN ACCESS EXCLUSIVE MODE")
    writer = EventWriter(database, spool, SystemClock())
    async with writing(writer):
        writer.put(event(1))
        await until(lambda: spool.records == 1)
        await lock.rollback()
        await until(lambda: writer.counts.stored == 1)

    assert await numbers_in(database) == [1]
    await holder.close()
    await database.stop()


async def test_a_full_disk_and_no_database_cost_trails_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", MB)
    spool.close()
    (tmp_path / "spool" / "lock").unlink()
    (tmp_path / "spool").rmdir()  # from now on nothing can be written there
    writer = EventWriter(Database(AWAY, SystemClock()), spool, SystemClock(), queue_max=4)

    for row in (trail(1), event(2), trail(3), event(4), event(5), trail(6), event(7), event(8)):
        writer.put(row)

    counts = writer.counts
    assert (counts.accepted, counts.pending, counts.dropped) == (8, 4, 4)
    assert adds_up(counts)


async def test_loses_and_doubles_nothing_while_the_postmaster_is_killed(
    server_home: Path, tmp_path: Path
) -> None:
    settings = DatabaseSettings(data_dir=str(server_home / "pg"), require_at_start=True)
    clock = SystemClock()
    spool = Spool(tmp_path, 16 * MB)
    async with supervised(Database(settings, clock)) as database:
        writer = EventWriter(database, spool, clock)
        async with writing(writer):
            for number in range(1, 3001):
                writer.put(event(number))
                if number % 1000 == 500:
                    await until(lambda: database.away_since is None)
                    kill_postmaster(server_home / "pg")
                    await until(lambda: database.away_since is not None)
                if number % 20 == 0:
                    await clock.sleep(0.005)
            await until(lambda: not writer.counts.pending)

        assert await numbers_in(database) == list(range(1, 3001))
        assert (writer.counts.stored, writer.counts.dead, writer.counts.dropped) == (3000, 0, 0)
