"""What an answer says, and whether that can be believed: its shape, its values, its age, its movement."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from autonomous_healing.endpoint_healing.call import Call, Finding
from autonomous_healing.endpoint_healing.freshness import Freshness, FrozenWatch
from autonomous_healing.endpoint_healing.plausibility import Plausibility
from autonomous_healing.endpoint_healing.records import Record
from autonomous_healing.endpoint_healing.redaction import Redactions
from autonomous_healing.endpoint_healing.upstream import Answer
from autonomous_healing.endpoint_healing.validators import read_answer

#: Larger answers are judged beside the event loop: a megabyte takes some 10 ms, which others would wait.
LARGE = 1_048_576

T = TypeVar("T")


async def aside(size: int, work: Callable[..., T], *args: Any) -> T:
    """`work(*args)`, in a thread where it is about more bytes than others should wait for."""
    return await asyncio.to_thread(work, *args) if size > LARGE else work(*args)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What an answer says, and the first thing that is wrong with it."""

    finding: Finding | None = None
    record: Record | None = None


UNREAD = Reading()


@dataclass(frozen=True, kw_only=True, slots=True)
class Judges:
    """Those who look at an answer after its shape, in this order."""

    plausibility: Plausibility
    freshness: Freshness
    frozen: FrozenWatch
    redactions: Redactions

    async def judge(self, call: Call, host: str, answer: Answer, now: datetime) -> Reading:
        """By rule and shape, then plausibility, freshness and movement; the first finding counts."""
        return self._verdict(await self.read(call, answer, now), call, host, now)

    async def read(self, call: Call, answer: Answer, now: datetime) -> Reading:
        """By what it says alone, whatever was said before."""
        return await aside(len(answer.body), self._read, call, answer, now)

    def judge_now(self, call: Call, host: str, answer: Answer, now: datetime) -> Reading:
        """The same without leaving the event loop, however large the answer is."""
        return self._verdict(self._read(call, answer, now), call, host, now)

    def _verdict(self, reading: Reading, call: Call, host: str, now: datetime) -> Reading:
        """With what needs memory of other answers."""
        if reading.record is None or reading.finding:
            return reading
        return replace(reading, finding=self.frozen.judge(reading.record, call, host, now))

    def _read(self, call: Call, answer: Answer, now: datetime) -> Reading:
        """All that needs no memory of other answers, so that it can be done beside the event loop."""
        endpoint = call.endpoint
        read = read_answer(endpoint.source.id, endpoint.name, answer.status, answer.body, call.params)
        if isinstance(read, Finding):
            return Reading(finding=read)
        if read is None:
            return Reading()
        finding = self.plausibility.judge(read, call.params, now) or self.freshness.judge(read, call, now)
        return Reading(finding=finding, record=read)
