"""What outlives a restart of quotas: in PostgreSQL, and in a file for what must not wait for it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from autonomous_healing.database import Database, load_queries
from autonomous_healing.endpoint_healing.assembly import EndpointParts
from autonomous_healing.endpoint_healing.quota import QuotaLedger
from autonomous_healing.endpoint_healing.quotas.counter import Place, QuotaCounter
from autonomous_healing.endpoint_healing.quotas.counter_file import CounterFile
from autonomous_healing.resilience import Clock

_SQL = load_queries(__package__, "limits_store.sql")

#: Older counters tell nothing any more: no window is longer than a month.
KEPT = timedelta(days=32)


class QuotaStore:
    """Counters in PostgreSQL. Its methods raise `DatabaseAway`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, counters: Sequence[QuotaCounter]) -> None:
        if counters:
            await self._database.execute(_SQL["save_counters"], msgspec.json.encode(counters).decode())

    async def load(self, since: datetime) -> list[QuotaCounter]:
        """Those that were written since then, in no order."""
        rows = await self._database.fetch(_SQL["load_counters"], since)
        return [
            QuotaCounter(
                source=row["source"],
                key_alias=row["key_alias"],
                window=row["window"],
                started_at=row["started_at"],
                used=row["used"],
                declared=row["declared"],
                estimated=row["estimated"],
                resets_at=row["resets_at"],
                calls=msgspec.json.decode(row["calls"], type=dict[str, list[tuple[float, int]]]),
                rests=msgspec.json.decode(row["rests"], type=dict[str, tuple[float, str]]),
                updated_at=row["updated_at"],
            )
            for row in rows
        ]


#: Beside the spool, whose lock keeps other copies of the product away from it.
FILE_NAME = "quota_counters"


class QuotaBooks:
    """Keeps the counters of all ledgers, and gives them back after a restart.

    The file has all that the table has, and small limits of long windows at once: of those each call is
    written down before it is made. What only the table knows, after a move to another machine, is taken up as
    soon as the database is there; until then nothing is known of it.
    """

    def __init__(
        self, ledgers: Callable[[], Iterable[QuotaLedger]], file: CounterFile, store: QuotaStore, clock: Clock
    ) -> None:
        self._ledgers = ledgers
        self._file = file
        self._store = store
        self._clock = clock
        self._recalled = False
        self._filed: dict[Place, object] = {}  #: states of windows that the file has
        self._stored: dict[Place, object] = {}  #: and those that the table has
        self._restore(file.counters(clock.now() - KEPT))
        for ledger in ledgers():
            ledger.write_through = self._write_at_once

    async def recall(self) -> None:
        """Take up what the table knows, once; raises `DatabaseAway`."""
        if not self._recalled:
            self._restore(await self._store.load(self._clock.now() - KEPT))
            self._recalled = True

    async def save(self) -> None:
        """Write down what has changed, to the file and then to the table; raises `DatabaseAway`."""
        states = self._states()
        self._file.write(self._changed(states, self._filed))
        self._filed = states
        await self._file.sync()
        await self.recall()  # or what the table knows would be lost
        states = self._states()
        await self._store.save(self._changed(states, self._stored))
        self._stored = states

    def _write_at_once(self, counter: QuotaCounter) -> None:
        self._file.write((counter,))

    def _states(self) -> dict[Place, object]:
        return {
            (ledger.source, alias, window): state
            for ledger in self._ledgers()
            for (alias, window), state in ledger.states().items()
        }

    def _changed(self, states: Mapping[Place, object], known: Mapping[Place, object]) -> list[QuotaCounter]:
        ledgers = {ledger.source: ledger for ledger in self._ledgers()}
        return [
            ledgers[source].counter(alias, window)
            for (source, alias, window), state in states.items()
            if known.get((source, alias, window)) != state
        ]

    def _restore(self, counters: Sequence[QuotaCounter]) -> None:
        for ledger in self._ledgers():
            ledger.restore(counter for counter in counters if counter.source == ledger.source)


def build_books(parts: EndpointParts, database: Database, directory: Path, clock: Clock) -> QuotaBooks:
    """For all sources of data; what the file in that directory knows counts at once."""
    for endpoint in parts.endpoints:
        if endpoint.source.kind == "data":
            parts.admission.limits(endpoint.source)
    file = CounterFile(directory / FILE_NAME)
    return QuotaBooks(parts.admission.ledgers, file, QuotaStore(database), clock)
