"""The product's PostgreSQL: started, watched, found again. Knows no table but its own bookkeeping."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from autonomous_healing.database.connecting import (
    abandon,
    connect,
    is_lost,
    open_pool,
    part_from,
    prepare_schema,
)
from autonomous_healing.database.embedded import EmbeddedPostgres
from autonomous_healing.database.errors import AWAY, DatabaseAway, DatabaseRefused, EmbeddedFailure
from autonomous_healing.database.options import DatabaseSettings
from autonomous_healing.database.queries import load_queries
from autonomous_healing.database.waiting import Clock, first_of

log = logging.getLogger(__name__)

_SQL = load_queries(__package__, "statements.sql")

#: A start that does not need the database goes on after this; the proxy must answer within 3 s.
_FIRST_TRY_SECONDS = 2.0
_WATCH_SECONDS = 2.0
_BACKOFF_SECONDS = 0.5
_BACKOFF_CAP_SECONDS = {"external": 30.0, "embedded": 2.0}
_PARTITION_ROUND_SECONDS = 3600.0
#: Above the server's own statement timeout, so that normally the server is the one to give up.
_ANSWER_MARGIN_SECONDS = 3.0


class Database:
    """The door to PostgreSQL: statements go through it, and it comes back by itself when it was away.

    `run` must be running for that. Every method that needs the server raises `DatabaseAway` while there is
    none; faults of a statement itself stay `asyncpg.PostgresError`.
    """

    def __init__(self, settings: DatabaseSettings, clock: Clock, password: str = "") -> None:
        self._settings = settings
        self._clock = clock
        self._password = password
        embedded = settings.mode == "embedded"
        self._embedded = EmbeddedPostgres(Path(settings.data_dir), clock) if embedded else None
        self._dsn = settings.dsn
        self._pool: asyncpg.Pool | None = None
        self._away_since: datetime | None = clock.now()
        self._fault: Exception | None = None
        self._connecting = asyncio.Lock()
        self._doubted = asyncio.Event()
        self._first_try: asyncio.Task[bool] | None = None
        self._partitions_due = 0.0

    @property
    def away_since(self) -> datetime | None:
        """When the database was last lost; None while it is there."""
        return self._away_since

    @property
    def pool(self) -> asyncpg.Pool:
        """The live pool; raises `DatabaseAway` when there is none."""
        if self._pool is None:
            raise DatabaseAway(f"no connection since {self._away_since}: {self._fault or 'not started'}")
        return self._pool

    async def start(self) -> None:
        """Try to connect; go on without success unless the settings require the database at start.

        Raises `DatabaseRefused` where trying again would not help, and `DatabaseAway` where it is required.
        """
        required = self._settings.require_at_start
        self._first_try = asyncio.create_task(self._try_until_there() if required else self._try_to_connect())
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.start_wait if required else _FIRST_TRY_SECONDS):
                await asyncio.shield(self._first_try)
        if isinstance(self._fault, DatabaseRefused):
            raise self._fault
        if required and self._pool is None:
            await self.stop()
            raise DatabaseAway(f"not there after {self._settings.start_wait:g} s: {self._fault}")

    async def run(self) -> None:
        """Keep the database there, for ever: restart, reconnect, migrate, look after partitions."""
        while True:
            if self._pool is None or not await self._answers():
                await self._let_go()
                await self._try_until_there(forever=True)
            if self._pool is not None and self._clock.monotonic() >= self._partitions_due:
                await self._look_after_partitions()
            await first_of(self._clock.sleep(_WATCH_SECONDS), self._doubted.wait())
            self._doubted.clear()

    async def stop(self) -> None:
        """Close the pool and stop the embedded server; may be called at any time and twice."""
        if self._first_try is not None:
            self._first_try.cancel()
            await asyncio.gather(self._first_try, return_exceptions=True)
        await self._let_go()
        if self._embedded is not None:
            await self._embedded.stop()

    async def fetch(self, sql: str, *args: object, timeout: float | None = None) -> list[asyncpg.Record]:  # noqa: ASYNC109
        """All rows of one statement; `timeout` in seconds, else a little above the statement timeout."""
        async with self._connection(timeout) as connection:
            return await connection.fetch(sql, *args)

    async def execute(self, sql: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109
        """Run one statement and return its command tag, such as `INSERT 0 1`."""
        async with self._connection(timeout) as connection:
            return await connection.execute(sql, *args)

    async def executemany(
        self,
        sql: str,
        rows: Iterable[Sequence[object]],
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> None:
        """Run one statement for each of the rows, all or none."""
        async with self._connection(timeout) as connection:
            await connection.executemany(sql, rows)

    @asynccontextmanager
    async def transaction(self, timeout: float | None = None) -> AsyncIterator[PoolConnectionProxy]:  # noqa: ASYNC109
        """A connection for several statements, all or none; `timeout` in seconds holds for the whole."""
        async with self._connection(timeout) as connection:
            whole = connection.transaction()
            await whole.start()
            try:
                yield connection
            except asyncio.CancelledError:
                raise  # time is up, and the connection is cut: a server that hangs would hang in ROLLBACK too
            except BaseException:
                await whole.rollback()
                raise
            await whole.commit()

    async def ensure_partitions(self, now: datetime) -> int:
        """Daily partitions from yesterday to a week ahead; returns how many were missing."""
        [row] = await self.fetch(_SQL["ensure_partitions"], now)
        return int(row[0])

    async def drop_old_partitions(self, now: datetime, retention_days: int) -> tuple[str, ...]:
        """Drop the partitions that ended more than so many days ago and return their names."""
        rows = await self.fetch(_SQL["drop_old_partitions"], now, retention_days)
        return tuple(row[0] for row in rows)

    @asynccontextmanager
    async def _connection(self, seconds: float | None) -> AsyncIterator[PoolConnectionProxy]:
        """The border: what says that the server is away leaves as `DatabaseAway`, SQL errors as they are."""
        pool = self.pool
        answer = seconds or self._settings.statement_timeout_ms / 1000 + _ANSWER_MARGIN_SECONDS
        try:
            connection = await pool.acquire(timeout=min(answer, self._settings.connect_timeout))
        except (*AWAY, asyncpg.InterfaceError) as fault:
            raise self._doubt(fault) from fault
        try:
            async with asyncio.timeout(answer):
                yield connection
        except (TimeoutError, asyncio.CancelledError) as fault:
            abandon(connection)  # a backend that does not answer is not waited for
            if isinstance(fault, TimeoutError):
                raise self._doubt(fault) from fault
            raise
        except asyncpg.QueryCanceledError as fault:
            raise DatabaseAway(f"took longer than the statement timeout: {fault}") from fault
        except AWAY as fault:
            abandon(connection)  # it may stand in the middle of a statement, where no reset is possible
            raise self._doubt(fault) from fault
        except asyncpg.InterfaceError as fault:
            if is_lost(connection):
                raise self._doubt(fault) from fault
            raise
        finally:
            # What the statement came to stands, even if its connection cannot be used again.
            with suppress(*AWAY, asyncpg.InterfaceError, asyncpg.PostgresError):
                await pool.release(connection)

    def _doubt(self, fault: Exception) -> DatabaseAway:
        """Have `run` look after the server at once; a mere lack of time is no proof that it is away."""
        if not isinstance(fault, TimeoutError):
            self._mark_away(fault)
        self._doubted.set()
        return DatabaseAway(f"{type(fault).__name__}: {fault}")

    def _mark_away(self, fault: Exception) -> None:
        self._fault = fault
        if self._away_since is None:
            self._away_since = self._clock.now()
            log.warning("database_lost", extra={"reason": f"{type(fault).__name__}: {fault}"})

    async def _try_until_there(self, *, forever: bool = False) -> bool:
        """Connect, again and again; gives up, unless `forever`, where trying again does not help."""
        pause = _BACKOFF_SECONDS
        while not await self._try_to_connect():
            if isinstance(self._fault, DatabaseRefused) and not forever:
                return False
            await self._clock.sleep(pause)
            pause = min(pause * 2, _BACKOFF_CAP_SECONDS[self._settings.mode])
        return True

    async def _try_to_connect(self) -> bool:
        async with self._connecting:
            if self._pool is not None:
                return True
            try:
                self._pool = await self._connect()
            except (
                *AWAY,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                EmbeddedFailure,
                DatabaseRefused,
            ) as e:
                if repr(e) != repr(self._fault):
                    log.warning("database_not_reached", extra={"reason": f"{type(e).__name__}: {e}"})
                self._fault = e
                return False
            self._back()
            return True

    async def _connect(self) -> asyncpg.Pool:
        if self._embedded is not None:
            self._dsn = await self._embedded.start()
        await prepare_schema(self._dsn, self._settings, self._password, self._clock)
        return await open_pool(self._dsn, self._settings, self._password)

    def _back(self) -> None:
        self._fault = None
        if self._away_since is not None:
            away = (self._clock.now() - self._away_since).total_seconds()
            self._away_since = None
            log.info("database_found", extra={"away_seconds": round(away, 3)})

    async def _answers(self) -> bool:
        """Ask over a connection of its own, since a busy pool says nothing about the server."""
        try:
            connection = await connect(self._dsn, self._settings, self._password)
            await part_from(connection)
        except asyncpg.TooManyConnectionsError:
            pass  # it is there, only busy
        except (*AWAY, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
            self._mark_away(fault)
            return False
        self._back()
        return True

    async def _look_after_partitions(self) -> None:
        now = self._clock.now()
        try:
            await self.ensure_partitions(now)
            dropped = await self.drop_old_partitions(now, self._settings.retention_days)
        except (DatabaseAway, asyncpg.PostgresError) as fault:
            log.warning("partitions_neglected", extra={"reason": str(fault)})
            return
        self._partitions_due = self._clock.monotonic() + _PARTITION_ROUND_SECONDS
        if dropped:
            log.info("partitions_dropped", extra={"partitions": list(dropped)})

    async def _let_go(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()
