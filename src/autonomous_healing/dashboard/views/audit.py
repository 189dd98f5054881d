"""Entries of the audit log, and what a walk along it came to."""

from dataclasses import dataclass
from typing import Any

from autonomous_healing.safety.audit import Broken, Intact
from autonomous_healing.safety.chain import Link


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditRow:
    """One entry, with all that its hash is made of."""

    seq: int
    at: str  #: with microseconds, as it is hashed
    actor: str
    origin: str
    action: str
    subject: str
    verdict: str
    details: dict[str, Any]
    prev_hash: str
    hash: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditCheck:
    """Whether the chain is intact."""

    intact: bool
    entries: int | None  #: of an intact one
    head: str | None  #: of an intact one, as SEQ:HASH
    broken_at: int | None
    why: str | None


def audit_row(link: Link) -> AuditRow:
    one = link.entry
    return AuditRow(
        seq=link.seq,
        at=one.written_at,
        actor=one.actor,
        origin=one.origin,
        action=one.action,
        subject=one.subject,
        verdict=one.verdict,
        details=dict(one.details),
        prev_hash=link.prev_hash,
        hash=link.hash,
    )


def audit_check(found: Intact | Broken) -> AuditCheck:
    if isinstance(found, Broken):
        return AuditCheck(intact=False, entries=None, head=None, broken_at=found.seq, why=found.why)
    head = found.head
    return AuditCheck(intact=True, entries=head.seq, head=str(head), broken_at=None, why=None)
