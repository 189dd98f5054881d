"""How grave a trouble is, which alert it belongs to and whether that is worth a message. Pure."""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum

from autonomous_healing.alerts.alert import Alert, AlertLevel
from autonomous_healing.alerts.facts import TroubleSeen

#: Felt error rates from which a level holds (spec: alerts, section 1), the gravest first.
BANDS = ((0.50, AlertLevel.CRITICAL), (0.20, AlertLevel.ERROR), (0.05, AlertLevel.WARNING))
#: Of a source's endpoints, from which a fault is the source's own (spec: alerts, section 2).
SHARED_FROM = 0.5
#: In a fingerprint: any code, or any endpoint of the source.
ANY = "*"

_LONGEST = 160  #: characters of a fingerprint (spec: data model, table alerts)


class Reason(StrEnum):
    """Why channels hear of a trouble, or why not."""

    FIRST = "first"  #: its alert was opened
    WORSE = "worse"  #: its alert rose to a graver level
    KNOWN = "known"  #: its alert is open and no worse than told
    INFO = "info"  #: too light for an alert of its own

    @property
    def is_told(self) -> bool:
        return self in (Reason.FIRST, Reason.WORSE)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What makes two troubles the same."""

    code: str
    source: str
    scope: str  #: an endpoint, or `ANY`

    def widened(self) -> "Fingerprint":
        """The same fault at all of the source."""
        return replace(self, scope=ANY)

    def grouped(self) -> "Fingerprint":
        """Whatever is wrong with the source."""
        return Fingerprint(ANY, self.source, ANY)

    def __str__(self) -> str:
        text = f"{self.code}|{self.source}|{self.scope}"
        if len(text) <= _LONGEST:
            return text
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return f"{text[: _LONGEST - 17]}#{digest}"


def grade(trouble: TroubleSeen) -> AlertLevel:
    """By what users feel and by how healing fared, whichever is graver."""
    if trouble.telling is not None:
        return trouble.telling.level
    return max(_by_felt(trouble.felt.error), _by_healing(trouble))


def _by_felt(error_rate: float | None) -> AlertLevel:
    if error_rate is None:
        return AlertLevel.INFO
    return next((level for least, level in BANDS if error_rate >= least), AlertLevel.INFO)


def _by_healing(trouble: TroubleSeen) -> AlertLevel:
    match trouble:
        case TroubleSeen(attempted=True, healed=False):
            return AlertLevel.ERROR
        # Also where nothing masks it: a sick upstream is not lighter for want of healing.
        case TroubleSeen(health_status="degraded" | "critical" | "failed"):
            return AlertLevel.WARNING
        case _:
            return AlertLevel.INFO


def fingerprint(trouble: TroubleSeen) -> Fingerprint:
    """Of the endpoint, or of the whole source where half of it or more shares the fault."""
    narrow = Fingerprint(trouble.code, trouble.source, trouble.endpoint)
    return narrow.widened() if _is_shared(trouble) else narrow


def _is_shared(trouble: TroubleSeen) -> bool:
    # One endpoint shares with nobody, even where it is half of its source or all of it.
    affected = len(trouble.affected)
    return affected > 1 and affected >= SHARED_FROM * trouble.source_endpoints


def reason(level: AlertLevel, known: Alert | None) -> Reason:
    """What a trouble of this level means for the open alert that it belongs to, None: there is none."""
    if known is None:
        return Reason.INFO if level is AlertLevel.INFO else Reason.FIRST
    return Reason.WORSE if level > known.level else Reason.KNOWN
