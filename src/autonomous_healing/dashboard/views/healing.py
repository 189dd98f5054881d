"""What was healed, by what, and how well."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from autonomous_healing.dashboard.tally import StrategyCount, Tally
from autonomous_healing.dashboard.views.border import Moment, Rate, Seconds
from autonomous_healing.endpoint_healing.call import FailedCall, Response
from autonomous_healing.healing import Report

#: Seconds after which a heal no longer counts as going on (spec: dashboard, section 3).
ACTIVE_SECONDS = 30.0

#: How many patterns the status names (spec: dashboard, section 3).
NAMED_PATTERNS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportRow:
    """One healing, in a line; its trail tells the rest."""

    id: UUID
    at: Moment
    patient: str
    origin: str
    source: str | None
    endpoint: str | None
    code: str
    cluster: str
    severity: str
    status: str  #: healed or failed
    strategy: str | None
    fidelity: str | None  #: of the cure
    attempts: int
    detect_seconds: Seconds
    heal_seconds: Seconds
    predicted: Rate | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pattern:
    """A cure that worked, and how often among the recent healings."""

    cluster: str
    strategy: str
    successes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class HealingStatus:
    """Whether healing goes on, how the last one ended and what works."""

    active: bool
    last_heal: Moment | None
    age_seconds: Seconds | None
    last_status: str | None
    last_error: str | None  #: what had failed, where the last healing could not cure it
    patterns_available: int
    patterns: tuple[Pattern, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class StrategyRow:
    """How one strategy fared since the start. Nothing is known of one that was never tried."""

    name: str
    success_rate: Rate | None
    success_count: int
    failure_count: int
    avg_fix_time: Seconds | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Numbers:
    """The targets as measured on users' requests since the start; felt errors are of the window."""

    healed: int
    not_healed: int
    healing_success: Rate | None
    avg_detection_time: Seconds | None
    avg_healing_time: Seconds | None
    user_facing_errors: int
    events_accepted: int
    events_stored: int
    events_pending: int
    events_dropped: int


def source_of(report: Report) -> str:
    """Whose fault it was; what is no endpoint stands under its patient."""
    case = report.case
    return case.call.endpoint.source.id if isinstance(case, FailedCall) else report.patient


def report_row(report: Report) -> ReportRow:
    endpoint = report.case.call.endpoint if isinstance(report.case, FailedCall) else None
    return ReportRow(
        id=report.id,
        at=report.observed_at,
        patient=report.patient,
        origin=report.origin,
        source=endpoint.source.id if endpoint else None,
        endpoint=endpoint.name if endpoint else None,
        code=report.diagnosis.code,
        cluster=report.diagnosis.cluster,
        severity=report.diagnosis.severity.word,
        status=_status(report),
        strategy=report.strategy,
        fidelity=report.cure.fidelity.word if isinstance(report.cure, Response) else None,
        attempts=sum(1 for attempt in report.attempts if attempt.tried),
        detect_seconds=report.detect_seconds,
        heal_seconds=report.heal_seconds,
        predicted=report.predicted,
    )


def healing_status(reports: Sequence[Report], now: datetime, patterns_available: int) -> HealingStatus:
    """`reports` oldest first."""
    last = reports[-1] if reports else None
    age = (now - last.ended_at).total_seconds() if last else None
    return HealingStatus(
        active=age is not None and age <= ACTIVE_SECONDS,
        last_heal=last.ended_at if last else None,
        age_seconds=age,
        last_status=_status(last) if last else None,
        last_error=None if last is None or last.healed else _error(last),
        patterns_available=patterns_available,
        patterns=_patterns(reports),
    )


def strategy_rows(declared: Iterable[str], tally: Tally) -> tuple[StrategyRow, ...]:
    """Those that may be used, tried or not, and those that were tried besides."""
    names = dict.fromkeys([*declared, *tally.strategies])
    return tuple(_strategy_row(name, tally.strategies.get(name, StrategyCount())) for name in names)


def _strategy_row(name: str, count: StrategyCount) -> StrategyRow:
    tried = count.succeeded + count.failed
    return StrategyRow(
        name=name,
        success_rate=count.succeeded / tried if tried else None,
        success_count=count.succeeded,
        failure_count=count.failed,
        avg_fix_time=count.healing.mean,
    )


def _status(report: Report) -> str:
    return "healed" if report.healed else "failed"


def _error(report: Report) -> str:
    return report.case.failure.message if isinstance(report.case, FailedCall) else report.diagnosis.code


def _patterns(reports: Iterable[Report]) -> tuple[Pattern, ...]:
    worked = Counter((one.diagnosis.cluster, one.strategy) for one in reports if one.strategy)
    return tuple(
        Pattern(cluster=cluster, strategy=strategy or "", successes=times)
        for (cluster, strategy), times in worked.most_common(NAMED_PATTERNS)
    )
