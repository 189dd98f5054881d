"""From the facts of a failure to what we believe is wrong. Pure."""

from autonomous_healing.endpoint_healing.call import Failure, Trouble
from autonomous_healing.endpoint_healing.codes import (
    AUTH_REJECTED,
    CALLER_ERROR,
    CLIENT_BLOCKED,
    MEANING,
    QUOTA_EXHAUSTED,
    RATE_LIMITED,
    SERVER_ERROR,
    TIMEOUT,
    TOO_LARGE,
    UNREACHABLE,
)
from autonomous_healing.healing import Diagnosis, Severity


def diagnose(failure: Failure, severity: Severity = Severity.DEGRADED) -> Diagnosis:
    """`severity` is the endpoint's present status; an unknown endpoint counts as degraded."""
    code, confidence = _recognise(failure)
    return Diagnosis(
        code=code,
        cluster=f"{code}:{failure.endpoint.source.id}",
        severity=severity,
        confidence=confidence,
        hint=f"{MEANING[code]}: {failure.message}" if failure.message else MEANING[code],
    )


def _recognise(failure: Failure) -> tuple[str, float]:
    """First match wins: refused by ourselves, no answer, what the validators found, the status."""
    match failure:
        case Failure(refused=str(code)):
            return code, 0.99
        case Failure(trouble=Trouble.TIMED_OUT | Trouble.SOFT_TIMEOUT):
            return TIMEOUT, 0.95
        case Failure(trouble=Trouble.UNREACHABLE | Trouble.NOT_SENT):
            return UNREACHABLE, 0.9
        case Failure(trouble=Trouble.TOO_LARGE):
            return TOO_LARGE, 0.99
        case Failure(finding=found) if found is not None:
            return found.code, found.confidence
        case Failure(status=int(status)):
            return code_of_status(status)
        case _:
            return UNREACHABLE, 0.5


def code_of_status(status: int) -> tuple[str, float]:
    """What an HTTP status alone tells, and how surely."""
    match status:
        case 429:
            return RATE_LIMITED, 0.99
        case 999:
            return CLIENT_BLOCKED, 0.9
        case 401 | 403:
            return AUTH_REJECTED, 0.95
        case 402:
            return QUOTA_EXHAUSTED, 0.9
        case 408:
            return TIMEOUT, 0.9
        case _ if status >= 500:
            return SERVER_ERROR, 0.95
        case _:
            return CALLER_ERROR, 0.9
