"""Twins over real sockets: each fault is seen by a client as it would be in the wild."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import aiohttp
import pytest
import uvloop
from tests.clock import HurriedClock

from autonomous_healing.drills.twins import Fault, FaultKind, FaultScript, Market, TwinServer, render
from autonomous_healing.resilience import Clock, SystemClock

MARKET = Market(7, datetime(2026, 1, 1, tzinfo=UTC))
NOON = datetime(2026, 3, 11, 12, 0, 7, tzinfo=UTC)
KEY = "a" * 32
PREV = "/v2/aggs/ticker/AAPL/prev"
DISCONNECTS = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)


class World:
    """A client, and twins that end with the test."""

    def __init__(self, stack: AsyncExitStack, client: aiohttp.ClientSession) -> None:
        self.client = client
        self.clock = HurriedClock(NOON)
        self._stack = stack

    async def twin(
        self,
        source: str,
        *faults: Fault,
        keys: frozenset[str] = frozenset(),
        clock: Clock | None = None,
    ) -> TwinServer:
        twin = TwinServer(source, MARKET, FaultScript(faults), clock or self.clock, keys=keys)
        await twin.start()
        self._stack.push_async_callback(twin.stop)
        return twin

    async def get(self, url: str, **headers: str) -> tuple[int, bytes]:
        async with self.client.get(url, headers=headers) as answer:
            return answer.status, await answer.read()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(aiohttp.ClientSession())
        yield World(stack, client)


def polygon(kind: FaultKind, **only: Any) -> Fault:
    return Fault(kind=kind, source="polygon_io", **only)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await SystemClock().sleep(0)


async def hanging(twin: TwinServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A client that has sent its request and waits."""
    already = len(twin.exchanges)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(twin.urls[0].rpartition(":")[2]))
    writer.write(f"GET {PREV} HTTP/1.1\r\nHost: twin\r\n\r\n".encode())
    await until(lambda: len(twin.exchanges) > already)
    return reader, writer


@pytest.mark.parametrize(
    ("source", "path", "query"),
    [
        ("yahoo_finance", "/v8/finance/chart/%5EGSPC", {"interval": "1d", "range": "5d"}),
        ("fred_api", "/fred/series", {"series_id": "DGS10", "file_type": "json"}),
        ("polygon_io", PREV, {}),
        ("alpha_vantage", "/query", {"function": "GLOBAL_QUOTE", "symbol": "IBM"}),
        ("exchange_rate_api", "/v6/latest/USD", {}),
    ],
)
async def test_sends_exactly_the_truth_and_logs_it(
    world: World, source: str, path: str, query: dict[str, str]
) -> None:
    twin = await world.twin(source)
    url = f"{twin.urls[-1]}{path}?{'&'.join(f'{name}={value}' for name, value in query.items())}"

    status, body = await world.get(url, **{"X-Request-Id": "r1", "User-Agent": "tester"})

    [seen] = twin.exchanges
    assert status == seen.status == 200
    assert body == render(source, MARKET, seen.path, seen.query, seen.at).body
    assert seen.digest == sha256(body).hexdigest()
    assert (seen.at, seen.source, seen.host) == (NOON, source, len(twin.urls) - 1)
    assert (seen.request_id, seen.user_agent, seen.fault) == ("r1", "tester", None)


async def test_has_as_many_hosts_as_the_source_and_faults_may_strike_one(world: World) -> None:
    twin = await world.twin("yahoo_finance", Fault(kind=FaultKind.EMPTY, source="yahoo_finance", host=0))
    path = "/v7/finance/quote?symbols=SPY"

    bodies = [(await world.get(url + path))[1] for url in twin.urls]

    assert bodies[0] == b""
    assert json.loads(bodies[1])["quoteResponse"]["result"][0]["symbol"] == "SPY"
    assert [seen.host for seen in twin.exchanges] == [0, 1]


@pytest.mark.parametrize(
    ("source", "path", "status", "words"),
    [
        ("fred_api", "/fred/series?series_id=DGS10&file_type=json&api_key={key}", 400, b"api_key"),
        ("polygon_io", PREV + "?apiKey={key}", 401, b"Unknown API Key"),
        ("alpha_vantage", "/query?function=GLOBAL_QUOTE&symbol=IBM&apikey={key}", 200, b"Error Message"),
        ("exchange_rate_api", "/v6/{key}/latest/USD", 403, b"invalid-key"),
    ],
)
async def test_takes_good_keys_and_refuses_others_as_the_provider_does(
    world: World, source: str, path: str, status: int, words: bytes
) -> None:
    twin = await world.twin(source, keys=frozenset({KEY}))

    good = await world.get(twin.urls[0] + path.format(key=KEY))
    bad = await world.get(twin.urls[0] + path.format(key="b" * 32))

    assert good[0] == 200
    assert words not in good[1]
    assert bad[0] == status
    assert words in bad[1]
    assert [seen.key for seen in twin.exchanges] == [KEY, "b" * 32]
    assert KEY not in twin.exchanges[0].path + str(twin.exchanges[0].query)


async def test_takes_a_bearer_key_and_the_open_host_needs_none(world: World) -> None:
    keyed = await world.twin("polygon_io", keys=frozenset({KEY}))
    rates = await world.twin("exchange_rate_api", keys=frozenset({KEY}))

    assert (await world.get(keyed.urls[0] + PREV, Authorization=f"Bearer {KEY}"))[0] == 200
    assert b"API Key was not provided" in (await world.get(keyed.urls[0] + PREV))[1]
    assert b'"rates"' in (await world.get(f"{rates.urls[1]}/v6/latest/USD"))[1]


async def test_a_throttle_says_when_to_come_back(world: World) -> None:
    twin = await world.twin("polygon_io", polygon(FaultKind.THROTTLE, seconds=30))

    async with world.client.get(twin.urls[0] + PREV) as answer:
        assert answer.status == 429
        assert answer.headers["Retry-After"] == "30"
    assert twin.exchanges[0].fault == polygon(FaultKind.THROTTLE, seconds=30)


async def test_a_slow_answer_waits_on_the_clock_and_is_good(world: World) -> None:
    twin = await world.twin("polygon_io", polygon(FaultKind.LATENCY, seconds=8))

    status, body = await world.get(twin.urls[0] + PREV)

    assert world.clock.monotonic() == 8
    assert (status, body) == (200, render("polygon_io", MARKET, PREV, {}, NOON).body)


async def test_a_hanging_answer_lasts_until_the_client_gives_up(world: World) -> None:
    twin = await world.twin("polygon_io", polygon(FaultKind.HANG))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await world.get(twin.urls[0] + PREV)

    [seen] = twin.exchanges
    assert (seen.status, seen.digest) == (None, "")


async def test_a_reset_comes_before_any_head(world: World) -> None:
    twin = await world.twin("polygon_io", polygon(FaultKind.RESET))
    with pytest.raises(DISCONNECTS):
        await world.get(twin.urls[0] + PREV)

    reader, _ = await hanging(twin)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    assert twin.exchanges[-1].status is None


async def test_a_cut_body_is_shorter_than_announced(world: World) -> None:
    twin = await world.twin("polygon_io", polygon(FaultKind.CUT))
    whole = render("polygon_io", MARKET, PREV, {}, NOON).body

    async with world.client.get(twin.urls[0] + PREV) as answer:
        assert answer.headers["Content-Length"] == str(len(whole))
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    assert twin.exchanges[0].digest == sha256(whole[: len(whole) // 2]).hexdigest()


async def test_an_outage_resets_every_connection_and_ends_on_time(world: World) -> None:
    outage = polygon(FaultKind.OUTAGE, starts_at=NOON, ends_at=NOON + timedelta(minutes=1))
    twin = await world.twin("polygon_io", outage)
    reader, _ = await asyncio.open_connection("127.0.0.1", int(twin.urls[0].rpartition(":")[2]))

    with pytest.raises(ConnectionResetError):
        await reader.read()
    with pytest.raises(DISCONNECTS):
        await world.get(twin.urls[0] + PREV)
    assert {(seen.endpoint, seen.status, seen.fault) for seen in twin.exchanges} == {("", None, outage)}

    world.clock.pass_time(60)
    assert (await world.get(twin.urls[0] + PREV))[0] == 200


async def test_an_outage_also_ends_connections_that_are_already_open(world: World) -> None:
    twin = await world.twin("polygon_io", polygon(FaultKind.OUTAGE, starts_at=NOON + timedelta(minutes=1)))
    assert (await world.get(twin.urls[0] + PREV))[0] == 200

    world.clock.pass_time(60)

    with pytest.raises(DISCONNECTS):
        await world.get(twin.urls[0] + PREV)


@pytest.mark.parametrize(
    ("kind", "true_at"),
    [
        (FaultKind.LATENCY, NOON + timedelta(minutes=1)),
        (FaultKind.STALE, NOON + timedelta(minutes=1) - timedelta(days=14)),
        (FaultKind.FROZEN, NOON),
        (FaultKind.IMPLAUSIBLE, None),
        (FaultKind.CUT, None),
    ],
)
async def test_the_log_says_when_what_was_sent_was_the_truth(
    world: World, kind: FaultKind, true_at: datetime | None
) -> None:
    twin = await world.twin("polygon_io", polygon(kind, starts_at=NOON))
    world.clock.pass_time(60)

    async with world.client.get(twin.urls[0] + PREV) as answer:
        assert answer.status == 200

    [seen] = twin.exchanges
    assert seen.true_at == true_at
    if true_at:
        assert seen.digest == render("polygon_io", MARKET, PREV, {}, true_at).digest


async def test_only_the_first_exchanges_of_each_request_fail(world: World) -> None:
    twin = await world.twin("polygon_io", polygon(FaultKind.FORBIDDEN, exchanges=1))

    answers = [await world.get(twin.urls[0] + PREV, **{"X-Request-Id": name}) for name in ("a", "b", "a")]

    assert [status for status, _ in answers] == [403, 403, 200]


async def test_stops_at_once_though_clients_hang(world: World) -> None:
    twin = await world.twin("polygon_io", polygon(FaultKind.HANG))
    clients = [await hanging(twin) for _ in range(3)]
    began = SystemClock().monotonic()

    await twin.stop()

    assert SystemClock().monotonic() - began < 1.0
    assert twin.urls == ()
    for reader, writer in clients:
        async with asyncio.timeout(1):
            assert await reader.read() == b""
        writer.close()


async def test_stops_at_once_in_the_middle_of_a_long_wait(world: World) -> None:
    slow = polygon(FaultKind.LATENCY, seconds=3600)
    twin = await world.twin("polygon_io", slow, clock=SystemClock())
    _, writer = await hanging(twin)
    began = SystemClock().monotonic()

    await twin.stop()

    assert SystemClock().monotonic() - began < 1.0
    writer.close()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("kind", [FaultKind.RESET, FaultKind.OUTAGE])
def test_resets_on_either_kind_of_event_loop(
    kind: FaultKind, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def scenario() -> None:
        twin = TwinServer("polygon_io", MARKET, FaultScript([polygon(kind)]), HurriedClock(NOON))
        await twin.start()
        async with aiohttp.ClientSession() as client, asyncio.timeout(2):
            with pytest.raises(DISCONNECTS):
                await client.get(twin.urls[0] + PREV)
        await twin.stop()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(scenario())


async def test_can_be_started_again(world: World) -> None:
    twin = await world.twin("polygon_io")
    await twin.stop()

    await twin.start()

    assert (await world.get(twin.urls[0] + PREV))[0] == 200
