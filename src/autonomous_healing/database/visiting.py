"""A database that another copy of the product looks after: it is neither started nor migrated from here."""

from pathlib import Path

import asyncpg

from autonomous_healing.database.connecting import open_pool
from autonomous_healing.database.embedded import running_server
from autonomous_healing.database.errors import DatabaseAway
from autonomous_healing.database.options import DatabaseSettings
from autonomous_healing.database.pool import Database
from autonomous_healing.database.waiting import Clock


class VisitedDatabase(Database):
    """For commands beside a running product. Raises `DatabaseAway` where no embedded server runs."""

    def __init__(self, settings: DatabaseSettings, clock: Clock, password: str = "") -> None:
        dsn = settings.dsn
        if settings.mode == "embedded":
            running = running_server(Path(settings.data_dir))
            if running is None:
                raise DatabaseAway(f"no PostgreSQL runs in {settings.data_dir}: start the product")
            dsn = running
        super().__init__(settings.model_copy(update={"mode": "external", "dsn": dsn}), clock, password)

    async def fetch(self, sql: str, *args: object, timeout: float | None = None) -> list[asyncpg.Record]:  # noqa: ASYNC109
        """As everywhere; a table that is not there yet counts as away."""
        try:
            return await super().fetch(sql, *args, timeout=timeout)
        except asyncpg.UndefinedTableError as fault:
            raise DatabaseAway(f"{fault}: start this release of the product first") from fault

    async def _connect(self) -> asyncpg.Pool:
        return await open_pool(self._dsn, self._settings, self._password)
