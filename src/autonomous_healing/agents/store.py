"""The agents' heartbeats in PostgreSQL. The statement is in store.sql."""

import json
from collections.abc import Sequence

from autonomous_healing.agents.agent import AgentStatus
from autonomous_healing.database import Database, load_queries

_SQL = load_queries(__package__, "store.sql")


class AgentStore:
    """Its method raises `DatabaseAway`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, statuses: Sequence[AgentStatus]) -> None:
        rows = [
            {
                "name": one.name,
                "state": one.state.value,
                "last_success": one.last_success.isoformat() if one.last_success else None,
                "last_error": one.last_error or None,
                "restarts": one.restarts,
                "inbox_depth": one.inbox_depth,
                "processed": one.processed,
            }
            for one in statuses
        ]
        await self._database.execute(_SQL["save_status"], json.dumps(rows))
