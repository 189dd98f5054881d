"""Many who want the same at once: who asks, who waits, who leaves, and what is large on the way."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import http_sf
import pytest
from tests.clock import FlowingClock
from tests.eventually import eventually
from tests.lanes import Held, request
from tests.shops import LIMITS, cached_shop, status
from tests.wire_origins import Asked, Cut, Line, Said, answer, client, let_others_run, on_uvloop, waited

TOKEN = http_sf.Token

#: Callers at once, as the fault matrix wants it.
CROWD = 200

LARGE = 300_000  # more than is held of an answer, less than is kept


async def cut(_: Asked) -> None:
    raise Cut("as it was to be")


class Crowd:
    """Clients on connections of their own."""

    def __init__(self, stack: AsyncExitStack, port: int) -> None:
        self._stack = stack
        self._port = port
        self.lines: list[Line] = []

    async def asks(self, count: int, target: str = "/x", **fields: Any) -> None:
        """So many more ask."""
        for _ in range(count):
            line = await self._stack.enter_async_context(client(self._port))
            await line.send(request(target, **fields))
            self.lines.append(line)

    async def hears(self) -> list[Said]:
        """What all are told."""
        return [await line.answer() for line in self.lines]


@on_uvloop
async def test_a_crowd_shares_one_call() -> None:
    async with cached_shop() as shop, AsyncExitStack() as stack:
        shop.origin.turns.append(held := Held(shop.origin.says(b"one answer")))
        crowd = Crowd(stack, shop.port)
        await crowd.asks(CROWD)
        await eventually(lambda: shop.in_flight == CROWD)
        held.let_go()
        said = await crowd.hears()
        assert {(one.status, one.body) for one in said} == {(200, b"one answer")}
        assert shop.origin.asked == 1
        assert status(said[0]) == {"fwd": TOKEN("uri-miss"), "ttl": 60, "stored": True}
        assert status(said[1]) == {"fwd": TOKEN("uri-miss"), "ttl": 60, "collapsed": True}
        assert shop.cache.counts.collapsed == CROWD - 1


@pytest.mark.parametrize("fault", ["close", "503"])
@on_uvloop
async def test_where_it_fails_three_ask_and_not_all(fault: str) -> None:
    async with cached_shop() as shop, AsyncExitStack() as stack:
        fails: Any = (
            cut if fault == "close" else shop.origin.says(b"closed", "Retry-After: 7", status="503 No")
        )
        shop.origin.turns.append(held := Held(fails))
        shop.origin.turns.extend([fails] * 50)
        crowd = Crowd(stack, shop.port)
        await crowd.asks(CROWD)
        await eventually(lambda: shop.in_flight == CROWD)
        held.let_go()
        said = await crowd.hears()
        statuses = Counter(one.status for one in said)
        if fault == "close":
            assert (shop.origin.asked, statuses) == (3, {502: CROWD})
        else:
            assert (shop.origin.asked, statuses) == (3, {503: CROWD})
            assert Counter(one.body == b"closed" for one in said) == {True: 3, False: CROWD - 3}
            assert {tuple(one.all("retry-after")) for one in said} == {("7",)}


@on_uvloop
async def test_where_the_second_has_an_answer_all_others_get_it() -> None:
    async with cached_shop() as shop, AsyncExitStack() as stack:
        shop.origin.turns.append(held := Held(cut))
        crowd = Crowd(stack, shop.port)
        await crowd.asks(20)
        await eventually(lambda: shop.in_flight == 20)
        held.let_go()
        statuses = [one.status for one in await crowd.hears()]
        assert (statuses, shop.origin.asked) == ([502] + [200] * 19, 2)


@on_uvloop
async def test_what_cannot_be_shared_everybody_asks_for_and_nobody_waits_for_again() -> None:
    async with cached_shop("Cache-Control: private") as shop, AsyncExitStack() as stack:
        shop.origin.turns.append(held := Held(shop.origin.says(b"mine")))
        crowd = Crowd(stack, shop.port)
        await crowd.asks(10)
        await eventually(lambda: shop.in_flight == 10)
        assert shop.origin.asked == 1
        held.let_go()
        said = await crowd.hears()
        assert shop.origin.asked == 10
        assert len({one.body for one in said}) == 10
        assert status(said[1]) == {"fwd": TOKEN("uri-miss"), "collapsed": False, "detail": TOKEN("private")}
        more = [Held(shop.origin.says(b"later")) for _ in range(5)]
        shop.origin.turns.extend(more)
        later = Crowd(stack, shop.port)
        await later.asks(5)
        await eventually(lambda: all(one.has_come() for one in more))
        for one in more:
            one.let_go()
        assert {one.body for one in await later.hears()} == {b"later"}


@on_uvloop
async def test_it_is_tried_again_whether_it_can_be_shared() -> None:
    async with cached_shop() as shop, AsyncExitStack() as stack:
        shop.origin.turns.append(shop.origin.says(b"mine", "Cache-Control: private"))
        await shop.ask()
        shop.later(61.0)
        shop.origin.turns.append(held := Held(shop.origin.says(b"ours")))
        crowd = Crowd(stack, shop.port)
        await crowd.asks(5)
        await eventually(lambda: shop.in_flight == 5)
        held.let_go()
        assert {one.body for one in await crowd.hears()} == {b"ours"}
        assert shop.origin.asked == 2


@on_uvloop
async def test_each_language_has_one_who_asks_for_it() -> None:
    async with (
        cached_shop("Cache-Control: max-age=60", "Vary: Accept-Language") as shop,
        AsyncExitStack() as stack,
    ):
        shop.origin.turns.append(held := Held(shop.origin.says()))
        crowd = Crowd(stack, shop.port)
        for language in ("en", "de", "fr"):
            await crowd.asks(10, accept_language=language)
        await eventually(lambda: shop.in_flight == 30)
        held.let_go()
        said = await crowd.hears()
        assert shop.origin.asked == 3
        bodies = [one.body for one in said]
        assert len(set(bodies)) == 3
        assert all(len(set(bodies[n : n + 10])) == 1 for n in (0, 10, 20))


@pytest.mark.parametrize("field", ["authorization", "cookie"])
@on_uvloop
async def test_who_comes_with_credentials_waits_for_nobody(field: str) -> None:
    async with cached_shop() as shop, AsyncExitStack() as stack:
        held = [Held(shop.origin.says(b"%d" % n, "Cache-Control: private")) for n in range(3)]
        shop.origin.turns.extend(held)
        crowd = Crowd(stack, shop.port)
        await crowd.asks(3, **{field: "mine"})
        await eventually(lambda: all(one.has_come() for one in held))
        for one in held:
            one.let_go()
        assert {one.body for one in await crowd.hears()} == {b"0", b"1", b"2"}


@on_uvloop
async def test_a_crowd_before_what_is_over_has_it_confirmed_once() -> None:
    async with cached_shop("Cache-Control: max-age=60", 'ETag: "a"') as shop, AsyncExitStack() as stack:
        await shop.ask()
        shop.later(100.0)
        same = shop.origin.says(b"", "Cache-Control: max-age=60", status="304 Same")
        shop.origin.turns.append(held := Held(same))
        crowd = Crowd(stack, shop.port)
        await crowd.asks(30)
        await eventually(lambda: shop.in_flight == 30)
        held.let_go()
        assert {one.body for one in await crowd.hears()} == {b"answer 1"}
        assert shop.origin.asked == 2


@on_uvloop
async def test_who_waits_waits_no_longer_than_it_may() -> None:
    rooms = {"limits": LIMITS, "raw_seconds": 0.3}
    async with cached_shop(house_of=rooms) as shop, AsyncExitStack() as stack:
        shop.origin.turns.extend([Held(b"") for _ in range(9)])
        crowd = Crowd(stack, shop.port)
        await crowd.asks(1)
        await eventually(waited(0.15))
        await crowd.asks(1)
        said = await crowd.hears()
        assert [one.status for one in said] == [504, 504]


@on_uvloop
async def test_a_call_that_nobody_waits_for_is_ended() -> None:
    async with cached_shop() as shop, AsyncExitStack() as stack:
        shop.origin.turns.append(held := Held(shop.origin.says()))
        crowd = Crowd(stack, shop.port)
        await crowd.asks(2)
        await eventually(held.has_come)
        for line in crowd.lines:
            line.close()
        assert await shop.listener.lines[0].ended()
        assert (await shop.ask()).status == 200


@on_uvloop
async def test_a_call_goes_on_for_those_who_still_wait() -> None:
    async with cached_shop() as shop, AsyncExitStack() as stack:
        shop.origin.turns.append(held := Held(shop.origin.says(b"for the others")))
        crowd = Crowd(stack, shop.port)
        await crowd.asks(3)
        await eventually(lambda: shop.in_flight == 3)
        crowd.lines.pop(0).close()
        await eventually(lambda: shop.in_flight == 2)
        held.let_go()
        assert [one.body for one in await crowd.hears()] == [b"for the others"] * 2
        assert (shop.origin.asked, (await shop.ask()).body) == (1, b"for the others")


@on_uvloop
async def test_what_is_large_goes_on_as_it_comes_and_is_kept_for_the_next() -> None:
    body = bytes(number % 251 for number in range(LARGE))
    async with cached_shop() as shop, client(shop.port) as line:
        rest = Held(body[100_000:])

        async def slowly(asked: Asked) -> None:
            head, _, _ = shop.origin.says(body).partition(b"\r\n\r\n")
            await asked.line.send(head + b"\r\n\r\n" + body[:100_000])
            await rest(asked)

        shop.origin.turns.append(slowly)
        await line.send(request("/x"))
        head = await line.until(b"\r\n\r\n")
        assert head.lower().count(b"\r\ndate: ") == 1
        assert f"\r\ndate: {shop.origin.date()}\r\n".encode() in head
        assert await line.exactly(100_000) == body[:100_000]  # before the rest has come
        async with AsyncExitStack() as stack:
            others = Crowd(stack, shop.port)
            await others.asks(3)
            await eventually(lambda: shop.in_flight == 4)
            rest.let_go()
            assert await line.exactly(LARGE - 100_000) == body[100_000:]
            assert {one.body for one in await others.hears()} == {body}
        said = await shop.ask()
        assert (said.body, status(said)["hit"], shop.origin.asked) == (body, True, 1)
        assert shop.cache.room.held == 0


@on_uvloop
async def test_a_client_that_does_not_read_holds_up_nobody_else() -> None:
    body = bytes(5_200_000)  # more than the kernel holds for it
    async with cached_shop() as shop, client(shop.port, buffer=4096) as slow, AsyncExitStack() as stack:
        shop.origin.turns.append(shop.origin.says(body))
        await slow.send(request("/x"))
        await eventually(lambda: shop.origin.asked == 1)
        others = Crowd(stack, shop.port)
        await others.asks(3)
        assert {len(one.body) for one in await others.hears()} == {len(body)}
        assert shop.origin.asked == 1


@pytest.mark.parametrize("sized", [True, False])
@on_uvloop
async def test_what_is_too_large_is_not_kept_and_those_who_wait_ask_for_themselves(sized: bool) -> None:
    cache = {"cache": {"max_body_mb": 1}}
    body = bytes(1_500_000)
    async with cached_shop(house_of={"limits": LIMITS, "healing": cache}) as shop, AsyncExitStack() as stack:

        async def large(asked: Asked) -> None:
            head = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n"
            if sized:
                await asked.line.send(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            else:
                chunk = b"%x\r\n%b\r\n" % (len(body), body)
                await asked.line.send(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n")

        shop.origin.turns.append(held := Held(large))
        shop.origin.turns.extend([large] * 2)
        crowd = Crowd(stack, shop.port)
        await crowd.asks(3)
        await eventually(lambda: shop.in_flight == 3)
        held.let_go()
        said = await crowd.hears()
        assert ({len(one.body) for one in said}, shop.origin.asked) == ({len(body)}, 3)
        assert (len(shop.cache.memory), shop.cache.room.held) == (0, 0)
        later = [Held(shop.origin.says(b"small")) for _ in range(2)]
        shop.origin.turns.extend(later)
        more = Crowd(stack, shop.port)
        await more.asks(2)
        await eventually(lambda: all(one.has_come() for one in later))
        for one in later:
            one.let_go()
        await more.hears()


@on_uvloop
async def test_a_large_answer_that_breaks_off_is_cut_for_its_client_and_never_kept() -> None:
    async with cached_shop() as shop, client(shop.port) as line, AsyncExitStack() as stack:

        async def half(asked: Asked) -> None:
            whole = shop.origin.says(bytes(LARGE))
            await asked.line.send(whole[:-1000])
            await held(asked)

        held = Held(cut)
        shop.origin.turns.append(half)
        await line.send(request("/x"))
        await line.until(b"\r\n\r\n")
        others = Crowd(stack, shop.port)
        await others.asks(2)
        await eventually(lambda: shop.in_flight == 3)
        held.let_go()
        with pytest.raises((Cut, ConnectionResetError)):
            await line.exactly(LARGE)
        assert [one.body for one in await others.hears()] == [b"answer 2"] * 2
        assert (shop.origin.asked, shop.cache.room.held) == (2, 0)


@on_uvloop
async def test_an_answer_that_is_cut_short_is_never_kept() -> None:
    async with cached_shop() as shop:

        async def half(asked: Asked) -> None:
            await asked.line.send(answer(b"a good answer", b"Cache-Control: max-age=60")[:-3])
            raise Cut("as it was to be")

        shop.origin.turns.append(half)
        assert (await shop.ask()).status == 502
        assert (await shop.ask()).body == b"answer 2"


@on_uvloop
async def test_who_leaves_a_large_answer_ends_it_unless_others_wait_for_it() -> None:
    async with cached_shop() as shop:
        for others in (0, 2):
            rest = Held(b"x" * 100_000)

            async def slowly(asked: Asked, rest: Held = rest) -> None:
                await asked.line.send(shop.origin.says(b"x" * LARGE)[:-100_000])
                await rest(asked)

            shop.origin.turns.append(slowly)
            async with AsyncExitStack() as stack, client(shop.port) as line:
                await line.send(request(f"/{others}"))
                await line.until(b"\r\n\r\n")
                crowd = Crowd(stack, shop.port)
                await crowd.asks(others, f"/{others}")
                await eventually(lambda others=others: shop.in_flight == 1 + others)  # type: ignore[misc]
                line.close()
                if others:
                    rest.let_go()
                    assert {one.body for one in await crowd.hears()} == {b"x" * LARGE}
                else:
                    assert await shop.listener.lines[-1].ended()
        assert shop.cache.room.held == 0


@on_uvloop
async def test_events_go_on_as_they_come_and_are_not_kept() -> None:
    async with cached_shop("Cache-Control: max-age=60", "Content-Type: text/event-stream") as shop:

        async def events(asked: Asked) -> None:
            head = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Type: text/event-stream\r\n\r\n"
            await asked.line.send(head + b"data: one\n\n")
            await more(asked)
            raise Cut("as it was to be")

        more = Held(b"data: two\n\n")
        shop.origin.turns.append(events)
        async with client(shop.port) as line:
            await line.send(request("/x"))
            assert b"detail=endless" in await line.until(b"\r\n\r\n")
            await line.until(b"data: one\n\n")
            more.let_go()
            await line.until(b"data: two\n\n")
        assert len(shop.cache.memory) == 0


@on_uvloop
async def test_a_change_during_a_call_makes_its_answer_worthless() -> None:
    async with cached_shop(clock=FlowingClock()) as shop, AsyncExitStack() as stack:
        shop.origin.turns.append(held := Held(shop.origin.says(b"old")))
        crowd = Crowd(stack, shop.port)
        await crowd.asks(1)
        await eventually(held.has_come)
        assert (await shop.ask(method="PUT")).status == 200
        await eventually(waited(0.01))
        assert (await shop.ask()).body == b"answer 3"  # it does not wait for the old one
        held.let_go()
        [said] = await crowd.hears()
        assert (said.body, status(said)["detail"]) == (b"old", TOKEN("outdated"))
        assert (await shop.ask()).body == b"answer 3"


@on_uvloop
async def test_nothing_is_left_of_a_crowd() -> None:
    async with cached_shop("Cache-Control: no-cache", 'ETag: "a"') as shop, AsyncExitStack() as stack:
        crowd = Crowd(stack, shop.port)
        await crowd.asks(20)
        await crowd.hears()
        tasks = asyncio.all_tasks()
        await let_others_run()
        assert asyncio.all_tasks() <= tasks
        assert shop.in_flight == 0
