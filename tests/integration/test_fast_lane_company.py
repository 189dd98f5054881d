"""Those who ask the same at the same time share one call to its source."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from tests.eventually import eventually
from tests.lanes import WISH, Held, Street, answers, request, said, street
from tests.shelf import Shelf
from tests.wire_origins import Line, Said, on_both_loops, on_uvloop

LATEST, PLACE = "/api/exchange-rate/latest/USD", "exchange_rate_api/latest"
UPSTREAM = b"/v6/key/latest/USD"

COMPANY: Mapping[str, Any] = {"cache": {"serve_fresh": True, "coalesce": True}}
ONCE = {**COMPANY, "in_request_retries": 0}

WAYS = pytest.mark.parametrize("headers", [{}, {"healing_allow": WISH}], ids=["short", "ordinary"])


def good(here: Street, *fields: bytes) -> bytes:
    return said(here.provider.truth(UPSTREAM), *fields)


def hold(here: Street, then: bytes) -> Held:
    held = Held(then)
    here.provider.turns.append(held)
    return held


async def lines_of(here: Street, stack: AsyncExitStack, count: int, **headers: Any) -> Sequence[Line]:
    """So many clients, who have all asked."""
    lines = [await stack.enter_async_context(here.house.line()) for _ in range(count)]
    for line in lines:
        await line.send(request(LATEST, **headers))
    return lines


async def said_to(lines: Sequence[Line]) -> list[Said]:
    return [await line.answer() for line in lines]


async def settled(here: Street, requests: int) -> None:
    """Until so many requests are in flight."""
    await eventually(lambda: here.house.server.in_flight >= requests)


@WAYS
@on_both_loops
async def test_two_hundred_who_miss_the_same_make_one_call(headers: dict[str, Any]) -> None:
    async with street("exchange_rate_api", healing=COMPANY) as here, AsyncExitStack() as stack:
        held = hold(here, good(here))
        lines = await lines_of(here, stack, 200, **headers)
        await settled(here, 200)
        held.let_go()
        told = await said_to(lines)
        here.house.path.count()
        felt = here.house.health(PLACE).felt
    assert len(here.origin.asked) == 1
    assert {(one.status, one.body) for one in told} == {(200, here.provider.truth(UPSTREAM))}
    assert felt == {"fresh": 200}


@WAYS
@on_uvloop
async def test_where_the_one_call_fails_all_share_one_healing(headers: dict[str, Any]) -> None:
    async with street("exchange_rate_api", healing=COMPANY) as here, AsyncExitStack() as stack:
        held = hold(here, said(b"{}", status=b"500 Oops"))
        lines = await lines_of(here, stack, 50, **headers)
        await settled(here, 50)
        held.let_go()
        told = await said_to(lines)
        felt = here.house.health(PLACE).felt
    assert len(here.origin.asked) == 2
    assert {(one.status, *one.all("healing-strategy")) for one in told} == {
        (200, "exponential_backoff_retry")
    }
    assert len({one.all("healing-trail")[0] for one in told}) == 1
    assert felt == {"exact": 50}


@WAYS
@on_uvloop
async def test_where_nothing_heals_it_all_hear_the_same_truth_after_three_calls(
    headers: dict[str, Any],
) -> None:
    async with street("exchange_rate_api", healing=COMPANY) as here, AsyncExitStack() as stack:
        broken = said(b"{}", status=b"500 Oops")
        held = hold(here, broken)
        here.provider.turns.extend([broken] * 100)
        lines = await lines_of(here, stack, 50, **headers)
        await settled(here, 50)
        held.let_go()
        told = await said_to(lines)
    assert len(here.origin.asked) <= 3
    assert {(one.status, *one.all("healing-status")) for one in told} == {(500, "failed")}


@WAYS
@on_uvloop
async def test_who_asked_first_may_leave_without_harm_to_the_others(headers: dict[str, Any]) -> None:
    async with street("exchange_rate_api", healing=ONCE) as here, AsyncExitStack() as stack:
        held = hold(here, good(here))
        async with here.house.line() as first:
            await first.send(request(LATEST, **headers))
            await eventually(held.has_come)
            lines = await lines_of(here, stack, 3, **headers)
            await settled(here, 4)
        await eventually(lambda: here.house.server.in_flight == 3)
        held.let_go()
        told = await said_to(lines)
        here.house.path.count()
        felt = here.house.health(PLACE).felt
    assert [one.status for one in told] == [200] * 3
    assert len(here.origin.asked) == 1
    assert felt == {"fresh": 3}  # and not by who left


@WAYS
@on_uvloop
async def test_when_the_last_one_leaves_the_source_is_let_go(headers: dict[str, Any]) -> None:
    async with street("exchange_rate_api", healing=ONCE) as here:
        held = hold(here, b"")
        async with AsyncExitStack() as stack:
            await lines_of(here, stack, 3, **headers)
            await settled(here, 3)
            await eventually(held.has_come)
        assert await here.origin.asked[0].line.ended()
        await eventually(lambda: here.house.server.in_flight == 0)
        again = await here.ask(LATEST, **headers)
    assert again.status == 200


@pytest.mark.parametrize("field", [b"Cache-Control: max-age=0", b"Cache-Control: no-store"])
@WAYS
@on_uvloop
async def test_what_is_not_to_be_shared_each_asks_for_itself(field: bytes, headers: dict[str, Any]) -> None:
    async with street("exchange_rate_api", healing=ONCE) as here, AsyncExitStack() as stack:
        answer = good(here, field)
        held = hold(here, answer)
        here.provider.turns.extend([answer] * 4)
        lines = await lines_of(here, stack, 5, **headers)
        await settled(here, 5)
        held.let_go()
        told = await said_to(lines)
        first = len(here.origin.asked)
        halts = [hold(here, answer) for _ in range(5)]
        for line in lines:
            await line.send(request(LATEST, **headers))
        await eventually(lambda: all(one.has_come() for one in halts))  # nobody waits for another any more
        for one in halts:
            one.let_go()
        again = await said_to(lines)
    assert [one.status for one in [*told, *again]] == [200] * 10
    assert (first, len(here.origin.asked)) == (5, 10)


@on_uvloop
async def test_those_with_other_wishes_do_not_wait_for_each_other() -> None:
    async with street("exchange_rate_api", healing=ONCE) as here, AsyncExitStack() as stack:
        halts = [hold(here, good(here)) for _ in range(3)]
        lines = [
            *await lines_of(here, stack, 2),
            *await lines_of(here, stack, 2, healing_allow="exact"),
            *await lines_of(here, stack, 1, healing_deadline="9"),
        ]
        await eventually(lambda: all(one.has_come() for one in halts))
        for one in halts:
            one.let_go()
        told = await said_to(lines)
    assert [one.status for one in told] == [200] * 5
    assert len(here.origin.asked) == 3


@on_uvloop
async def test_who_comes_while_healing_is_under_way_is_healed_with_the_others() -> None:
    async with street("exchange_rate_api", healing=COMPANY) as here, AsyncExitStack() as stack:
        here.provider.turns.append(said(b"{}", status=b"500 Oops"))
        held = hold(here, good(here))  # the retry
        early = await lines_of(here, stack, 1)
        await eventually(held.has_come)
        late = await lines_of(here, stack, 2)
        await settled(here, 3)
        held.let_go()
        told = await said_to([*early, *late])
    assert len({one.all("healing-trail")[0] for one in told}) == 1
    assert len(here.origin.asked) == 2


@on_uvloop
async def test_pipelined_questions_are_answered_in_their_order() -> None:
    async with street("exchange_rate_api", healing=COMPANY) as here, here.house.line() as line:
        held = hold(here, good(here))
        await line.send(request(LATEST) * 3)
        await eventually(held.has_come)
        held.let_go()
        told = await answers(line, 3)
    assert [one.status for one in told] == [200] * 3
    assert len(here.origin.asked) == 1


@on_uvloop
async def test_an_answer_too_large_to_be_held_goes_to_one_and_the_others_ask_again() -> None:
    body = b'{"rates": [' + b"1," * 1_200_000 + b"1]}"
    async with street("yahoo_finance", healing=ONCE) as here, AsyncExitStack() as stack:
        held = hold(here, said(body))
        here.provider.turns.extend([said(body)] * 2)
        lines = [await stack.enter_async_context(here.house.line()) for _ in range(3)]
        for line in lines:
            await line.send(request("/api/yahoo/chart/AAPL"))
        await settled(here, 3)
        held.let_go()
        told = await asyncio.gather(*(line.answer() for line in lines))
    assert [(one.status, len(one.body)) for one in told] == [(200, len(body))] * 3
    assert len(here.origin.asked) == 3


@WAYS
@on_uvloop
async def test_all_wait_for_one_look_into_the_second_layer_and_one_call(
    headers: dict[str, Any],
) -> None:
    shelf = Shelf()
    shelf.turns = 50
    async with (
        street("exchange_rate_api", healing=COMPANY, layer=shelf) as here,
        AsyncExitStack() as stack,
    ):
        held = hold(here, good(here))
        lines = await lines_of(here, stack, 50, **headers)
        await settled(here, 50)
        held.let_go()
        told = await said_to(lines)
        assert here.house.kept is not None
        await here.house.kept.flush()
    assert {one.status for one in told} == {200}
    assert (shelf.looks, len(here.origin.asked)) == (1, 1)
    async with (
        street("exchange_rate_api", healing=COMPANY, layer=shelf) as again,
        AsyncExitStack() as stack,
    ):
        brought = await said_to(await lines_of(again, stack, 50, **headers))
    assert {one.body for one in brought} == {told[0].body}
    assert (shelf.looks, len(again.origin.asked)) == (2, 0)
