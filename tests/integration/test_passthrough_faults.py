"""What a caller of a source that is passed through is told when it fails, and what is counted then."""

import socket

import pytest
from tests.eventually import eventually
from tests.lanes import HASTY, RAW, Held, host, house, json_in, request, saying, shop
from tests.wire_origins import Asked, Cut, Said, Script, answer, listening, on_uvloop


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])


@on_uvloop
async def test_an_origin_that_is_not_there_is_a_bad_gateway() -> None:
    port = free_port()
    async with house({"my_shop": {"kind": "raw", "hosts": (host(port),)}}) as rooms:
        told = await rooms.ask("/api/my-shop/secret?key=x", method="POST", body=b"x")
        health = rooms.health(RAW)
    assert (told.status, json_in(told)["title"]) == (502, "Bad Gateway")
    assert_says_nothing(told, port)
    assert (health.total, health.failed) == (1, 1)


def assert_says_nothing(told: Said, port: int) -> None:
    """A problem document without any address, path or query."""
    assert told.all("content-type") == ["application/problem+json"]
    assert json_in(told)["status"] == told.status
    for secret in (str(port).encode(), b"127.0.0.1", b"localhost", b"secret", b"key"):
        assert secret not in told.body


async def _half(asked: Asked) -> None:
    await asked.line.send(answer(b"x" * 100)[:-50])
    raise Cut("as it was to be")


async def _nothing(asked: Asked) -> None:
    raise Cut("as it was to be")


@pytest.mark.parametrize(
    "script",
    [_half, _nothing, saying(b"SSH-2.0-OpenSSH\r\n\r\n"), saying(answer(b"", b"Content-Length: 5"))],
    ids=["half", "nothing", "no HTTP", "two lengths"],
)
@on_uvloop
async def test_an_answer_that_is_none_is_a_bad_gateway(script: Script) -> None:
    async with shop(script) as here:
        told = await here.ask("/api/my-shop/secret?key=x", method="POST", body=b"x")
        health = here.house.health(RAW)
    assert told.status == 502
    assert_says_nothing(told, here.origin.port)
    assert (health.total, health.failed, len(here.origin.asked)) == (1, 1, 1)


@on_uvloop
async def test_a_forbidden_address_is_a_bad_gateway_too() -> None:
    async with shop(allow_private=False) as here:
        told = await here.ask("/api/my-shop/secret")
    assert told.status == 502
    assert_says_nothing(told, here.origin.port)
    assert here.origin.asked == []


@on_uvloop
async def test_an_origin_that_says_nothing_is_a_gateway_timeout() -> None:
    async with shop(Held(b""), house_of=HASTY) as here:
        told = await here.ask("/api/my-shop/secret?key=x")
        assert await here.origin.asked[0].line.ended()
        health = here.house.health(RAW)
    assert (told.status, json_in(told)["title"]) == (504, "Gateway Timeout")
    assert_says_nothing(told, here.origin.port)
    assert (health.total, health.failed) == (1, 1)


@on_uvloop
async def test_where_too_many_wait_one_is_told_when_to_come_back() -> None:
    settings = {"connections_per_host": 1, "waiting_per_host": 1}
    held = Held(answer(b"late"))
    async with listening(held) as origin:
        changes = {"my_shop": {"kind": "raw", "hosts": (host(origin.port),)}}
        async with house(changes, healing=settings) as rooms, rooms.line() as one, rooms.line() as two:
            await one.send(request("/api/my-shop/"))
            await eventually(held.has_come)
            await two.send(request("/api/my-shop/"))
            told = await rooms.ask("/api/my-shop/secret")
            held.let_go()
            first, second = await one.answer(), await two.answer()
    assert (told.status, told.all("retry-after")) == (503, ["1"])
    assert_says_nothing(told, origin.port)
    assert (first.body, second.body) == (b"late", b"late")


@on_uvloop
async def test_good_exchanges_are_counted_with_their_time() -> None:
    async with shop() as here:
        for _ in range(3):
            await here.ask("/api/my-shop/")
        health = here.house.health(RAW)
    assert (health.total, health.failed, health.consecutive_failures) == (3, 0, 0)
    assert health.average_seconds is not None


@on_uvloop
async def test_who_leaves_takes_the_request_back_and_counts_for_nothing() -> None:
    held = Held(b"")
    async with shop(held) as here:
        async with here.house.line() as line:
            await line.send(request("/api/my-shop/"))
            await eventually(held.has_come)
        assert await here.origin.asked[0].line.ended()
        health = here.house.health(RAW)
    assert health.total == 0


@on_uvloop
async def test_a_stream_that_breaks_off_is_cut_visibly_and_counted() -> None:
    async def break_off(asked: Asked) -> None:
        await asked.line.send(answer(b"x" * 200_000)[:150_000])
        raise Cut("as it was to be")

    async with shop(break_off) as here:
        with pytest.raises((Cut, ConnectionResetError)):
            await here.ask("/api/my-shop/")
        await eventually(lambda: here.house.health(RAW).failed == 1)
