"""How an endpoint has been doing: counted calls, a status by bands, and what its users felt."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import repeat
from typing import Any

from autonomous_healing.endpoint_healing.options import WindowSettings
from autonomous_healing.endpoint_healing.tally import Tally
from autonomous_healing.healing import Severity
from autonomous_healing.resilience import Clock, RollingHistogram

BUCKET = 10.0  #: seconds
BUCKETS = 30

#: What is usual is told from the times of good calls in so many seconds, once there are so many of them
#: (spec: endpoint healing, section 9).
USUAL_WINDOW, USUAL_CALLS = 3600.0, 20

#: Felt outcomes of a request: "fresh", a fidelity word of a healed one, or "error".
FELT_ERROR = "error"


@dataclass(slots=True)
class _Bucket:
    slot: int
    succeeded: int = 0
    failed: int = 0
    timed: int = 0  #: successes of which the time is known
    seconds: float = 0.0  #: summed over these
    felt: Counter[str] = field(default_factory=Counter)
    probed: int = 0
    probed_in_vain: int = 0  #: probes that ended without a truthful answer


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """One reading of a window."""

    status: Severity | None  #: None: no samples, unknown
    total: int
    failed: int
    average_seconds: float | None
    last_success: datetime | None
    last_failure: datetime | None
    consecutive_failures: int
    uptime_percentage: float | None
    felt: dict[str, int]
    probed_error_rate: float | None = None  #: share of probes that ended without a truthful answer

    @property
    def seen(self) -> bool:
        """Whether any call was ever counted."""
        return bool(self.last_success or self.last_failure)

    @property
    def error_rate(self) -> float | None:
        return self.failed / self.total if self.total else None

    @property
    def status_word(self) -> str:
        return self.status.value if self.status else "unknown"

    @property
    def felt_error_rate(self) -> float | None:
        """Share of requests that ended without a truthful answer; without any requests, of probes."""
        requests = sum(self.felt.values())
        return self.felt.get(FELT_ERROR, 0) / requests if requests else self.probed_error_rate

    @property
    def healed_share(self) -> float | None:
        requests = sum(self.felt.values())
        return (
            (requests - self.felt.get("fresh", 0) - self.felt.get(FELT_ERROR, 0)) / requests
            if requests
            else None
        )


def status_of(failed: int, total: int, consecutive: int, bands: WindowSettings) -> Severity | None:
    """The band of the error rate; few samples need failures in a row to count as worse than degraded."""
    if not total:
        return None
    rate = failed / total
    if rate < bands.degraded:
        return Severity.HEALTHY
    if rate < bands.critical:
        return Severity.DEGRADED
    few = total < bands.few_samples
    if rate >= bands.failed and (not few or consecutive >= bands.few_failed):
        return Severity.FAILED
    if not few or consecutive >= bands.few_critical:
        return Severity.CRITICAL
    return Severity.DEGRADED


_ORDER = list(Severity)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


#: Of all windows that never saw a call: even an empty deque takes 600 bytes, and there may be thousands.
_NONE: deque[Any] = deque(maxlen=0)


class HealthWindow:
    """The last 300 s of one endpoint, from live traffic and probes alike; of its times, the last hour."""

    __slots__ = (
        "_buckets",
        "_clock",
        "_consecutive",
        "_failed_seconds",
        "_felt_so_far",
        "_last_failure",
        "_last_success",
        "_looked_at",
        "_p95",
        "_p95_is_of",
        "_recent",
        "_settings",
        "_since",
        "_status",
        "_tally",
        "_times",
        "_worse_until",
        "successes",
    )

    def __init__(self, clock: Clock, settings: WindowSettings) -> None:
        self._clock = clock
        self._settings = settings
        self._buckets: deque[_Bucket] = _NONE
        self._recent: deque[tuple[float, bool]] = _NONE
        self._felt_so_far: Counter[str] | None = None
        self._tally: Tally | None = None  #: since it was taken the last time
        self._times: RollingHistogram | None = None
        self._p95: float | None = None
        self._p95_is_of = 0  #: so many times, as they were when it was told; -1 once more have come
        self._last_success: datetime | None = None
        self._last_failure: datetime | None = None
        self._consecutive = 0
        self.successes = 0  #: since the start
        self._status: Severity | None = None
        self._worse_until = 0.0
        self._since = clock.monotonic()
        self._looked_at = self._since
        self._failed_seconds = 0.0

    def record_success(self, seconds: float) -> None:
        self.record_successes((seconds,))

    def record_successes(self, seconds: Sequence[float]) -> None:
        """The times of good calls in the order of their ends, counted as of now."""
        count = len(seconds)
        if not count:
            return
        bucket = self._bucket()
        bucket.succeeded += count
        bucket.timed += count
        bucket.seconds += sum(seconds)
        self.successes += count
        now = self._clock.monotonic()
        self._time(now, seconds)
        self._recent.extend(repeat((now, False), min(count, self._settings.quiet_calls)))
        self._last_success = self._clock.now()
        self._consecutive = 0

    def record_failure(self) -> None:
        self._bucket().failed += 1
        self._counted.failed += 1
        self._recent.append((self._clock.monotonic(), True))
        self._last_failure = self._clock.now()
        self._consecutive += 1

    def take_back_failure(self) -> None:
        """The latest that is still counted was nobody's fault here."""
        bucket = next((one for one in reversed(self._buckets) if one.failed), None)
        if bucket is None:
            return
        bucket.failed -= 1
        self._consecutive = max(0, self._consecutive - 1)
        for place in reversed(range(len(self._recent))):
            if self._recent[place][1]:
                del self._recent[place]
                return

    def record_felt(self, outcome: str, count: int = 1) -> None:
        """What so many users' requests ended with."""
        if count:
            self._bucket().felt[outcome] += count
            self._counted.felt[outcome] += count
            self._felt_so_far = self._felt_so_far or Counter()
            self._felt_so_far[outcome] += count

    def record_caller_error(self) -> None:
        """A request that was wrong; it says nothing of the endpoint."""
        self._counted.caller_errors += 1

    @property
    def felt_so_far(self) -> Mapping[str, int]:
        """What users' requests ended with since the start."""
        return self._felt_so_far or {}

    def take_tally(self) -> Tally | None:
        """What was counted since the last time; None where nothing was."""
        tally, self._tally = self._tally, None
        return tally

    @property
    def _counted(self) -> Tally:
        if self._tally is None:
            self._tally = Tally()
        return self._tally

    def record_probed(self, *, truthful: bool) -> None:
        """What one probe ended with, healing included."""
        bucket = self._bucket()
        bucket.probed += 1
        bucket.probed_in_vain += not truthful

    def record_outrun(self, seconds: float) -> None:
        """A call that had not answered after so long, when another answered in its place and it was dropped.

        Neither good nor bad, but slow: left out, the slowest would never count for what is usual.
        """
        self._time(self._clock.monotonic(), (seconds,))

    def p95_seconds(self) -> float | None:
        """Of the good calls of the last hour, by at most a sixteenth too long; None until there are 20.

        It is worked out once for the same times, however often it is asked for.
        """
        times = self._times
        if times is None:
            return None
        times.forget(self._clock.monotonic())
        if times.total != self._p95_is_of:
            self._p95_is_of = times.total
            self._p95 = times.quantile(0.95) if times.total >= USUAL_CALLS else None
        return self._p95

    @property
    def last_success(self) -> datetime | None:
        return self._last_success

    @property
    def seen(self) -> bool:
        """Whether any call was ever counted."""
        return bool(self._last_success or self._last_failure)

    def read(self) -> Health:
        """Worse applies at once; better only after holding."""
        live = self._live()
        failed, total = self._counts(live)
        status = self._hold(status_of(failed, total, self._consecutive, self._settings))
        self._count_uptime(status)
        timed = sum(bucket.timed for bucket in live)
        felt: Counter[str] = Counter()
        for bucket in live:
            felt.update(bucket.felt)
        return Health(
            status=status,
            total=total,
            failed=failed,
            average_seconds=sum(bucket.seconds for bucket in live) / timed if timed else None,
            last_success=self._last_success,
            last_failure=self._last_failure,
            consecutive_failures=self._consecutive,
            uptime_percentage=self._uptime(),
            felt=dict(+felt),
            probed_error_rate=_share(
                sum(one.probed_in_vain for one in live), sum(one.probed for one in live)
            ),
        )

    def restore(self, health: Health) -> None:
        """Take up what was known before a restart, as if counted now."""
        bucket = self._bucket()
        bucket.failed += health.failed
        bucket.succeeded += health.total - health.failed
        if health.average_seconds is not None:
            bucket.timed += health.total - health.failed
            bucket.seconds += health.average_seconds * (health.total - health.failed)
        bucket.felt.update(health.felt)
        self._last_success, self._last_failure = health.last_success, health.last_failure
        self._consecutive = health.consecutive_failures

    def _time(self, now: float, seconds: Sequence[float]) -> None:
        if self._times is None:
            self._times = RollingHistogram(USUAL_WINDOW)
        tally = self._counted
        tally.succeeded += len(seconds)
        tally.times.update(self._times.add(now, seconds))
        self._p95_is_of = -1

    def _bucket(self) -> _Bucket:
        slot = int(self._clock.monotonic() // BUCKET)
        if self._buckets is _NONE:
            self._buckets = deque(maxlen=BUCKETS)
            self._recent = deque(maxlen=self._settings.quiet_calls)
        if not self._buckets or self._buckets[-1].slot != slot:
            self._buckets.append(_Bucket(slot))
        return self._buckets[-1]

    def _live(self) -> list[_Bucket]:
        oldest = int(self._clock.monotonic() // BUCKET) - BUCKETS
        return [bucket for bucket in self._buckets if bucket.slot > oldest]

    def _counts(self, live: Iterable[_Bucket]) -> tuple[int, int]:
        """(failed, total) of the window, or of the last calls of the hour where the window is quiet."""
        failed = succeeded = 0
        for bucket in live:
            failed += bucket.failed
            succeeded += bucket.succeeded
        if failed + succeeded >= self._settings.quiet_below:
            return failed, failed + succeeded
        edge = self._clock.monotonic() - 3600.0
        recent = [bad for at, bad in self._recent if at > edge]
        return (
            (sum(recent), len(recent)) if len(recent) > failed + succeeded else (failed, failed + succeeded)
        )

    def _hold(self, status: Severity | None) -> Severity | None:
        now = self._clock.monotonic()
        worse = status is not None and (
            self._status is None or _ORDER.index(status) >= _ORDER.index(self._status)
        )
        if worse:
            self._worse_until = now + self._settings.hold_down
            self._status = status
        elif now >= self._worse_until or status is None:
            self._status = status
        return self._status

    def _count_uptime(self, status: Severity | None) -> None:
        now = self._clock.monotonic()
        if status is Severity.FAILED:
            self._failed_seconds += now - self._looked_at
        self._looked_at = now

    def _uptime(self) -> float | None:
        observed = self._looked_at - self._since
        return 100.0 * (1 - self._failed_seconds / observed) if observed > 0 else None
