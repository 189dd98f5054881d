"""What a proxy has to go through: storms of requests, silent crowds, clients that leave or dawdle."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from bench.rig.faults import CannotMeasure
from bench.rig.figures import percentile
from bench.rig.inside import CLOCK, Inside
from bench.rig.rough import (
    ECHO,
    ENDLESS,
    HALF,
    HELD_SYMBOL,
    HOLD,
    STUCK,
    Break,
    Client,
    Origin,
    Reply,
    Visit,
    connect,
    echo,
    request,
)

MEBI = 1_048_576

#: Seconds, short so that a run is; how exactly they are kept shows as well.
IDLE, HEAD, STALL = 6.0, 3.0, 3.0

#: Seconds that the product gives a refused client to read why, and how late any of this may be.
LINGER, SLACK = 2.0, 1.5

#: Of the charts that are asked for.
SYMBOLS = [f"S{number}" for number in range(64)]

#: Seconds until a trial gives up; and until a client that has left counts as never noticed.
PATIENCE, NOTICED = 20.0, 5.0

#: The product's limits for one host: connections, and requests that wait for one.
PER_HOST, WAITING = 64, 256

#: Bytes of a body that is still held before it goes on.
_HELD = 900_000

_CLIENTS, _POSTING, _LEAVING, _STUCK = 32, 8, 40, 8  # at once

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much of everything there is in one lap."""

    storm: int  #: requests, on each of the two ways
    crowd: int  #: clients that are connected and silent
    leavers: int
    bodies: int  #: requests with a large body
    slow: int  #: clients that send a byte at a time
    deaf: int  #: clients that never read, and as many that stop in the middle of a body


@dataclass(frozen=True, slots=True)
class Ground:
    """Who takes part."""

    inside: Inside
    origin: Origin

    @property
    def doors(self) -> tuple[int, int]:
        """Of the data endpoint, and of the raw source."""
        assert self.inside.product.raw_port is not None
        return self.inside.product.port, self.inside.product.raw_port


@dataclass(frozen=True, slots=True)
class Question:
    """A request with the one right answer."""

    visit: str
    request: bytes
    expected: bytes


class Outcome(StrEnum):
    """What a client can say of an answer."""

    RIGHT = "right"
    ERROR = "error"  #: an error, and told so
    CUT = "cut"  #: visibly broken off
    FOREIGN = "foreign"  #: a good answer, and not the one to this request
    WRONG = "wrong"  #: a status that nothing explains
    LATE = "late"


def judge(expected: bytes, reply: Reply) -> Outcome:
    """Whole and right, or visibly not; everything else is a fault."""
    if reply.late:
        return Outcome.LATE
    if not reply.whole:
        return Outcome.CUT
    if reply.status == 200:
        return Outcome.RIGHT if reply.body == expected else Outcome.FOREIGN
    return Outcome.ERROR if reply.status >= 500 else Outcome.WRONG


def raw_question(lap: int, number: int) -> Question:
    """Mostly small; every fourth brings a body, and a few answers are so large that they stream."""
    visit = f"{lap}.{number}"
    size = 3 * MEBI // 2 if number % 200 == 7 else 64 + number * 37 % 4000
    target = f"{ECHO}?n={visit}&size={size}"
    if number % 4:
        return Question(visit, request("GET", target), echo("GET", visit, size))
    body = echo("BODY", visit, 200_000 if number % 100 == 0 else 64 + number * 53 % 16_000)
    return Question(visit, request("POST", target, body), echo("POST", visit, size))


def data_question(charts: Mapping[str, bytes], number: int) -> Question:
    """One of a few charts."""
    symbol = SYMBOLS[number % len(SYMBOLS)]
    return Question(symbol, request("GET", _chart_at(symbol)), charts[symbol])


def _chart_at(symbol: str) -> str:
    return f"/api/yahoo/chart/{symbol}?range=5d&interval=1d"


async def storm(
    origin: Origin, port: int, questions: Iterator[Question], *, breaking: bool = True
) -> Figures:
    """All questions over a few kept-alive clients, while the origin breaks off its share."""
    tally = Counter[str]()
    origin.begin_storm(breaking=breaking)

    async def one_client() -> None:
        client = await connect(port)
        for question in questions:
            if tally[Outcome.LATE] > _CLIENTS:
                break  # nothing goes through any more
            if client.lost_at is not None:
                client = await connect(port)
            outcome = judge(question.expected, await client.ask(question.request, PATIENCE))
            tally[outcome] += 1
            if outcome in (Outcome.ERROR, Outcome.CUT):
                tally["never_came"] += question.visit not in origin.came
                tally["unexplained"] += question.visit in origin.came and question.visit not in origin.broken
        client.leave(reset=False)

    began = CLOCK.monotonic()
    await asyncio.gather(*(one_client() for _ in range(_CLIENTS)))
    seconds = CLOCK.monotonic() - began
    origin.breaking = False
    # What is sent on a connection that ends in that moment never comes, and may not always be sent again.
    lost = max(0, tally["never_came"] - origin.breaks[Break.AFTER_IDLE])
    return {
        "per_s": round(sum(tally[one] for one in Outcome) / seconds),
        **{one.value: tally[one] for one in Outcome},
        "broken": origin.breaks.total(),
        "unexplained": tally["unexplained"] + lost,
        "sent_twice": sum(times > 1 for times in origin.posted.values()),
        "spoiled": origin.spoiled,
    }


async def crowd(on: Ground, size: int) -> Figures:
    """Connected all at once, half of them after a first request; then none says anything more."""
    before = on.inside.rss_mb
    clients = [await connect(on.doors[number % 2]) for number in range(size)]
    asked = [one for number, one in enumerate(clients) if number % 4 < 2]
    for number, one in enumerate(asked):
        raw = raw_question(0, 4 * number + 1)
        one.transport.write(raw.request if number % 2 else data_question(on.origin.charts, number).request)
    await in_time(asyncio.gather(*(one.heard.wait() for one in asked)))
    connected = sum(one.lost_at is None for one in clients)
    waits = await latencies(on)
    growth = on.inside.rss_mb - before
    await _until(lambda: all(one.lost_at is not None for one in clients), IDLE + NOTICED)
    waited = [one.lost_at - one.heard_at for one in clients if one.lost_at is not None]
    for one in clients:
        one.leave(reset=True)
    return {
        "connected": connected,
        "rss_growth_mb": round(growth, 1),
        **waits,
        "never_closed": size - len(waited),
        "closed_early": sum(seconds < IDLE - 0.1 for seconds in waited),
        "idle_most_s": round(max(waited, default=0.0), 2),
    }


async def latencies(on: Ground, times: int = 100) -> Figures:
    """Of requests on connections of their own, connecting included."""
    taken, bad = [], 0
    for number in range(times):
        question = raw_question(9, 4 * number + 1) if number % 2 else data_question(on.origin.charts, number)
        began = CLOCK.monotonic()
        client = await connect(on.doors[number % 2])
        reply = await client.ask(question.request, PATIENCE)
        taken.append((CLOCK.monotonic() - began) * 1000)
        bad += judge(question.expected, reply) is not Outcome.RIGHT
        client.leave(reset=False)
    return {
        "p50_ms": round(percentile(taken, 0.5), 1),
        "p95_ms": round(percentile(taken, 0.95), 1),
        "most_ms": round(max(taken), 1),
        "others_failed": bad,
    }


#: How clients leave: which door, what they have sent, and whether they wait for a first byte before.
LEAVING: Mapping[str, tuple[int, str, bytes, bool]] = {
    "head": (1, f"{HOLD}?n={{visit}}", b"", False),
    "head_data": (0, _chart_at(f"{HELD_SYMBOL}{{visit}}"), b"", False),
    "body": (1, f"{HALF}?n={{visit}}&size=200000", b"", False),
    "stream": (1, f"{HALF}?n={{visit}}&size={4 * MEBI}", b"", True),
    "upload": (1, f"{HOLD}?n={{visit}}", bytes(3 * MEBI // 2), False),
}


async def leavers(on: Ground, lap: int, size: int) -> Figures:
    """In the middle of whatever is going on, half of them by a reset; how soon the origin sees it."""
    noticed: defaultdict[str, list[float]] = defaultdict(list)
    numbers = iter(range(size))

    async def one_after_the_other() -> None:
        for number in numbers:
            how = list(LEAVING)[number % len(LEAVING)]
            noticed[how].append(await leave(on, how, f"{lap}.{number}", reset=number // 5 % 2 == 0))

    await asyncio.gather(*(one_after_the_other() for _ in range(_LEAVING)))
    figures = {f"{how}_most_s": round(max(seconds), 2) for how, seconds in noticed.items()}
    every = [seconds for one in noticed.values() for seconds in one]
    return {
        "left": len(every),
        **figures,
        "p50_s": round(percentile(every, 0.5), 3),
        "late": sum(seconds > 1 for seconds in every),
        **await leave_the_queue(on, lap),
        "stuck_upload_most_s": round(await leave_stuck(on, lap), 2),
        "pipelined_most_s": round(await leave_with_more(on, lap), 2),
    }


async def leave(on: Ground, how: str, visit: str, *, reset: bool) -> float:
    """Seconds until the origin's connection ends, at most `NOTICED`."""
    door, template, body, hears = LEAVING[how]
    watched = on.origin.watch(f"{HELD_SYMBOL}{visit}" if HELD_SYMBOL in template else visit)
    client = await connect(on.doors[door])
    method, length = ("POST", 2 * len(body)) if body else ("GET", 0)
    client.transport.write(request(method, template.format(visit=visit), body, length=length))
    await in_time(watched.arrived)
    if hears:
        await in_time(client.heard.wait())
    return await _noticed(client, watched, reset=reset)


async def _noticed(client: Client, watched: Visit, *, reset: bool) -> float:
    left = asyncio.get_running_loop().time()
    client.leave(reset=reset)
    with suppress(TimeoutError):
        async with asyncio.timeout(NOTICED):
            return await watched.gone - left
    return NOTICED


async def leave_with_more(on: Ground, lap: int) -> float:
    """Clients that have sent many more requests behind the one that waits: as `leave`, the longest."""

    async def one(*, reset: bool) -> float:
        watched = on.origin.watch(visit := f"{lap}.more.{reset}")
        client = await connect(on.doors[1])
        more = request("GET", f"{ECHO}?n={visit}.more") * 5000
        client.transport.write(request("GET", f"{HOLD}?n={visit}") + more)
        await in_time(watched.arrived)
        await CLOCK.sleep(0.5)
        return await _noticed(client, watched, reset=reset)

    return max(await asyncio.gather(one(reset=True), one(reset=False)))


async def leave_the_queue(on: Ground, lap: int) -> Figures:
    """As many requests as there may be connections, and clients that wait behind them and leave.

    How many of the former were not sent on, and whether the latter still keep others from waiting.
    """
    watched = [on.origin.watch(f"{lap}.busy.{number}") for number in range(PER_HOST)]
    busy = [await connect(on.doors[1]) for _ in watched]
    for number, client in enumerate(busy):
        client.transport.write(request("GET", f"{HOLD}?n={lap}.busy.{number}"))
    await _until(lambda: all(one.arrived.done() for one in watched), NOTICED)
    waiting = [await connect(on.doors[1]) for _ in range(WAITING + 10)]
    for client in waiting:
        client.transport.write(request("GET", f"{ECHO}?n={lap}.queue"))
    await CLOCK.sleep(1.0)
    for client in waiting:
        client.leave(reset=True)
    await CLOCK.sleep(1.0)
    last = await connect(on.doors[1])
    reply = await last.ask(request("GET", f"{ECHO}?n={lap}.last"), 1.0)
    for client in busy:
        client.leave(reset=True)
    return {
        "not_sent": sum(not one.arrived.done() for one in watched),
        "places_kept": int(reply.status == 503),
    }


async def bodies(on: Ground, lap: int, size: int) -> Figures:
    """Requests whose bodies are only just small enough to be held: what is held must go with them."""
    numbers = iter(range(size))
    tally = Counter[str]()

    async def one_client() -> None:
        client = await connect(on.doors[1])
        for number in numbers:
            visit = f"{lap}.body.{number}"
            sent = request("POST", f"{ECHO}?n={visit}", echo("BODY", visit, _HELD))
            tally[judge(echo("POST", visit, 0), await client.ask(sent, PATIENCE))] += 1
        client.leave(reset=False)

    await asyncio.gather(*(one_client() for _ in range(_POSTING)))
    return {"failed": size - tally[Outcome.RIGHT], "spoiled": on.origin.spoiled}


async def leave_stuck(on: Ground, lap: int) -> float:
    """Clients that reset while the origin takes no more of their bodies: as `leave`, the longest."""
    watched = [on.origin.watch(f"{lap}.stuck.{number}") for number in range(_STUCK)]
    clients = [await connect(on.doors[1]) for _ in watched]
    body = bytes(12 * MEBI)
    for number, client in enumerate(clients):
        target = f"{STUCK}?n={lap}.stuck.{number}"
        client.transport.write(request("POST", target, body, length=2 * len(body)))
    await in_time(asyncio.gather(*(one.arrived for one in watched)))
    unsent = -1
    while unsent != (unsent := sum(client.transport.get_write_buffer_size() for client in clients)):
        await CLOCK.sleep(0.5)
    ends = {(on.doors[1], one.port) for one in clients} | {(one.port, on.origin.port) for one in watched}
    for client in clients:
        client.leave(reset=True)
    seconds = await _until(lambda: ends.isdisjoint(on.inside.peers()), NOTICED)
    on.origin.close_stuck()
    return seconds


async def dawdlers(on: Ground, amounts: Amounts) -> Figures:
    """Heads a byte at a time, bodies that stop, answers that nobody reads: how soon each is given up."""
    heads, bodies, deaf = [
        [await connect(on.doors[1], stubborn=True) for _ in range(size)]
        for size in (amounts.slow, amounts.deaf, amounts.deaf)
    ]
    for one in bodies:
        one.transport.write(request("POST", f"{ECHO}?n=slow", b"half", length=8))
    for number, one in enumerate(deaf):
        one.transport.write(request("GET", f"{ENDLESS}?n=deaf{number}"))
        one.transport.pause_reading()
    dripping = asyncio.create_task(drip(heads))
    watching = asyncio.create_task(_given_up(on, {"head": heads, "body": bodies, "deaf": deaf}))
    await CLOCK.sleep(1.0)  # until the deaf are full
    waits = await latencies(on)
    seconds = await watching
    dripping.cancel()
    await asyncio.gather(dripping, return_exceptions=True)
    orphans = on.inside.orphans(on.doors[1])
    for one in [*heads, *bodies, *deaf]:
        one.leave(reset=True)
    return {**waits, **{f"{name}_most_s": most for name, most in seconds.items()}, "orphans": orphans}


async def _given_up(on: Ground, groups: Mapping[str, Sequence[Client]]) -> Figures:
    """Seconds until the product has closed the last of each."""
    ends = {name: {(on.doors[1], one.port) for one in clients} for name, clients in groups.items()}
    await _until(lambda: set().union(*ends.values()) <= on.inside.peers(), PATIENCE)
    began = CLOCK.monotonic()
    gone: Figures = {}
    while len(gone) < len(ends) and CLOCK.monotonic() - began < PATIENCE:
        await CLOCK.sleep(0.2)
        now = await asyncio.to_thread(on.inside.peers)
        seconds = round(CLOCK.monotonic() - began, 2)
        gone = {name: seconds for name, pairs in ends.items() if pairs.isdisjoint(now)} | gone
    return dict.fromkeys(ends, PATIENCE) | gone


async def drip(clients: Sequence[Client]) -> None:
    """A head that never ends, one byte every tenth of a second."""
    for letter in request("GET", f"{ECHO}?n=slow")[:-2] + b"x-slow: " + b"a" * 1000:
        for one in clients:
            if one.lost_at is None:
                one.transport.write(bytes([letter]))
        await CLOCK.sleep(0.1)


async def in_time(what: Awaitable[object]) -> None:
    """For what must come before anything can be measured."""
    try:
        async with asyncio.timeout(PATIENCE):
            await what
    except TimeoutError:
        raise CannotMeasure("what had to happen before a measurement has not happened") from None


async def _until(condition: Callable[[], bool], seconds: float) -> float:
    """Seconds it took; `seconds` where it did not happen in them."""
    began = CLOCK.monotonic()
    while not condition() and CLOCK.monotonic() - began < seconds:
        await CLOCK.sleep(0.1)
    return CLOCK.monotonic() - began
