"""What the learner knows survives a restart, in a real PostgreSQL."""

import random

import pytest

from autonomous_healing.database import Database, DatabaseAway, DatabaseSettings
from autonomous_healing.learning import LayerEntry, LearningSettings, LearningStore, NestedLearner, Option
from autonomous_healing.resilience import SystemClock

CODE = "API.TIMEOUT"
OPTIONS = [Option("retry", 1.0, 0.5), Option("other_host", 1.0, 0.4), Option("cached_copy", 0.8, 0.01)]


def experienced(seed: int = 1, attempts: int = 300) -> NestedLearner:
    rng = random.Random(seed)
    learner = NestedLearner(LearningSettings(), random.Random(2))
    for index in range(attempts):
        option = rng.choice(OPTIONS)
        place = f"{CODE}:source_{rng.randrange(5)}"
        learner.learn(CODE, place, option.name, rng.random() < 0.6, rng.uniform(0.1, 0.9), index * 3600.0)
    return learner


def by_key(entries: tuple[LayerEntry, ...]) -> dict[tuple[str, str, str], LayerEntry]:
    return {(entry.layer, entry.key, entry.strategy): entry for entry in entries}


async def test_is_empty_before_the_first_snapshot(database: Database) -> None:
    assert await LearningStore(database).load() == ()


async def test_what_goes_in_comes_out_equal(database: Database) -> None:
    store, entries = LearningStore(database), experienced().snapshot()

    await store.save(entries)

    assert by_key(await store.load()) == by_key(entries)


async def test_a_later_snapshot_replaces_the_earlier_one(database: Database) -> None:
    store, learner = LearningStore(database), experienced()
    await store.save(learner.snapshot())
    learner.reset(f"{CODE}:source_0")
    learner.learn(CODE, f"{CODE}:source_1", "retry", True, 0.2, 4e6)

    await store.save(learner.snapshot())

    assert by_key(await store.load()) == by_key(learner.snapshot())


async def test_rows_that_did_not_change_keep_their_date(database: Database) -> None:
    store, learner = LearningStore(database), experienced()
    await store.save(learner.snapshot())
    learner.learn(CODE, f"{CODE}:source_1", "retry", True, 0.2, 1_080_000.0)
    await store.save(learner.snapshot())

    rows = await database.fetch(
        "SELECT key FROM learning_state"
        " WHERE layer = 'inner' AND updated_at > (SELECT min(updated_at) FROM learning_state)"
    )

    assert {row["key"] for row in rows} == {f"{CODE}:source_1"}


async def test_a_restart_changes_no_ranking(database: Database) -> None:
    before, after = experienced(), NestedLearner(LearningSettings(), random.Random(2))
    await LearningStore(database).save(before.snapshot())

    after.restore(await LearningStore(database).load())

    for source in range(7):
        ranks = [
            learner.rank(CODE, f"{CODE}:source_{source}", OPTIONS, 3.0, 1e6) for learner in (before, after)
        ]
        assert ranks[0] == ranks[1]


async def test_says_so_when_the_database_is_away() -> None:
    nowhere = Database(DatabaseSettings(mode="external", dsn="postgresql://127.0.0.1:1/none"), SystemClock())

    with pytest.raises(DatabaseAway):
        await LearningStore(nowhere).load()
