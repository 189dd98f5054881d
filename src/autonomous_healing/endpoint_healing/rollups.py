"""What became of each endpoint's calls by minute, hour and day, in PostgreSQL."""

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

import msgspec

from autonomous_healing.database import Database, load_queries
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.health import HealthWindow
from autonomous_healing.endpoint_healing.tally import Tally
from autonomous_healing.resilience import Clock
from autonomous_healing.resilience.rolling_histogram import quantile_of

log = logging.getLogger(__name__)

_SQL = load_queries(__package__, "rollups.sql")

#: Seconds of a span.
RESOLUTIONS = (60, 3600, 86_400)

#: Spans that wait for a database that is away; the oldest are given up first, and counted.
MOST_WAITING = 10_000

#: Statements take so many rows at once.
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Span:
    """A minute, an hour or a day of one endpoint."""

    start: float  #: Unix seconds
    resolution: int  #: seconds
    source: str
    endpoint: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _SpanRow:
    """A span as its columns."""

    bucket: datetime
    resolution: int
    source: str
    endpoint: str
    requests: int
    failures: int
    caller_errors: int
    healed: int
    stale: int
    substitute: int
    p50: float | None
    p95: float | None
    p99: float | None
    felt: dict[str, int] = field(default_factory=dict)
    latencies: dict[str, int] = field(default_factory=dict)


class Rollups:
    """Adds up what the windows have seen since the last look, and writes it down. Raises `DatabaseAway`."""

    def __init__(
        self,
        database: Database,
        endpoints: Iterable[Endpoint],
        window: Callable[[Endpoint], HealthWindow],
        clock: Clock,
    ) -> None:
        self._database = database
        self._endpoints = tuple(endpoints)
        self._window = window
        self._clock = clock
        self._spans: dict[Span, Tally] = {}
        self._unsaved: OrderedDict[Span, None] = OrderedDict()  #: the one changed last at the end
        self._new: set[Span] = set()  #: of these, something may be written that is not in the tally
        self.given_up = 0  #: spans that the database was away for too long for

    async def save(self) -> None:
        """Gather, and write every span that has changed."""
        self.gather()
        while self._unsaved:
            batch = list(self._unsaved)[:_BATCH]
            await self._take_up([span for span in batch if span in self._new])
            rows = [_row(span, self._spans[span]) for span in batch]
            await self._database.execute(_SQL["save_metrics"], msgspec.json.encode(rows).decode())
            for span in batch:
                del self._unsaved[span]
        self._forget_ended()

    async def _take_up(self, spans: list[Span]) -> None:
        """Go on from what is written of them: before a restart, or before the clock was put back."""
        if not spans:
            return
        named = msgspec.json.encode([_named(span) for span in spans]).decode()
        for row in await self._database.fetch(_SQL["written_metrics"], named):
            span = Span(row["bucket"].timestamp(), row["resolution"], row["source"], row["endpoint"])
            written = Tally(
                succeeded=row["requests"] - row["failures"],
                failed=row["failures"],
                caller_errors=row["caller_errors"],
                felt=Counter(msgspec.json.decode(row["felt"])),
                times=Counter({int(n): c for n, c in msgspec.json.decode(row["latencies"]).items()}),
            )
            self._spans[span].add(written)
        self._new.difference_update(spans)

    async def prune(self) -> None:
        """Delete what is kept for no longer."""
        await self._database.execute(_SQL["prune_metrics"], self._clock.now())

    def gather(self) -> None:
        """What was seen since the last time counts for the spans of now."""
        now = self._clock.now().timestamp()
        for endpoint in self._endpoints:
            tally = self._window(endpoint).take_tally()
            if tally is not None:
                for resolution in RESOLUTIONS:
                    start = now // resolution * resolution
                    self._add(Span(start, resolution, endpoint.source.id, endpoint.name), tally)

    def _add(self, span: Span, tally: Tally) -> None:
        if span not in self._spans:
            self._spans[span] = Tally()
            self._new.add(span)
        self._spans[span].add(tally)
        self._unsaved[span] = None
        self._unsaved.move_to_end(span)
        if len(self._unsaved) > MOST_WAITING:
            gone, _ = self._unsaved.popitem(last=False)
            del self._spans[gone]
            self._new.discard(gone)
            self.given_up += 1
            if self.given_up == 1 or self.given_up % MOST_WAITING == 0:
                log.warning("metrics_given_up", extra={"spans": self.given_up})

    def _forget_ended(self) -> None:
        now = self._clock.now().timestamp()
        for span in [one for one in self._spans if one.start + one.resolution <= now]:
            del self._spans[span]


def _named(span: Span) -> dict[str, object]:
    return {**asdict(span), "bucket": datetime.fromtimestamp(span.start, UTC)}


def _row(span: Span, tally: Tally) -> dict[str, object]:
    p50, p95, p99 = (quantile_of(tally.times, share) for share in (0.50, 0.95, 0.99))
    row = _SpanRow(
        bucket=datetime.fromtimestamp(span.start, UTC),
        resolution=span.resolution,
        source=span.source,
        endpoint=span.endpoint,
        requests=tally.succeeded + tally.failed,
        failures=tally.failed,
        caller_errors=tally.caller_errors,
        healed=tally.healed,
        stale=tally.felt["stale"],
        substitute=tally.felt["substitute"],
        p50=p50,
        p95=p95,
        p99=p99,
        felt=dict(tally.felt),
        latencies={str(bucket): times for bucket, times in tally.times.items()},
    )
    return asdict(row)
