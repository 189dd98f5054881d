"""Circuits in PostgreSQL. The statements are in circuit_store.sql, by name."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from autonomous_healing.database import Database, load_queries
from autonomous_healing.resilience import BreakerMemory, BreakerState, Clock, Force

_SQL = load_queries(__package__, "circuit_store.sql")


class CircuitStore:
    """What must be known of circuits after a restart. Its methods raise `DatabaseAway`.

    Here times are dates. A wall clock that was set meanwhile lets none of them last longer than it was to.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def save(self, memories: Mapping[str, BreakerMemory]) -> None:
        """As they are now, by target."""
        now = self._clock.now()
        rows = [_row(target, memory, now) for target, memory in memories.items()]
        if rows:
            await self._database.execute(_SQL["save_breakers"], json.dumps(rows))

    async def load(self) -> dict[str, BreakerMemory]:
        """Those that were not plainly closed when they were last written."""
        rows, now = await self._database.fetch(_SQL["load_breakers"]), self._clock.now()
        return {row["target"]: _memory(row, now) for row in rows}


def _row(target: str, memory: BreakerMemory, now: datetime) -> dict[str, str | int | None]:
    def at(seconds: float) -> str:
        return (now + timedelta(seconds=seconds)).isoformat()

    is_open, forced = memory.state is not BreakerState.CLOSED, memory.forced is not None
    return {
        "target": target,
        "state": memory.state.value,
        "n": memory.openings,
        "reason": memory.reason,
        "opened_at": at(-memory.opened_ago) if is_open else None,
        "until": at(memory.seconds_left) if is_open else None,
        "reset_until": at(memory.reset_left) if memory.reset_left else None,
        "steady_at": at(memory.steady_in) if memory.steady_in else None,
        "forced": memory.forced.value if memory.forced else None,
        "forced_reason": memory.forced_reason if forced else None,
        "forced_by": memory.forced_by if forced else None,
        "forced_until": at(memory.forced_left) if forced else None,
        "changed_at": at(0.0),
    }


def _memory(row: Any, now: datetime) -> BreakerMemory:
    def left(until: datetime | None) -> float:
        """Seconds of what was left when it was written; never more, should the clock have been set back."""
        if until is None:
            return 0.0
        written: float = (until - row["changed_at"]).total_seconds()
        return max(0.0, min(written, (until - now).total_seconds()))

    opened_at: datetime | None = row["opened_at"]
    return BreakerMemory(
        state=BreakerState(row["state"]),
        openings=row["n"],
        reason=row["reason"] or "",
        opened_ago=max(0.0, (now - opened_at).total_seconds()) if opened_at else 0.0,
        seconds_left=left(row["until"]),
        reset_left=left(row["reset_until"]),
        steady_in=left(row["steady_at"]),
        forced=Force(row["forced"]) if row["forced"] else None,
        forced_reason=row["forced_reason"] or "",
        forced_by=row["forced_by"] or "",
        forced_left=left(row["forced_until"]),
    )
