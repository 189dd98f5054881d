"""On the short way, too, healing begins while an answer may still come, and who leaves takes it all along."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.clock import FlowingClock
from tests.eventually import CLOCK, eventually
from tests.lanes import WISH, Held, Street, json_in, request, said, street
from tests.wire_origins import on_uvloop

from autonomous_healing.endpoint_healing.call import Trouble
from autonomous_healing.endpoint_healing.codes import Blame
from autonomous_healing.resilience import BreakerState

LATEST, PLACE = "/api/exchange-rate/latest/USD", "exchange_rate_api/latest"
UPSTREAM = b"/v6/key/latest/USD"

#: The same must come of both.
WAYS = pytest.mark.parametrize("headers", [{}, {"healing_allow": WISH}], ids=["short", "ordinary"])

#: An answer is slow after a twentieth of a second, and nobody asks a second time.
IMPATIENT = {"soft_timeout": {"min": 0.05, "max": 0.05}, "in_request_retries": 0}


@asynccontextmanager
async def slow_street(**how: Any) -> AsyncIterator[Street]:
    healing = {**IMPATIENT, **how.pop("healing", {})}
    async with street("exchange_rate_api", FlowingClock(), healing=healing, **how) as here:
        await here.ask("/api/exchange-rate/pair/USD/EUR")  # from now on connections are looked after
        here.origin.asked.clear()
        yield here


def good(here: Street) -> bytes:
    return said(here.provider.truth(UPSTREAM))


@WAYS
@on_uvloop
async def test_a_copy_heals_meanwhile_and_the_late_answer_takes_its_place(headers: dict[str, Any]) -> None:
    async with slow_street() as here:
        first = await here.ask(LATEST, **headers)
        here.house.path.count()
        here.clock.pass_time(2000.5)
        held = Held(good(here))
        here.provider.turns.append(held)
        healed = await here.ask(LATEST, **headers)
        [report] = here.house.reports
        before = here.house.parts.cache.last_good(report.case.call)
        held.let_go()
        await eventually(lambda: here.house.health(PLACE).total == 2)
        after = here.house.parts.cache.last_good(report.case.call)
        health = here.house.health(PLACE)
    assert (healed.status, healed.body) == (200, first.body)
    assert healed.all("healing-strategy") == ["use_cached_data"]
    assert healed.all("healing-fidelity") == ["stale;age=2001"]
    assert (report.diagnosis.code, report.case.failure.trouble) == ("API.TIMEOUT", Trouble.SOFT_TIMEOUT)
    assert report.case.failure.blame is None
    assert before is not None
    assert after is not None
    assert before.age == pytest.approx(2000.5, abs=1.0)
    assert after.age == pytest.approx(0.0, abs=1.0)
    assert (health.failed, health.felt) == (0, {"stale": 1})
    assert len(here.origin.asked) == 2


@WAYS
@on_uvloop
async def test_a_late_answer_still_wins_and_is_no_healed_one(headers: dict[str, Any]) -> None:
    async with slow_street() as here:
        held = Held(good(here))
        here.provider.turns.append(held)
        asking = asyncio.create_task(here.ask(LATEST, **headers))
        await eventually(lambda: held.has_come(0.1))
        held.let_go()
        late = await asking
        [report] = here.house.reports
        health = here.house.health(PLACE)
    assert (late.status, late.all("healing-status"), late.all("age")) == (200, [], [])
    assert late.body == here.provider.truth(UPSTREAM)
    assert report.strategy == "late_answer"
    assert (health.total, health.failed, health.felt) == (1, 0, {"exact": 1})


@WAYS
@on_uvloop
async def test_a_late_error_is_told_as_it_is(headers: dict[str, Any]) -> None:
    async with slow_street() as here:
        held = Held(said(b"{}", status=b"500 Oops"))
        here.provider.turns.append(held)
        asking = asyncio.create_task(here.ask(LATEST, **headers))
        await eventually(lambda: held.has_come(0.1))
        held.let_go()
        late = await asking
        health = here.house.health(PLACE)
    attempts = {one["strategy"]: one for one in json_in(late)["attempts"]}
    assert (late.status, json_in(late)["code"]) == (503, "API.TIMEOUT")
    assert attempts["late_answer"] == {"strategy": "late_answer", "outcome": "failed", "reason": "HTTP 500"}
    assert (health.total, health.failed, health.felt) == (1, 1, {"error": 1})


@WAYS
@on_uvloop
async def test_an_answer_that_never_comes_ends_at_the_deadline(headers: dict[str, Any]) -> None:
    async with slow_street(healing={"request_deadline": 0.3}) as here:
        here.provider.turns.append(Held(b""))
        told = await here.ask(LATEST, **headers)
        assert await here.origin.asked[0].line.ended()
        await eventually(lambda: here.house.health(PLACE).total == 1)
        health = here.house.health(PLACE)
    attempts = {one["strategy"]: one["reason"] for one in json_in(told)["attempts"]}
    assert (told.status, json_in(told)["code"]) == (503, "API.TIMEOUT")
    assert attempts["late_answer"] in ("the deadline passed", "no answer within 0.3s (head)")
    assert (health.failed, health.felt) == (1, {"error": 1})


@WAYS
@on_uvloop
async def test_a_short_deadline_leaves_time_for_the_copy(headers: dict[str, Any]) -> None:
    settings = {"soft_timeout": {"min": 1.0, "max": 5.0}, "request_deadline": 0.5}
    async with slow_street(healing=settings) as here:
        first = await here.ask(LATEST, **headers)
        here.clock.pass_time(2000.5)
        here.provider.turns.append(Held(b""))
        healed = await here.ask(LATEST, **headers)
    assert (healed.status, healed.body) == (200, first.body)
    assert healed.all("healing-strategy") == ["use_cached_data"]


@WAYS
@on_uvloop
async def test_silence_until_a_deadline_that_is_shorter_than_patience_blames_no_source(
    headers: dict[str, Any],
) -> None:
    settings = {"soft_timeout": {"min": 3.0, "max": 5.0}, "request_deadline": 0.3}
    async with slow_street(healing=settings) as here:
        here.provider.turns.append(Held(b""))
        told = await here.ask(LATEST, **headers)
        assert await here.origin.asked[0].line.ended()
        health = here.house.health(PLACE)
        breaker = repr(here.house.breaker(PLACE))
    assert (told.status, json_in(told)["code"]) == (503, "API.TIMEOUT")
    assert (health.total, health.felt) == (0, {"error": 1})
    assert breaker.endswith("closed, 0 of 0 failed>")


@WAYS
@on_uvloop
async def test_a_source_may_have_less_time_than_patience_is(headers: dict[str, Any]) -> None:
    settings = {"soft_timeout": {"min": 3.0, "max": 5.0}}
    async with slow_street(healing=settings, sources={"timeout": 0.1}) as here:
        here.provider.turns.append(Held(b""))
        began = here.clock.monotonic()
        told = await here.ask(LATEST, **headers)
        took = here.clock.monotonic() - began
        [report] = here.house.reports
        health = here.house.health(PLACE)
    failure = report.case.failure
    assert (told.status, took < 1.0) == (503, True)
    assert (failure.trouble, failure.blame) == (Trouble.TIMED_OUT, Blame.PROVIDER)
    assert failure.message == "no answer within 0.1s (head)"
    assert (health.total, health.failed) == (1, 1)


async def leave(here: Street, when: Callable[[], object], *, target: str = LATEST, **headers: Any) -> None:
    """Ask, and hang up as soon as something is so; until nothing of it is left."""
    tasks = asyncio.all_tasks()
    async with here.house.line() as line:
        await line.send(request(target, **headers))
        await eventually(when)
        line.close()
    await eventually(lambda: asyncio.all_tasks() <= tasks | here.origin.talking)


@WAYS
@on_uvloop
async def test_who_leaves_takes_the_question_back(headers: dict[str, Any]) -> None:
    async with slow_street(healing={"soft_timeout": {"min": 5.0, "max": 5.0}}) as here:
        for _ in range(6):
            held = Held(b"")
            here.provider.turns.append(held)
            await leave(here, held.has_come, **headers)
            assert await here.origin.asked[-1].line.ended()
        health = here.house.health(PLACE)
    assert (health.total, health.felt, here.house.reports) == (0, {}, [])
    assert here.house.breaker(PLACE).state is BreakerState.CLOSED


@WAYS
@on_uvloop
async def test_who_leaves_while_healing_waits_for_a_late_answer_takes_that_back_too(
    headers: dict[str, Any],
) -> None:
    async with slow_street() as here:
        held = Held(b"")
        here.provider.turns.append(held)
        await leave(here, lambda: held.has_come(0.15), **headers)
        assert await here.origin.asked[0].line.ended()
        health = here.house.health(PLACE)
    assert (health.total, health.felt, here.house.reports) == (0, {}, [])


@WAYS
@on_uvloop
async def test_who_leaves_during_a_healing_ends_it(headers: dict[str, Any]) -> None:
    async with slow_street(healing={"in_request_retries": 2}) as here:
        held = Held(b"")
        here.provider.turns.extend([said(b"{}", status=b"500 Oops"), held])
        await leave(here, held.has_come, **headers)
        assert await here.origin.asked[1].line.ended()
        health = here.house.health(PLACE)
    assert (health.total, health.failed, health.felt, here.house.reports) == (1, 1, {}, [])


@on_uvloop
async def test_who_leaves_at_the_very_moment_of_a_bad_answer_leaves_nothing_behind() -> None:
    async with slow_street() as here:
        tasks = asyncio.all_tasks()
        here.provider.turns.append(Held(b""))
        async with here.house.line() as line:
            await line.send(request(LATEST))
            await eventually(lambda: here.origin.asked)
            # Both in one turn of the loop, the end of the client first.
            line.close()
            here.origin.asked[0].line.socket.send(said(b"{}", status=b"500 Oops"))
        await eventually(lambda: asyncio.all_tasks() <= tasks | here.origin.talking)
    assert here.house.reports == []


@on_uvloop
async def test_who_leaves_at_the_very_moment_when_patience_ends_takes_the_question_back() -> None:
    async with slow_street() as here:
        tasks = asyncio.all_tasks()
        held = Held(b"")
        here.provider.turns.append(held)
        async with here.house.line() as line:
            await line.send(request(LATEST))
            await eventually(held.has_come)
            # The loop hears of both at once, of the end of the client first.
            line.close()
            over = CLOCK.monotonic() + 0.1
            while CLOCK.monotonic() < over:
                pass
        async with asyncio.timeout(2.0):
            assert await here.origin.asked[0].line.ended()
        await eventually(lambda: asyncio.all_tasks() <= tasks | here.origin.talking)
    assert here.house.reports == []


@WAYS
@on_uvloop
async def test_who_leaves_a_trial_gives_it_back(headers: dict[str, Any]) -> None:
    async with slow_street() as here:
        breaker = here.house.breaker(PLACE)
        here.provider.turns.extend([said(b"{}", status=b"500 Oops")] * 5)
        for _ in range(5):
            await here.ask(LATEST, **headers)
        assert breaker.state is BreakerState.OPEN
        here.clock.pass_time(31.0)
        held = Held(b"")
        here.provider.turns.append(held)
        await leave(here, held.has_come, **headers)
        assert await here.origin.asked[-1].line.ended()
        assert (breaker.state, breaker.would_allow()) == (BreakerState.HALF_OPEN, True)
        after = await here.ask(LATEST, **headers)
    assert (after.status, after.all("healing-status")) == (200, [])
