"""PostgreSQL and the way to it: connection, migrations, event writer, spool. Knows no event's meaning."""

from autonomous_healing.database.errors import DatabaseAway, DatabaseRefused
from autonomous_healing.database.options import DatabaseSettings
from autonomous_healing.database.pool import Database
from autonomous_healing.database.queries import load_queries
from autonomous_healing.database.rows import Row
from autonomous_healing.database.spool import Spool
from autonomous_healing.database.writer import EventWriter

__all__ = [
    "Database",
    "DatabaseAway",
    "DatabaseRefused",
    "DatabaseSettings",
    "EventWriter",
    "Row",
    "Spool",
    "load_queries",
]
