"""Why a caller got this answer and no other: one trail per healed or failed request."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from autonomous_healing.endpoint_healing.call import FailedCall, Response
from autonomous_healing.endpoint_healing.codes import ERROR_TYPE
from autonomous_healing.healing import Attempt, HealingReport, Outcome

EndpointReport = HealingReport[FailedCall, Response]


def without_bodies(report: EndpointReport) -> EndpointReport:
    """The same, less what was said in full: thousands of reports are held, and an answer may be megabytes."""
    failure, cure = report.case.failure, report.cure
    answer = failure.answer and replace(failure.answer, body=b"")
    case = replace(report.case, failure=replace(failure, answer=answer, record=None))
    return replace(report, case=case, cure=cure and replace(cure, body=b"", record=None))


@dataclass(frozen=True, slots=True)
class Trail:
    """What was asked, what failed, what was tried, what was not and why, and what came of it."""

    report: EndpointReport

    @property
    def id(self) -> UUID:
        return self.report.case.call.id

    def to_json(self) -> dict[str, Any]:
        """As interfaces and the table `trails` hold it."""
        report, call, failure = self.report, self.report.case.call, self.report.case.failure
        return {
            "id": str(self.id),
            "at": iso(report.observed_at),
            "source": call.endpoint.source.id,
            "endpoint": call.endpoint.name,
            "status": "healed" if report.healed else "failed",
            "request": {"params": dict(call.params), "origin": call.origin},
            "policy": {"allow": list(call.policy.words), "max_age": call.policy.max_age},
            "failure": {
                "error_type": ERROR_TYPE[report.diagnosis.code],
                "code": report.diagnosis.code,
                "confidence": report.diagnosis.confidence,
                "message": failure.message,
                "upstream_status": failure.status,
                "key_alias": failure.key_alias,
                "seconds": round(report.detect_seconds, 4),
                "refused": failure.refused is not None,
            },
            "attempts": [_attempt(one) for one in report.attempts if one.tried],
            "rejected": [_attempt(one) for one in report.attempts if not one.tried],
            "predicted": report.predicted,
            "cure": _cure(report.cure, report.strategy),
            "heal_seconds": round(report.heal_seconds, 4),
        }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    row: dict[str, Any] = {"strategy": attempt.strategy, "outcome": attempt.outcome.value}
    if attempt.reason:
        row["reason"] = attempt.reason
    if attempt.outcome is not Outcome.SKIPPED:
        row |= {"started_at": iso(attempt.started_at), "seconds": round(attempt.seconds, 4)}
    return row


def _cure(cure: Response | None, strategy: str | None) -> Mapping[str, Any] | None:
    if cure is None:
        return None
    return {
        "strategy": strategy,
        "source": cure.source,
        "fidelity": cure.fidelity.word,
        "age_seconds": None if cure.age is None else round(cure.age, 3),
        "original": cure.original or None,
        "actual": cure.actual or None,
        "truncated": cure.truncated,
        "suspect": cure.suspect,
    }


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class TrailRing:
    """The last trails, by id."""

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._trails: OrderedDict[UUID, Trail] = OrderedDict()

    def keep(self, trail: Trail) -> None:
        self._trails[trail.id] = trail
        if len(self._trails) > self._size:
            self._trails.popitem(last=False)

    def find(self, trail_id: UUID) -> Trail | None:
        return self._trails.get(trail_id)
