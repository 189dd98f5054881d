"""A real PostgreSQL for tests: one server a worker, one migrated template, one database a test."""

import asyncio
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from autonomous_healing.database import Database, DatabaseSettings
from autonomous_healing.database.connecting import prepare_schema
from autonomous_healing.database.embedded import EmbeddedPostgres
from autonomous_healing.resilience.clock import SystemClock

CLOCK = SystemClock()
TEMPLATE = "ah_template"
#: Nothing that a test stores has to survive a power cut.
CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresForTests:
    """Makes and drops databases on one server; `admin_dsn` may create databases, `dsn` is the product's."""

    def __init__(self, admin_dsn: str, dsn: str) -> None:
        self._admin_dsn = admin_dsn
        self._dsn = dsn
        self._prefix = f"ah_{os.getpid()}"
        self._numbers = itertools.count(1)
        self._template = f"{self._prefix}_{TEMPLATE}"

    @property
    def template(self) -> str:
        """The migrated database that others are copies of."""
        return self._template

    async def create(self, template: str = "template0") -> str:
        """A new database, as a copy of `template`; its DSN."""
        return await self._create(f"{self._prefix}_{next(self._numbers)}", template)

    async def create_template(self) -> None:
        dsn = await self._create(self._template, "template0")
        await prepare_schema(dsn, DatabaseSettings(mode="external", dsn=dsn), "", CLOCK)

    async def drop(self, dsn: str) -> None:
        await self._administer(f'DROP DATABASE "{urlsplit(dsn).path[1:]}" WITH (FORCE)')

    async def drop_template(self) -> None:
        await self._administer(f'DROP DATABASE "{self._template}" WITH (FORCE)')

    async def _create(self, name: str, template: str) -> str:
        owner = urlsplit(self._dsn).username
        suffix = f' OWNER "{owner}"' if owner else ""
        await self._administer(f'CREATE DATABASE "{name}" TEMPLATE "{template}"{suffix}')
        return _with_database(self._dsn, name)

    async def _administer(self, statement: str) -> None:
        connection = await asyncpg.connect(self._admin_dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextmanager
def reachable_directory() -> Iterator[Path]:
    """A short directory that PostgreSQL's own account can enter when the tests run as root."""
    directory = Path(tempfile.mkdtemp(prefix="ah-", dir="/tmp"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


@contextmanager
def postgres_for_tests() -> Iterator[PostgresForTests]:
    """The server named by `AH_TEST_DSN`, else an embedded one that ends with the tests."""
    if given := os.environ.get("AH_TEST_DSN"):
        postgres = PostgresForTests(given, given)
        asyncio.run(postgres.create_template())
        yield postgres
        asyncio.run(postgres.drop_template())
        return
    with reachable_directory() as directory:
        server = EmbeddedPostgres(directory / "pg", CLOCK, CARELESS)
        dsn = asyncio.run(server.start())
        try:
            admin_dsn = _with_database(dsn.replace("//healing@", "//postgres@"), "postgres")
            postgres = PostgresForTests(admin_dsn, dsn)
            asyncio.run(postgres.create_template())
            yield postgres
        finally:
            asyncio.run(server.stop())


@asynccontextmanager
async def supervised(database: Database) -> AsyncIterator[Database]:
    """Started, looked after, and stopped whatever happens."""
    await database.start()
    task = asyncio.create_task(database.run())
    try:
        yield database
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await database.stop()


async def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for something that other tasks or processes bring about; `TimeoutError` if it does not come."""
    async with asyncio.timeout(seconds):
        while not true():
            await CLOCK.sleep(0.01)


def kill_postmaster(data_dir: Path) -> None:
    """The hard way, as a machine out of memory does it."""
    os.kill(int((data_dir / "postmaster.pid").read_text().split("\n")[0]), signal.SIGKILL)


def _with_database(dsn: str, name: str) -> str:
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(path=f"/{name}")).replace(":/?", ":///?")
