"""How connections to PostgreSQL are made."""

import asyncio
from contextlib import suppress
from typing import TypedDict

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from autonomous_healing.database.migrate import migrate, migrations_home, read_migrations
from autonomous_healing.database.options import DatabaseSettings
from autonomous_healing.database.waiting import Clock

_FAREWELL_SECONDS = 1.0


class _Arguments(TypedDict):
    """What asyncpg is told of every connection."""

    password: str | None
    timeout: float
    server_settings: dict[str, str]


def _arguments(settings: DatabaseSettings, password: str, statement_timeout_ms: int) -> _Arguments:
    # Not by SET: a connection that goes back to its pool is reset, and would forget it.
    return {
        "password": password or None,
        "timeout": settings.connect_timeout,
        "server_settings": {
            "search_path": settings.schema_name,
            "statement_timeout": str(statement_timeout_ms),
            "application_name": "autonomous_healing",
        },
    }


async def connect(dsn: str, settings: DatabaseSettings, password: str) -> asyncpg.Connection:
    """One connection outside of the pool, proven by a statement."""
    arguments = _arguments(settings, password, settings.statement_timeout_ms)
    connection: asyncpg.Connection = await asyncpg.connect(dsn, **arguments)
    try:
        async with asyncio.timeout(settings.connect_timeout):
            await connection.execute("SELECT 1")
    except BaseException:
        connection.terminate()
        raise
    return connection


async def open_pool(dsn: str, settings: DatabaseSettings, password: str) -> asyncpg.Pool:
    """A pool with its least number of connections made."""
    arguments = _arguments(settings, password, settings.statement_timeout_ms)
    pool = asyncpg.create_pool(dsn, min_size=settings.pool_min, max_size=settings.pool_max, **arguments)
    try:
        async with asyncio.timeout(settings.connect_timeout):
            return await pool
    except BaseException:
        pool.terminate()
        raise


async def prepare_schema(dsn: str, settings: DatabaseSettings, password: str, clock: Clock) -> None:
    """Apply the migrations that are missing and make the partitions of the coming days."""
    connection = await asyncpg.connect(dsn, **_arguments(settings, password, statement_timeout_ms=0))
    try:
        async with asyncio.timeout(settings.start_wait):
            await migrate(connection, settings.schema_name, clock, read_migrations(migrations_home()))
            await connection.execute("SELECT ensure_partitions($1)", clock.now())
    finally:
        await part_from(connection)


async def part_from(connection: asyncpg.Connection) -> None:
    """Close it politely if the server still listens, else at once."""
    try:
        await connection.close(timeout=_FAREWELL_SECONDS)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()


def abandon(connection: PoolConnectionProxy) -> None:
    """Cut it at once; the pool may have noticed the loss before and taken it back."""
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


def is_lost(connection: PoolConnectionProxy) -> bool:
    """Whether it is closed, or was closed so suddenly that the pool has already taken it back."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True
