"""Counters of quotas survive a restart, in a real PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.quotas import COUNTER, Machine

from autonomous_healing.database import Database
from autonomous_healing.endpoint_healing.limits_store import KEPT, QuotaBooks, QuotaStore
from autonomous_healing.endpoint_healing.quotas.counter_file import CounterFile
from autonomous_healing.endpoint_healing.quotas.options import QuotaWindowSettings

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

SLIDING = replace(
    COUNTER, key_alias="", window="90s", estimated=17.5, declared=None, resets_at=None, rests={}, calls={}
)


async def test_what_goes_in_comes_out_equal(database: Database) -> None:
    store = QuotaStore(database)
    await store.save([COUNTER, SLIDING])
    found = {one.window: one for one in await store.load(LONG_AGO)}
    assert found == {
        "day": replace(COUNTER, calls={name: list(parts) for name, parts in COUNTER.calls.items()}),
        "90s": SLIDING,
    }


async def test_the_newest_wins_whatever_the_order(database: Database) -> None:
    store = QuotaStore(database)
    newer = replace(COUNTER, used=9, updated_at=COUNTER.updated_at + timedelta(seconds=1))
    for counter in (COUNTER, newer, COUNTER):
        await store.save([counter])
    [found] = await store.load(LONG_AGO)
    assert found.used == 9


async def test_what_is_too_old_to_count_is_not_read(database: Database) -> None:
    store = QuotaStore(database)
    await store.save([COUNTER])
    assert await store.load(COUNTER.updated_at) == []
    assert len(await store.load(COUNTER.updated_at - KEPT)) == 1
    await store.save([])


async def test_a_life_ends_and_the_next_one_counts_on(database: Database, tmp_path: Path) -> None:
    store = QuotaStore(database)
    windows = {
        "small": (QuotaWindowSettings(window="day", limit=25, kind="fixed"),),
        "large": (QuotaWindowSettings(window="minute", limit=2000),),
    }
    machine = Machine(tmp_path / "unused", windows)

    def start(life: int) -> QuotaBooks:
        machine.start()
        file = CounterFile(tmp_path / f"counters-{life}")  # each on another machine
        return QuotaBooks(machine.ledgers.values, file, store, machine.clock)

    made = 0
    for life in range(5):
        books = start(life)
        await books.recall()
        made += machine.ask("small", 7)
        machine.ask("large", 100)
        await books.save()
        machine.clock.pass_time(10.0)
    assert made == 25
    assert machine.used("large") == 500
