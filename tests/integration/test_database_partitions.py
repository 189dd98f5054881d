"""Daily partitions: made ahead, dropped when old, and never a reason to refuse a row."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from autonomous_healing.database import Database

NOON = datetime(2031, 5, 10, 12, 0, tzinfo=UTC)
INSERT = (
    "INSERT INTO trails (id, at, source, endpoint, status, body) VALUES ($1, $2, 's', 'e', 'healed', '{}')"
)


async def store(database: Database, at: datetime) -> UUID:
    number = uuid4()
    await database.execute(INSERT, number, at)
    return number


async def home_of(database: Database, number: UUID) -> str:
    [row] = await database.fetch("SELECT tableoid::regclass::text FROM trails WHERE id = $1", number)
    return str(row[0])


async def test_a_row_of_today_or_next_week_has_its_own_partition(database: Database) -> None:
    assert await database.ensure_partitions(NOON) == 4 * 9
    assert await database.ensure_partitions(NOON) == 0

    for days, name in [(-1, "trails_20310509"), (0, "trails_20310510"), (7, "trails_20310517")]:
        number = await store(database, NOON + timedelta(days=days))
        assert await home_of(database, number) == name


@pytest.mark.parametrize("second", [0, 86_399])
async def test_a_day_is_a_day_in_utc(database: Database, second: int) -> None:
    await database.execute("SET TIME ZONE 'Asia/Tokyo'")
    await database.ensure_partitions(NOON)

    number = await store(database, datetime(2031, 5, 11, tzinfo=UTC) + timedelta(seconds=second))

    assert await home_of(database, number) == "trails_20310511"


async def test_a_row_of_any_other_date_is_taken_all_the_same(database: Database) -> None:
    for at in (datetime(1970, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)):
        assert await home_of(database, await store(database, at)) == "trails_default"


async def test_rows_that_came_before_their_partition_move_into_it(database: Database) -> None:
    number = await store(database, NOON)
    assert await home_of(database, number) == "trails_default"

    await database.ensure_partitions(NOON)

    assert await home_of(database, number) == "trails_20310510"
    assert await database.execute(f"{INSERT} ON CONFLICT DO NOTHING", number, NOON) == "INSERT 0 0"


async def test_partitions_are_made_while_rows_arrive(database: Database) -> None:
    async def busy() -> None:
        for _ in range(50):
            await store(database, NOON)

    await asyncio.gather(busy(), busy(), database.ensure_partitions(NOON), database.ensure_partitions(NOON))

    [row] = await database.fetch("SELECT count(*) FROM trails_20310510")
    assert row[0] == 100


async def test_drops_what_is_older_than_the_retention_time_and_nothing_else(database: Database) -> None:
    await database.ensure_partitions(NOON)
    old, young = await store(database, NOON - timedelta(days=1)), await store(database, NOON)
    stray = await store(database, NOON - timedelta(days=300))

    dropped = await database.drop_old_partitions(NOON + timedelta(days=30), 30)

    assert "trails_20310509" in dropped
    assert "error_events_20310509" in dropped
    assert not {name for name in dropped if name >= "trails_20310510" and name.startswith("trails")}
    left = {row[0] for row in await database.fetch("SELECT id FROM trails")}
    assert left == {young}
    assert not left & {old, stray}


async def test_a_cure_is_seen_beside_its_failure(database: Database) -> None:
    failure, healed = uuid4(), uuid4()
    await database.execute(
        "INSERT INTO error_events (id, timestamp, source, endpoint, error_type)"
        " VALUES ($1, $2, 's', 'e', 't')",
        failure,
        NOON,
    )
    for number, outcome, seconds in [(uuid4(), "failed", 1), (healed, "healed", 2), (uuid4(), "healed", 3)]:
        await database.execute(
            "INSERT INTO healing_reports (id, at, outcome, strategy, error_event_id)"
            " VALUES ($1, $2, $3, 'x', $4)",
            number,
            NOON + timedelta(seconds=seconds),
            outcome,
            failure,
        )

    [row] = await database.fetch("SELECT cured, report_id, cure_strategy FROM error_events_with_cure")

    assert (row["cured"], row["report_id"], row["cure_strategy"]) == (True, healed, "x")
