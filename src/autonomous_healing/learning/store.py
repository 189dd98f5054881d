"""What was learned, in PostgreSQL. The statements are in store.sql, by name."""

import json
from collections.abc import Iterable
from dataclasses import asdict

from autonomous_healing.database import Database, load_queries
from autonomous_healing.learning.nested import LayerEntry

_SQL = load_queries(__package__, "store.sql")


class LearningStore:
    """Keeps the latest snapshot. Its methods raise `DatabaseAway`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, entries: Iterable[LayerEntry]) -> None:
        """Replace what is kept, all or nothing. Load first: what is not in `entries` is forgotten."""
        snapshot = json.dumps([asdict(entry) for entry in entries], allow_nan=False)
        await self._database.execute(_SQL["save_learning_state"], snapshot)

    async def load(self) -> tuple[LayerEntry, ...]:
        """What was saved last; nothing at all before the first time."""
        rows = await self._database.fetch(_SQL["load_learning_state"])
        return tuple(
            LayerEntry(row["layer"], row["key"], row["strategy"], json.loads(row["state"])) for row in rows
        )
