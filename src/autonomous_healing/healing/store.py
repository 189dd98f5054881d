"""Reports and their attempts as rows. What a patient's own tables need is the patient's business."""

from uuid import uuid5

from autonomous_healing.database import Row
from autonomous_healing.healing.journal import Report
from autonomous_healing.healing.report import Attempt


def report_rows(report: Report, *, fidelity: str | None, source_used: str | None) -> list[Row]:
    """One row for the report and one for each strategy tried or passed over."""
    tried = any(attempt.tried for attempt in report.attempts)
    outcome = "healed" if report.healed else "failed" if tried else "not_attempted"
    whole = Row(
        table="healing_reports",
        values={
            "id": report.id,
            "at": report.observed_at,
            "patient": report.patient,
            "code": report.diagnosis.code,
            "cluster": report.diagnosis.cluster,
            "severity": report.diagnosis.severity.value,
            "outcome": outcome,
            "strategy": report.strategy,
            "fidelity": fidelity,
            "source_used": source_used,
            "detect_ms": round(1000 * report.detect_seconds, 3),
            "heal_ms": round(1000 * report.heal_seconds, 3),
            "propensity": report.predicted,
            "trail_id": report.id,
            "error_event_id": report.id,
        },
    )
    return [whole, *(_attempt_row(report, n, one) for n, one in enumerate(report.attempts, 1))]


def _attempt_row(report: Report, position: int, attempt: Attempt) -> Row:
    return Row(
        table="healing_attempts",
        values={
            # The same attempt gives the same id, so that a replay writes nothing twice.
            "id": uuid5(report.id, str(position)),
            "at": report.observed_at,
            "report_id": report.id,
            "position": position,
            "strategy": attempt.strategy,
            "outcome": attempt.outcome.value,
            "reason": attempt.reason or None,
            "started_at": attempt.started_at,
            "duration_ms": round(1000 * attempt.seconds, 3),
        },
    )
