"""A first attempt that a worker made goes on at the owner as if the owner had made it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from tests.clock import FlowingClock
from tests.eventually import eventually
from tests.lanes import Street, street
from tests.wire_origins import Said, client, let_others_run, on_uvloop, serving

from autonomous_healing import wire
from autonomous_healing.resilience import RetryBudget
from autonomous_healing.workers import Attempts
from autonomous_healing.workers.attempts import Answered, Failed, HandOver, Late, Waiting

LATEST, PLACE = "/api/exchange-rate/latest/USD", "exchange_rate_api/latest"
UPSTREAM = b"/v6/key/latest/USD"
JSON = [(b"content-type", b"application/json")]

#: Nobody asks a second time, and nothing else heals.
ALONE = {"in_request_retries": 0, "request_deadline": 5.0}

TOO_LATE = Failed("head", "no answer in time", True, False)


class Office:
    """The owner's house, and its door for attempts."""

    def __init__(self, here: Street, server: wire.Server) -> None:
        self.here = here
        self.server = server

    @property
    def budget(self) -> RetryBudget:
        house = self.here.house
        return house.parts.admission.limits(house.endpoint(PLACE).source).budget

    def good(self) -> Answered:
        return Answered(200, JSON, self.here.provider.truth(UPSTREAM))

    def hand_over(self, outcome: Answered | Failed | Waiting, **changes: Any) -> HandOver:
        key = self.here.house.parts.admission.limits(self.here.house.endpoint(PLACE).source).keys.keys[0]
        attempt = HandOver(
            number="1-1",
            target=LATEST.encode(),
            forwarded={},
            alias=key.alias,
            start=self.here.clock.monotonic(),
            patience=0.05,
            outcome=outcome,
        )
        return msgspec.structs.replace(attempt, **changes)

    async def tell(self, message: HandOver | Late) -> Said:
        body = msgspec.msgpack.encode(message)
        async with client(self.server.port) as line:
            await line.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            return await line.answer()


@asynccontextmanager
async def office(**healing: Any) -> AsyncIterator[Office]:
    async with street("exchange_rate_api", FlowingClock(), healing={**ALONE, **healing}) as here:
        house = here.house
        attempts = Attempts(house.server, house.parts.admission, here.clock)
        async with serving(attempts.handle, wire.ServerLimits()) as server:
            yield Office(here, server)


@on_uvloop
async def test_failed_attempts_count_as_first_calls_for_the_budget_of_extra_ones() -> None:
    async with office(retry_budget={"ratio": 0.1}) as owner:
        before = owner.budget.left()
        for number in range(60):
            failed = Answered(404, JSON, b"{}")
            await owner.tell(owner.hand_over(failed, number=f"1-{number}"))
        assert owner.budget.left() > before


@on_uvloop
async def test_an_attempt_that_had_less_time_than_its_source_takes_blames_nobody() -> None:
    async with office(request_deadline=0.3, soft_timeout={"min": 0.5, "max": 0.5}) as owner:
        await owner.tell(owner.hand_over(TOO_LATE, wanted=False))
        await owner.tell(owner.hand_over(Failed("connect", "refused", False, False), wanted=False))
        await eventually(lambda: owner.here.house.health(PLACE).failed == 1)
        assert owner.here.house.health(PLACE).failed == 1


@on_uvloop
async def test_a_late_answer_wins_though_it_overtakes_its_attempt() -> None:
    async with office() as owner:
        good = owner.good()
        await owner.tell(Late(number="1-1", outcome=good))
        reply = await owner.tell(owner.hand_over(Waiting()))
        assert (reply.status, reply.body) == (200, good.body)
        assert owner.here.origin.asked == []


@on_uvloop
async def test_what_comes_after_its_attempt_has_ended_is_dropped() -> None:
    async with office() as owner:
        good = owner.good()
        late = Late(number="1-1", outcome=Answered(200, JSON, good.body + b"\n"))
        waiting = asyncio.create_task(owner.tell(owner.hand_over(Waiting())))
        await eventually(lambda: owner.server.in_flight)
        await let_others_run()
        await owner.tell(Late(number="1-1", outcome=good))
        first = await waiting
        await owner.tell(late)
        again = await owner.tell(owner.hand_over(Waiting()))
    assert first.all("healing-status") == []
    assert again.all("healing-strategy") == ["use_cached_data"]
    assert (first.body, again.body) == (good.body, good.body)
