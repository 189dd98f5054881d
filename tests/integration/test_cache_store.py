"""Stored answers in a real PostgreSQL: they outlive the process, and trouble with it costs no answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from tests.caching import request
from tests.clock import ManualClock
from tests.eventually import eventually

from autonomous_healing.database import Database
from autonomous_healing.endpoint_healing.caching.rows import CacheRow
from autonomous_healing.endpoint_healing.caching.store import CacheStore, TableBounds
from autonomous_healing.endpoint_healing.caching.varying import variant_key
from autonomous_healing.resilience import SystemClock

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def row(target: str = "/x", body: bytes = b'{"a": "\x00\xff"}', **more: object) -> CacheRow:
    key = request(target).key
    whole = CacheRow(
        key=key,
        resource=key,
        source="shop",
        endpoint="/",
        kind="other",
        status=200,
        headers=(("content-type", "a/b"), ("x", "caf\xe9"), ("x", "2")),
        body=body,
        stored_at=NOW,
        fresh_until=NOW + timedelta(seconds=60),
        stale_until=NOW + timedelta(seconds=120),
        as_of=NOW - timedelta(microseconds=1),
        etag='W/"1"',
        hits=3,
    )
    return replace(whole, **more)  # type: ignore[arg-type]


def variant(language: str) -> CacheRow:
    asked = request(accept_language=language)
    names = (b"accept-language",)
    key = variant_key(asked.key, names, asked.fields)
    return row(key=key, varies=("accept-language",), body=language.encode())


@asynccontextmanager
async def storing(
    database: Database, clock: ManualClock | None = None, bounds: TableBounds | None = None
) -> AsyncIterator[CacheStore]:
    store = CacheStore(database, clock or ManualClock(NOW), bounds)
    try:
        yield store
    finally:
        await store.stop()


async def count(database: Database) -> int:
    [found] = await database.fetch("SELECT count(*) AS rows FROM response_cache")
    return int(found["rows"])


async def test_what_goes_in_comes_out_equal(database: Database) -> None:
    async with storing(database) as store:
        store.put(row())
        assert await store.flush()
        assert await store.find(row().resource) == row()
        assert (store.counts.written, store.counts.found, store.waiting) == (1, 1, 0)


async def test_it_is_there_after_a_restart(database: Database) -> None:
    async with storing(database) as before:
        before.put(row())
        await before.flush()
    async with storing(database) as after:
        assert await after.find(row().resource) == row()


async def test_a_newer_row_takes_the_place_of_an_older(database: Database) -> None:
    async with storing(database) as store:
        for body in (b"1", b"2"):
            store.put(row(body=body))
            await store.flush()
        found = await store.find(row().resource)
        assert found is not None
        assert (found.body, await count(database)) == (b"2", 1)


async def test_the_variant_that_is_asked_for_is_found(database: Database) -> None:
    async with storing(database) as store:
        for language in ("en", "de"):
            store.put(variant(language))
        await store.flush()
        for language in ("en", "de"):
            asked = request(accept_language=language)
            found = await store.find(asked.key, asked.fields)
            assert found == variant(language)
        assert await store.find(request().key) is None


async def test_what_is_of_no_use_any_more_is_not_found_and_is_swept(database: Database) -> None:
    clock = ManualClock(NOW)
    async with storing(database, clock) as store:
        store.put(row())
        store.put(row("/later", stale_until=NOW + timedelta(days=1)))
        await store.flush()
        clock.pass_time(120.0)
        assert await store.find(row().resource) is None
        assert await count(database) == 2
        clock.pass_time(3600.0)
        assert await store.flush()
        assert (await count(database), store.counts.swept) == (1, 1)
        assert await store.find(request("/later").key) is not None


@pytest.mark.parametrize("bounds", [TableBounds(rows=2), TableBounds(total_bytes=2500)])
async def test_the_table_does_not_grow_without_end(database: Database, bounds: TableBounds) -> None:
    async with storing(database, bounds=bounds) as store:
        for number in range(5):
            store.put(row(f"/{number}", bytes(1000), stored_at=NOW + timedelta(seconds=number)))
        await store.flush()
        await store.sweep()
        left = [number for number in range(5) if await store.find(request(f"/{number}").key)]
        assert left == [3, 4]


async def test_much_that_is_written_between_two_sweeps_calls_for_one(database: Database) -> None:
    async with storing(database, bounds=TableBounds(total_bytes=2500)) as store:
        for number in range(5):
            store.put(row(f"/{number}", bytes(1000), stored_at=NOW + timedelta(seconds=number)))
        await store.flush()
        assert await count(database) == 2


@pytest.mark.parametrize(
    "damage",
    [
        "body = set_byte(body, 1, get_byte(body, 1) # 1)",
        'headers = \'[["x", "y"]]\'',
        "headers = '{}'",
        "headers = '[[1]]'",
        "headers = 'null'",
        "status = 404",
        "fresh_until = fresh_until + interval '1 year'",
        "checksum = ''",
    ],
)
async def test_a_row_that_was_changed_is_not_used_and_goes(database: Database, damage: str) -> None:
    async with storing(database) as store:
        store.put(row())
        await store.flush()
        await database.execute(f"UPDATE response_cache SET {damage}")
        assert await store.find(row().resource) is None
        assert store.counts.corrupt == 1
        await store.flush()
        assert await count(database) == 0


async def test_what_is_removed_is_not_found_even_before_it_is_gone(database: Database) -> None:
    async with storing(database) as store:
        for one in (row(), variant("en"), row("/other")):
            store.put(one)
        await store.flush()
        store.put(row(body=b"waiting"))
        store.remove(row().resource)
        assert (await store.find(row().resource), store.waiting) == (None, 0)
        await store.flush()
        assert await count(database) == 1
        store.put(row())
        await store.flush()
        assert await store.find(row().resource) == row()


async def test_a_removal_during_a_read_is_heeded(database: Database) -> None:
    async with storing(database) as store:
        store.put(row())
        await store.flush()
        found: list[CacheRow | None] = []
        store.look(row().resource, (), found.append)
        store.remove(row().resource)
        await eventually(lambda: bool(found))
        assert found == [None]


async def test_all_of_a_source_or_of_an_endpoint_can_be_forgotten(database: Database) -> None:
    async with storing(database) as store:
        rows = [row("/1"), row("/2", endpoint="/quote"), row("/3", source="other")]
        for one in rows:
            store.put(one)
        await store.flush()
        store.put(row("/4", endpoint="/quote"))
        await store.forget_source("shop", "/quote")
        await store.flush()
        assert [bool(await store.find(one.resource)) for one in rows] == [True, False, True]
        assert await count(database) == 2
        await store.forget_source("shop")
        assert await count(database) == 1


async def test_a_locked_table_is_waited_for_for_a_moment_only(database: Database, dsn: str) -> None:
    async with storing(database) as store:
        store.put(row())
        await store.flush()
        other = await asyncpg.connect(dsn, server_settings={"search_path": "healing"})
        async with other.transaction():
            await other.execute("LOCK TABLE response_cache")
            clock = SystemClock()
            start = clock.monotonic()
            assert [await store.find(row().resource) for _ in range(4)] == [None] * 4
            assert clock.monotonic() - start < 1.0
            assert store.counts.skipped == 4
        await other.close()
        await eventually(lambda: not store.reads_under_way)
        assert await store.find(row().resource) == row()


async def test_a_database_that_takes_nothing_costs_rows_and_no_errors(database: Database) -> None:
    clock = ManualClock(NOW)
    async with storing(database, clock) as store:
        await database.execute("ALTER TABLE response_cache RENAME TO hidden")
        store.put(row())
        assert not await store.flush()
        assert await store.find(row().resource) is None
        assert (store.waiting, store.counts.dropped) == (0, 1)
        await database.execute("ALTER TABLE hidden RENAME TO response_cache")
        store.put(row())
        assert await store.flush()
        assert await store.find(row().resource) == row()


async def test_a_database_that_may_only_be_read_costs_rows_and_no_errors(
    database: Database, dsn: str
) -> None:
    admin = await asyncpg.connect(dsn)
    name = dsn.rsplit("/", 1)[1].partition("?")[0]
    async with storing(database) as store:
        store.put(row())
        await store.flush()
        await admin.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        store.put(row(body=b"newer"))
        for _ in range(20):  # until all connections are new ones
            if not await store.flush():
                break
            store.put(row(body=b"newer"))
        store.remove(row().resource)
        assert not await store.flush()
        assert store.counts.dropped >= 1
    await admin.close()


async def test_away_it_is_passed_by(database: Database) -> None:
    async with storing(database) as store:
        store.put(row())
        await store.flush()
        await database.stop()
        store.put(row())
        assert await store.find(row().resource) is None
        assert not await store.flush()
        assert (store.waiting, store.counts.dropped) == (0, 1)


async def test_what_waits_is_bounded(database: Database) -> None:
    async with storing(database) as store:
        for number in range(1200):
            store.put(row(f"/{number}"))
        assert (store.waiting, store.counts.dropped) == (1000, 200)
        store.put(row("/1", body=b"newer"))  # in the place of the one that waits
        assert (store.waiting, store.counts.dropped) == (1000, 200)
    async with storing(database) as store:
        for number in range(6):
            store.put(row(f"/{number}", bytes(4 * 1_048_576)))
        assert (store.waiting, store.counts.dropped) == (4, 2)


async def test_it_is_written_behind_everybody_s_back(database: Database) -> None:
    clock = ManualClock(NOW)
    async with storing(database, clock) as store:
        running = asyncio.create_task(store.run())
        store.put(row())
        await clock.advance(0.5)
        await eventually(lambda: store.counts.written == 1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert (store.counts.written, store.waiting, store.counts.dropped) == (1, 0, 0)
