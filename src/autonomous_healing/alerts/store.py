"""Alerts in PostgreSQL. The statements are in store.sql, by name."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict

import asyncpg

from autonomous_healing.alerts.alert import Alert, AlertLevel, AlertState, Felt
from autonomous_healing.database import Database, load_queries

_SQL = load_queries(__package__, "store.sql")


class AlertStore:
    """Keeps alerts through their life. Its methods raise `DatabaseAway`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, alerts: Iterable[Alert]) -> None:
        """Write each of them over what is kept under its id, all or none."""
        rows = [_to_row(alert) for alert in alerts]
        if rows:
            await self._database.execute(_SQL["save_alerts"], json.dumps(rows, allow_nan=False))

    async def load_open(self) -> tuple[Alert, ...]:
        """Those that were not resolved when they were last saved, oldest first."""
        return tuple(_from_row(row) for row in await self._database.fetch(_SQL["load_open_alerts"]))


def _to_row(alert: Alert) -> Mapping[str, object]:
    row = asdict(alert)
    at = row.pop("timestamp")
    resolved_at = alert.resolved_at.isoformat() if alert.resolved_at else None
    return {**row, "at": at.isoformat(), "level": alert.level.word, "resolved_at": resolved_at}


def _from_row(row: asyncpg.Record) -> Alert:
    return Alert(
        id=row["id"],
        fingerprint=row["fingerprint"],
        timestamp=row["at"],
        level=AlertLevel[row["level"].upper()],
        title=row["title"],
        message=row["message"],
        source=row["source"],
        endpoint=row["endpoint"],
        code=row["code"],
        cluster=row["cluster"],
        health_status=row["health_status"],
        error_rate=row["error_rate"],
        affected_endpoints=tuple(json.loads(row["affected_endpoints"])),
        healing_attempted=row["healing_attempted"],
        healing_successful=row["healing_successful"],
        tried=tuple(json.loads(row["tried"])),
        recommended_actions=tuple(json.loads(row["recommended_actions"])),
        state=AlertState(row["state"]),
        occurrences=row["occurrences"],
        auto_resolve=row["auto_resolve"],
        resolved_at=row["resolved_at"],
        felt=Felt(**json.loads(row["felt"])),
    )
