"""On the short way, answers that are packed, and answers that are too large to be held."""

import asyncio
import gzip
import random
from typing import Any

import pytest
from tests.clock import FlowingClock
from tests.eventually import eventually
from tests.lanes import WISH, Held, Street, json_in, request, said, street, told
from tests.wire_origins import Asked, Cut, chunked, on_uvloop

from autonomous_healing.endpoint_healing.codes import Blame
from autonomous_healing.wire import ServerLimits

CHART, PLACE = "/api/yahoo/chart/AAPL", "yahoo_finance/chart"
LATEST, KEYED, KEYED_UPSTREAM = (
    "/api/exchange-rate/latest/USD",
    "exchange_rate_api/latest",
    "/v6/k/latest/USD",
)

#: The same must come of both.
WAYS = pytest.mark.parametrize("headers", [{}, {"healing_allow": WISH}], ids=["short", "ordinary"])

#: Nobody asks a second time; so bad data is healed from the copy or not at all.
ONCE = {"in_request_retries": 0}

#: Bytes that are held of an answer; larger ones stream.
LIMITS = ServerLimits(buffer_bytes=65_536)


def truth(here: Street) -> bytes:
    return here.provider.truth(b"/v8/finance/chart/AAPL?interval=1d&range=5d")


@pytest.mark.parametrize("size", [0, 140_000, 1_100_000])
@WAYS
@on_uvloop
async def test_compressed_answers_are_judged_and_delivered_as_what_they_hold(
    headers: dict[str, Any], size: int
) -> None:
    async with street("yahoo_finance") as here:
        plain = truth(here) + b" " * size
        turn = said(gzip.compress(plain), b"Content-Encoding: gzip", b"Vary: Accept-Encoding")
        here.provider.turns.extend([turn, turn])
        first, again = [await here.ask(CHART, **headers) for _ in range(2)]
        health = here.house.health(PLACE)
    assert told(first) == told(again)
    assert (first.status, first.body) == (200, plain)
    assert first.all("content-encoding") == first.all("healing-fidelity") == []
    assert first.all("content-length") == [str(len(plain))]
    assert (health.total, health.failed) == (2, 0)


def packed(body: bytes) -> dict[str, tuple[bytes, bytes]]:
    """Answers that hold nothing to be had, each with its coding."""
    whole = gzip.compress(body)
    return {
        "corrupt": (b"gzip", whole[:30] + bytes(8) + whole[38:]),
        "cut": (b"gzip", whole[:-9]),
        "no gzip at all": (b"gzip", body),
        "more behind it": (b"gzip", whole + b"{}"),
        "a bomb": (b"gzip", gzip.compress(body + b" " * 1_200_000)),
        "unknown": (b"br", whole),
        "twice": (b"gzip, gzip", gzip.compress(whole)),
    }


@pytest.mark.parametrize("how", packed(b""))
@WAYS
@on_uvloop
async def test_what_cannot_be_unpacked_is_healed(headers: dict[str, Any], how: str) -> None:
    async with street("yahoo_finance", healing={**ONCE, "max_answer_mb": 1}) as here:
        good = await here.ask(CHART)
        coding, body = packed(good.body)[how]
        here.provider.turns.append(said(body, b"Content-Encoding: " + coding))
        healed = await here.ask(CHART, **headers)
        [report] = here.house.reports
        health = here.house.health(PLACE)
    assert (healed.status, healed.body) == (200, good.body)
    assert healed.all("healing-strategy") == ["use_cached_data"]
    bomb = how == "a bomb"
    assert report.diagnosis.code == ("API.TOO_LARGE" if bomb else "API.UNREACHABLE")
    assert report.case.failure.blame is (Blame.PROXY if bomb else Blame.PROVIDER)
    assert health.failed == (0 if bomb else 1)


def sized(body: bytes) -> bytes:
    return said(body, b"ETag: e", b"Set-Cookie: a=b")


def in_chunks(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: e\r\n"
    return head + chunked(*(body[at : at + 9000] for at in range(0, len(body), 9000)))[17:]


@pytest.mark.parametrize("frame", [sized, in_chunks])
@on_uvloop
async def test_too_much_to_be_held_streams_and_says_that_nobody_looked(frame: Any) -> None:
    async with street("yahoo_finance", limits=LIMITS) as here:
        await here.ask(CHART)
        copy = here.house.parts.cache.latest(resource(here))
        body = b"not JSON, and nobody minds. " * 20_000
        here.provider.turns.append(frame(body))
        large, after = await here.ask(CHART), await here.ask(CHART)
        health = here.house.health(PLACE)
        kept = here.house.parts.cache.latest(resource(here))
    assert (large.status, large.body) == (200, body)
    assert large.all("healing-fidelity") == ["exact;unchecked"]
    assert (large.all("etag"), large.all("content-type")) == (["e"], ["application/json"])
    assert large.all("set-cookie") == large.all("age") == []
    assert after.all("healing-fidelity") == []
    assert kept is not None
    assert kept is copy
    assert (health.total, health.failed, health.felt) == (3, 0, {"fresh": 3})


def resource(here: Street) -> str:
    endpoint = here.house.endpoint(PLACE)
    return endpoint.resource(endpoint.asked({"symbol": "AAPL"}))


@pytest.mark.parametrize(("frame", "early"), [(sized, 0), (in_chunks, 0), (in_chunks, 20_000)])
@on_uvloop
async def test_what_comes_late_does_not_stream_any_more_but_is_judged(frame: Any, early: int) -> None:
    slow = {**ONCE, "soft_timeout": {"min": 0.05, "max": 0.05}}
    async with street("yahoo_finance", FlowingClock(), healing=slow, limits=LIMITS) as here:
        body = truth(here) + b" " * 200_000
        whole = frame(body)
        held = Held(whole[early:])

        async def play(asked: Asked) -> None:
            await asked.line.send(whole[:early])
            await held(asked)

        here.provider.turns.append(play)
        asking = asyncio.create_task(here.ask(CHART))
        await eventually(lambda: held.has_come(0.15))
        held.let_go()
        late = await asking
        [report] = here.house.reports
    assert (late.status, len(late.body), late.all("healing-fidelity")) == (200, len(body), [])
    assert report.strategy == "late_answer"


def cut_off(frame: Any) -> Any:
    async def play(asked: Asked) -> None:
        await asked.line.send(frame(b"x" * 200_000)[:150_000])
        raise Cut("as it was to be")

    return play


@pytest.mark.parametrize("frame", [sized, in_chunks])
@on_uvloop
async def test_a_stream_that_breaks_off_is_cut_visibly_and_counted(frame: Any) -> None:
    async with street("yahoo_finance", limits=LIMITS) as here:
        here.provider.turns.append(cut_off(frame))
        with pytest.raises((Cut, ConnectionResetError)):
            await here.ask(CHART)
        await eventually(lambda: here.house.health(PLACE).failed == 1)
        health = here.house.health(PLACE)
        breaker = repr(here.house.breaker(PLACE))
    assert (health.total, health.felt) == (1, {"error": 1})
    assert "1 of 1 failed" in breaker
    assert here.house.parts.cache.latest(resource(here)) is None


@on_uvloop
async def test_who_leaves_a_stream_ends_it_and_blames_nobody() -> None:
    async with street("yahoo_finance", limits=LIMITS) as here:
        head, rest = sized(b"x" * 200_000)[:100_000], Held(b"")

        async def begin(asked: Asked) -> None:
            await asked.line.send(head)
            await rest(asked)

        here.provider.turns.append(begin)
        async with here.house.line() as line:
            await line.send(request(CHART))
            await line.until(b"\r\n\r\n")
        assert await here.origin.asked[0].line.ended()
        health = here.house.health(PLACE)
    assert (health.total, health.felt) == (0, {})


@pytest.mark.parametrize("frame", [sized, in_chunks])
@WAYS
@on_uvloop
async def test_a_source_that_knows_a_key_is_heard_out_before_a_byte_goes_on(
    headers: dict[str, Any], frame: Any
) -> None:
    async with street("exchange_rate_api", healing={**ONCE, "max_answer_mb": 1}, limits=LIMITS) as here:
        body = here.provider.truth(KEYED_UPSTREAM.encode())
        here.provider.turns.append(frame(body + b" " * 200_000))
        held = await here.ask(LATEST, **headers)
        here.provider.turns.append(frame(b" " * 1_200_000))
        refused = await here.ask(LATEST + "?x=1", **headers)
        health = here.house.health(KEYED)
        [report] = here.house.reports
    assert (held.status, len(held.body)) == (200, len(body) + 200_000)
    assert held.all("healing-fidelity") == []
    assert (refused.status, json_in(refused)["code"]) == (503, "API.TOO_LARGE")
    assert report.case.failure.blame is Blame.PROXY
    assert (health.total, health.failed) == (1, 0)


@pytest.mark.parametrize("frame", [sized, in_chunks])
@WAYS
@on_uvloop
async def test_a_long_error_is_an_error_and_not_too_long(headers: dict[str, Any], frame: Any) -> None:
    async with street("yahoo_finance", healing=ONCE, limits=LIMITS) as here:
        here.provider.turns.append(frame(b"x" * 200_000).replace(b"200 OK", b"500 Oops", 1))
        await here.ask(CHART, **headers)
        [report] = here.house.reports
    assert (report.diagnosis.code, report.case.failure.status) == ("API.SERVER_ERROR", 500)


@pytest.mark.parametrize("frame", [sized, in_chunks])
@WAYS
@on_uvloop
async def test_what_is_large_even_compressed_is_unpacked_and_judged(
    headers: dict[str, Any], frame: Any
) -> None:
    async with street("yahoo_finance", healing=ONCE, limits=LIMITS) as here:
        noise = random.Random(1).randbytes(80_000).hex().encode()
        plain = truth(here)[:-1] + b',"noise":"' + noise + b'"}'
        turn = frame(gzip.compress(plain, 1)).replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1)
        size = len(turn)
        assert size > LIMITS.buffer_bytes
        here.provider.turns.append(turn)
        answer = await here.ask(CHART, **headers)
    assert (answer.status, len(answer.body), answer.all("healing-fidelity")) == (200, len(plain), [])
