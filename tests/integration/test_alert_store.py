"""Alerts survive a restart, in a real PostgreSQL."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.troubles import MASKED, NOON, NOT_HEALED, alert_of

from autonomous_healing.alerts import AlertLevel, AlertStore, Felt
from autonomous_healing.database import Database, DatabaseAway, DatabaseSettings
from autonomous_healing.resilience import SystemClock

FULL = alert_of(MASKED, occurrences=3)
BARE = alert_of(
    replace(NOT_HEALED, endpoint="/quote", error_rate=None, felt=Felt(), tried=()),
    alert_id="alert_2_1772452801",
    timestamp=NOON + timedelta(microseconds=1),
    auto_resolve=False,
)


async def test_is_empty_at_first_and_takes_nothing_for_an_answer(database: Database) -> None:
    store = AlertStore(database)

    await store.save([])

    assert await store.load_open() == ()


async def test_what_goes_in_comes_out_equal_and_oldest_first(database: Database) -> None:
    store = AlertStore(database)

    await store.save([BARE, FULL])

    assert await store.load_open() == (FULL, BARE)


async def test_a_later_version_replaces_the_earlier_one(database: Database) -> None:
    store = AlertStore(database)
    risen = replace(
        FULL,
        level=AlertLevel.CRITICAL,
        title="Yahoo Finance - Failed",
        message="Error persisting on /chart.",
        health_status="failed",
        error_rate=1.0,
        felt=Felt(error=0.9),
        affected_endpoints=("/chart", "/search"),
        healing_attempted=False,
        healing_successful=False,
        tried=("rotate_api_key",),
        recommended_actions=("Waiting for recovery",),
        occurrences=4,
    )
    await store.save([FULL, BARE])

    await store.save([risen])

    assert await store.load_open() == (risen, BARE)


async def test_what_is_over_is_kept_but_not_loaded(database: Database) -> None:
    store = AlertStore(database)
    await store.save([FULL, BARE])

    await store.save([FULL.resolved(NOON)])

    assert await store.load_open() == (BARE,)
    [row] = await database.fetch("SELECT state, level, resolved_at FROM alerts WHERE id = $1", FULL.id)
    assert tuple(row) == ("resolved", "warning", NOON)


async def test_leaves_alone_what_others_wrote_of_an_alert(database: Database) -> None:
    store = AlertStore(database)
    await store.save([FULL])
    await database.execute("UPDATE alerts SET acked_by = 'ann'")

    await store.save([replace(FULL, occurrences=9)])

    [row] = await database.fetch("SELECT acked_by, occurrences FROM alerts")
    assert tuple(row) == ("ann", 9)


async def test_keeps_words_of_every_kind(database: Database) -> None:
    store = AlertStore(database)
    odd = replace(FULL, message="It's 100 % \"wrong\" \\ 'é' 中 🙂; DROP TABLE alerts", tried=('a"b', "c,d"))

    await store.save([odd])

    assert await store.load_open() == (odd,)


async def test_says_so_when_the_database_is_away() -> None:
    nowhere = Database(DatabaseSettings(mode="external", dsn="postgresql://127.0.0.1:1/none"), SystemClock())

    with pytest.raises(DatabaseAway):
        await AlertStore(nowhere).save([FULL])
    with pytest.raises(DatabaseAway):
        await AlertStore(nowhere).load_open()
