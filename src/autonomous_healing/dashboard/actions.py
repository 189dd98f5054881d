"""The door for acts: who wants what and why is written down before it is done, and how it ended after it.

What cannot be written down beforehand is not done, so no act lacks a trace. To act first, and to spool the
entry while the database is away, would leave an act outside of the chain, where a disk may lose it.
"""

import asyncio
import logging
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from autonomous_healing.dashboard.problems import Refusal
from autonomous_healing.dashboard.views.border import Moment
from autonomous_healing.resilience import Clock, NewId
from autonomous_healing.safety.access import Caller
from autonomous_healing.safety.audit import AuditTrail
from autonomous_healing.safety.chain import Entry, NotAudited, Plain, canonical
from autonomous_healing.safety.guard import Verdict

log = logging.getLogger(__name__)

#: How far ahead an act may be meant to hold: what should hold for longer belongs into the configuration.
LONGEST = timedelta(days=30)

#: Seconds that an act may take.
ACT_SECONDS = 30.0

#: Characters of a result, as canonical JSON, that go into the audit log.
_LONGEST_RESULT = 8192

#: Seconds after which it makes sense to try again while nothing can be written down.
_AWAY_SECONDS = 5

#: Unicode's controls, surrogates and separators of lines, and what turns the direction of writing around.
_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _readable(text: str) -> str:
    if any(letter in _TURNING or unicodedata.category(letter) in _CONTROLS for letter in text):
        raise ValueError("holds a control character")
    if not text.strip():
        raise ValueError("is empty")
    return text


def _written(moment: object) -> datetime:
    """As text only: a bare number could be seconds or milliseconds."""
    if not isinstance(moment, str):
        raise ValueError("is no date and time as ISO 8601 writes them")
    return datetime.fromisoformat(moment)


class ActRequest(BaseModel):
    """What has to be said with every act."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Annotated[str, AfterValidator(_readable)] = Field(
        min_length=1, max_length=500, strict=True, description="Why, for those who read it later."
    )


class TimedActRequest(ActRequest):
    """What has to be said with an act that holds for a while."""

    expires_at: Annotated[AwareDatetime, BeforeValidator(_written)] = Field(
        description="Until when it holds, with its time zone."
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """Something to be done, once it is written down."""

    action: str  #: "target.drain"
    subject: str  #: "yahoo_finance/chart"
    do: Callable[[], Awaitable[Mapping[str, Plain]]]  #: gives what it came to; raises `Refusal` if it cannot


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What was done, as its caller is told."""

    id: UUID
    action: str
    subject: str
    expires_at: Moment | None
    result: Mapping[str, Any]
    audited: (
        int | None
    )  #: where the audit log tells of its end; None where that could not be written any more


class ActionDoor:
    """Does what a caller wants, between two entries of the audit log."""

    def __init__(
        self, audit: AuditTrail, clock: Clock, new_id: NewId, act_seconds: float = ACT_SECONDS
    ) -> None:
        self._act_seconds = act_seconds
        self._audit = audit
        self._clock = clock
        self._new_id = new_id

    async def act(self, caller: Caller, asked: ActRequest, act: Act) -> Done:
        """Whether the caller may is for the route's gate to say.

        Raises `Refusal`: 403 for a caller without a name, 422 for an expiry that cannot be, 503 where it
        cannot be written down (then nothing was done), 504 where it takes too long, and what the act raises.
        """
        if caller.token is None:
            raise Refusal(403, "An act needs a token: it is written down whose it was.")
        until = asked.expires_at if isinstance(asked, TimedActRequest) else None
        self._check(until)
        act_id = self._new_id()
        begun = Entry(
            at=self._clock.now(),
            actor=caller.token,
            origin="person",
            action=act.action,
            subject=act.subject,
            verdict=Verdict.APPROVED.value,
            details={
                "id": str(act_id),
                "outcome": "begun",
                "reason": asked.reason,
                "expires_at": until.isoformat() if until else None,
            },
        )
        await self._begin(begun)
        try:
            result = await _done_in_time(act, self._act_seconds)
        except BaseException as fault:
            await self._end(begun, {"id": str(act_id), "outcome": "failed", "why": _why(fault)})
            raise
        kept = _kept(result)
        seq = await self._end(begun, {"id": str(act_id), "outcome": "done", "result": kept})
        return Done(
            id=act_id, action=act.action, subject=act.subject, expires_at=until, result=result, audited=seq
        )

    def _check(self, until: datetime | None) -> None:
        now = self._clock.now()
        if until is not None and not now < until <= now + LONGEST:
            raise Refusal(422, f"is not within the next {LONGEST.days} days", field="body.expires_at")

    async def _begin(self, begun: Entry) -> None:
        try:
            await self._audit.record(begun)
        except NotAudited as fault:
            log.warning("act_not_audited", extra={"action": begun.action, "reason": str(fault)})
            detail = "It could not be written into the audit log, so it was not done."
            raise Refusal(503, detail, retry_after=_AWAY_SECONDS) from fault
        except ValueError as fault:
            raise Refusal(400, f"It cannot be written down: it {fault}.") from fault

    async def _end(self, begun: Entry, details: Mapping[str, Plain]) -> int | None:
        """Its place; what was done is not undone because this could not be written: the log has it then."""
        try:
            link = await self._audit.record(replace(begun, at=self._clock.now(), details=details))
        except NotAudited as fault:
            log.error(
                "act_end_not_audited",
                extra={
                    "act": details["id"],
                    "action": begun.action,
                    "outcome": details["outcome"],
                    "reason": str(fault),
                },
            )
            return None
        return link.seq


async def _done_in_time(act: Act, seconds: float) -> Mapping[str, Plain]:
    try:
        async with asyncio.timeout(seconds):
            return await act.do()
    except TimeoutError:
        detail = f"It was broken off after {seconds:g} s; whether it took hold is not known."
        raise Refusal(504, detail) from None


def _kept(result: Mapping[str, Plain]) -> Mapping[str, Plain]:
    """A result as it goes into the audit log, or why it does not."""
    try:
        size = len(canonical(result))
    except ValueError as wrong:
        return {"not_kept": str(wrong)}
    return result if size <= _LONGEST_RESULT else {"not_kept": f"has {size} characters"}


def _why(fault: BaseException) -> str:
    """Of an unexpected fault its kind only: its words may hold anything."""
    if isinstance(fault, Refusal):
        return ascii(fault.problem.detail)[1:-1][:500]
    return "broken off" if isinstance(fault, asyncio.CancelledError) else type(fault).__name__
