"""Brings a database to the newest schema: numbered SQL files, forward only, each applied once."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

import asyncpg

from autonomous_healing.database.errors import DatabaseRefused
from autonomous_healing.database.queries import load_queries
from autonomous_healing.database.waiting import Clock

_SQL = load_queries(__package__, "statements.sql")
_FILE_NAME = re.compile(r"(\d{4})_(\w+)\.sql")


class MigrationEdited(DatabaseRefused):
    """A migration was changed after this database had applied it."""


class MigrationUnknown(DatabaseRefused):
    """The database has applied a migration that this release does not have, or files are numbered wrongly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Migration:
    """One file of `migrations/`."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.version:04}_{self.name}.sql"


def migrations_home() -> Traversable:
    """The folder in this package; `migrations/` at the root of a checkout is a link to it."""
    return resources.files(__package__).joinpath("migrations")


def read_migrations(home: Traversable) -> tuple[Migration, ...]:
    """All migrations in order; raises `MigrationUnknown` unless they are numbered 1, 2, 3 ..."""
    found = sorted(
        (
            Migration(version=int(match[1]), name=match[2], sql=_text(file))
            for file in home.iterdir()
            if (match := _FILE_NAME.fullmatch(file.name))
        ),
        key=lambda migration: migration.version,
    )
    if not found or [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationUnknown(f"the migrations in {home} are not numbered 0001, 0002 ... without a gap")
    return tuple(found)


async def migrate(
    connection: asyncpg.Connection, schema: str, clock: Clock, migrations: Sequence[Migration]
) -> int:
    """Apply what is missing and return how many that were; waits while another process does the same.

    All or nothing, in one transaction. The connection's search path must start with `schema` and its
    statement timeout must be off. Raises `MigrationEdited` or `MigrationUnknown` with nothing changed.
    """
    async with connection.transaction():
        await connection.execute(_SQL["lock_migrations"], schema)
        await connection.execute(_SQL["create_schema"].format(schema=f'"{schema}"'))
        await connection.execute(_SQL["create_bookkeeping"])
        applied = {row["version"]: row for row in await connection.fetch(_SQL["applied_migrations"])}
        _refuse_surprises(applied, migrations)
        missing = [migration for migration in migrations if migration.version not in applied]
        await _apply(connection, clock, missing)
        return len(missing)


async def _apply(connection: asyncpg.Connection, clock: Clock, missing: Iterable[Migration]) -> None:
    for migration in missing:
        await connection.execute(migration.sql)
        await connection.execute(
            _SQL["note_migration"], migration.version, migration.name, migration.checksum, clock.now()
        )


def _refuse_surprises(applied: Mapping[int, asyncpg.Record], migrations: Sequence[Migration]) -> None:
    known = {migration.version: migration for migration in migrations}
    for version, row in applied.items():
        if version not in known:
            raise MigrationUnknown(
                f"the database has applied {version:04}_{row['name']}.sql, but this release ends with "
                f"{migrations[-1]}: start a release that has it"
            )
        if row["checksum"] != known[version].checksum:
            raise MigrationEdited(
                f"{known[version]} was edited after this database had applied it: "
                "restore the file and put the change into a new migration"
            )


def _text(file: Traversable) -> str:
    # A checkout may have turned line ends around; that is no edit.
    return file.read_text(encoding="utf-8").replace("\r\n", "\n")
