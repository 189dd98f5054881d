"""Counters of quotas, and a machine that keeps them, for tests of both stores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from autonomous_healing.database import DatabaseAway
from autonomous_healing.endpoint_healing.codes import QUOTA_EXHAUSTED
from autonomous_healing.endpoint_healing.limits_store import QuotaBooks, QuotaStore
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.quota import QuotaLedger, QuotaSpent
from autonomous_healing.endpoint_healing.quotas.counter import Place, QuotaCounter
from autonomous_healing.endpoint_healing.quotas.counter_file import CounterFile
from autonomous_healing.endpoint_healing.quotas.options import QuotaWindowSettings
from tests.clock import WallClock

COUNTER = QuotaCounter(
    source="alpha_vantage",
    key_alias="alpha_vantage#1",
    window="day",
    started_at=datetime(2026, 3, 2, tzinfo=UTC),
    used=3,
    declared=25,
    estimated=None,
    resets_at=datetime(2026, 3, 3, tzinfo=UTC),
    calls={"all": [(1772463600.25, 2), (1772463601.5, 1)], "probe": [(1772463600.25, 1)]},
    rests={"": (1772467200.0, QUOTA_EXHAUSTED)},
    updated_at=datetime(2026, 3, 2, 15, tzinfo=UTC),
)


class ScriptedStore(QuotaStore):
    """A table in memory, which may be away."""

    def __init__(self) -> None:
        self.away = False
        self.saves = 0
        self._rows: dict[Place, bytes] = {}

    async def save(self, counters: Sequence[QuotaCounter]) -> None:
        self._knock()
        self.saves += len(counters)
        self._rows |= {counter.place: msgspec.json.encode(counter) for counter in counters}

    async def load(self, since: datetime) -> list[QuotaCounter]:
        self._knock()
        return [msgspec.json.decode(row, type=QuotaCounter) for row in self._rows.values()]

    def _knock(self) -> None:
        if self.away:
            raise DatabaseAway("gone")


@dataclass
class Machine:
    """A disk, a table and a clock, on which the product runs time after time."""

    file: Path
    windows: Mapping[str, Sequence[QuotaWindowSettings]]
    clock: WallClock = field(default_factory=WallClock)
    store: ScriptedStore = field(default_factory=ScriptedStore)

    def start(self) -> QuotaBooks:
        """The last run is no more, however it ended."""
        self.ledgers = {
            source: QuotaLedger(source, found, self.clock) for source, found in self.windows.items()
        }
        return QuotaBooks(self.ledgers.values, CounterFile(self.file), self.store, self.clock)

    def ask(self, source: str, calls: int, purpose: Purpose = Purpose.RETRY, key: str = "") -> int:
        """How many of them may be made."""
        for n in range(calls):
            try:
                self.ledgers[source].charge(key, 1, purpose)
            except QuotaSpent:
                return n
        return calls

    def used(self, source: str) -> int:
        return sum(one.used for one in self.ledgers[source].readings())
