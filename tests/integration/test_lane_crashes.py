"""A fault of ours behind a plain question is an incident, and never a caller who waits for ever."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import datetime

import pytest
from tests.clock import HurriedClock
from tests.eventually import eventually
from tests.lanes import House, json_in, request, said, street
from tests.wire_origins import Cut, client, on_uvloop, serving

from autonomous_healing.endpoint_healing.call import Call, Response
from autonomous_healing.proxy import HealingProxy
from autonomous_healing.proxy.fast_lane import FastLane
from autonomous_healing.proxy.lane import Asked
from autonomous_healing.proxy.provenance import Reply
from autonomous_healing.resilience import uuid7_from
from autonomous_healing.wire import Exchange, status_line, whole_head

CHART = "/api/yahoo/chart/AAPL?range=1y"


class Ours(ArithmeticError):
    """A bug, with key=s3cret in its words."""


async def crash(before: Callable[[], object] = lambda: None) -> None:
    before()
    raise Ours("key=s3cret")


@on_uvloop
async def test_who_waits_for_a_task_that_crashes_gets_an_incident(caplog: pytest.LogCaptureFixture) -> None:
    async with street("yahoo_finance") as here:
        lane = here.house.server.lane
        async with serving(lambda exchange: lane.leave(exchange, crash())) as server:
            answer = await here.house.ask("/", port=server.port)
    [logged] = caplog.records
    assert (answer.status, json_in(answer)["title"]) == (500, "Unexpected fault")
    assert logged.getMessage() == "lane_task_crashed"
    assert vars(logged)["incident"] in json_in(answer)["detail"]
    assert b"s3cret" not in answer.body


@on_uvloop
async def test_an_answer_that_had_begun_is_broken_off(caplog: pytest.LogCaptureFixture) -> None:
    async with street("yahoo_finance") as here:
        lane = here.house.server.lane

        def handle(exchange: Exchange) -> None:
            lane.leave(exchange, crash(lambda: exchange.begin(whole_head(status_line(200), (), None), None)))

        async with serving(handle) as server, client(server.port) as line:
            await line.send(request("/"))
            with pytest.raises((Cut, ConnectionResetError)):
                await line.until(b"incident")
    assert [one.getMessage() for one in caplog.records] == ["lane_task_crashed"]


@on_uvloop
async def test_a_task_that_is_ended_from_within_is_broken_off_too() -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    async with street("yahoo_finance") as here:
        lane = here.house.server.lane
        async with (
            serving(lambda exchange: lane.leave(exchange, give_up())) as server,
            client(server.port) as line,
        ):
            await line.send(request("/"))
            with pytest.raises((Cut, ConnectionResetError)):
                await line.until(b"HTTP/")


@on_uvloop
async def test_nobody_is_answered_where_nobody_waits(caplog: pytest.LogCaptureFixture) -> None:
    async with street("yahoo_finance") as here:
        here.house.server.lane.go_on(crash())
        await eventually(lambda: caplog.records)
    assert [one.getMessage() for one in caplog.records] == ["lane_task_crashed"]


class Crashing(HealingProxy):
    """Has a bug beyond all that is caught in it."""

    async def follow(
        self,
        call: Call,
        first: Coroutine[None, None, Response],
        began: datetime,
        start: float,
        patience: float,
    ) -> Reply:
        first.close()
        raise Ours("key=s3cret")


def crashing_lane(rooms: House) -> FastLane:
    proxy = Crashing(
        rooms.parts.endpoints, rooms.healer, rooms.settings, rooms.clock, uuid7_from(rooms.clock)
    )
    return FastLane(proxy, rooms.path, rooms.parts.fetcher, rooms.limits.buffer_bytes)


@on_uvloop
async def test_a_healing_that_crashes_is_an_incident_too(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        async with street("yahoo_finance", HurriedClock()) as here:
            here.provider.turns.append(said(b"{}", status=b"500 Internal Server Error"))
            lane, question = crashing_lane(here.house), here.house.server.question(CHART.encode())
            assert question is not None
            asked = Asked(question, {}, b"")

            def handle(exchange: Exchange) -> None:
                assert lane.take(exchange, asked)

            async with serving(handle) as server:
                answer = await here.house.ask(CHART, port=server.port)
            await lane.stop()
    assert (answer.status, json_in(answer)["title"]) == (500, "Unexpected fault")
    assert [one.getMessage() for one in caplog.records] == ["lane_task_crashed"]
