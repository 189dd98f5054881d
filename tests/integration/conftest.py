from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.integration.postgres import PostgresForTests, postgres_for_tests, reachable_directory

from autonomous_healing.database import Database, DatabaseSettings
from autonomous_healing.resilience.clock import SystemClock


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresForTests]:
    with postgres_for_tests() as server:
        yield server


@pytest.fixture
async def empty_dsn(postgres: PostgresForTests) -> AsyncIterator[str]:
    """A database without our schema."""
    dsn = await postgres.create()
    yield dsn
    await postgres.drop(dsn)


@pytest.fixture
async def dsn(postgres: PostgresForTests) -> AsyncIterator[str]:
    """A migrated database of the test's own."""
    dsn = await postgres.create(postgres.template)
    yield dsn
    await postgres.drop(dsn)


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    """A started `Database` that nobody supervises."""
    settings = DatabaseSettings(mode="external", dsn=dsn, require_at_start=True)
    database = Database(settings, SystemClock())
    await database.start()
    yield database
    await database.stop()


@pytest.fixture
def server_home() -> Iterator[Path]:
    """An empty directory in which an embedded server may live."""
    with reachable_directory() as directory:
        yield directory
