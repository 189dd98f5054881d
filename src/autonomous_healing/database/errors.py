"""What can go wrong with the database as a whole; a statement's fault stays `asyncpg.PostgresError`."""

import asyncpg


class DatabaseAway(Exception):
    """PostgreSQL cannot be reached, or did not answer in time."""


class DatabaseRefused(Exception):
    """The database is there but must not be used as it is; trying again does not help."""


class DataDirectoryInUse(DatabaseRefused):
    """Another running copy of the product owns the data directory."""


class EmbeddedFailure(Exception):
    """The embedded PostgreSQL did not start; the message ends with the last lines of its log."""


#: Said by a server that is there but takes no work, or by a connection that is no more.
AWAY = (
    OSError,  # TimeoutError is one of them
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InternalClientError,
)
