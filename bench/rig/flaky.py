"""An origin that answers well, with an error or late, as its mood is, and notes who asked what and when."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import product
from typing import cast


@dataclass(frozen=True, slots=True)
class Manner:
    """How one question is answered."""

    well: bool = True
    seconds: float = 0.0  #: until it is
    fresh: int = 0  #: seconds in which the answer may be given again


#: By the key that is asked for, and how often it was asked for before.
Mood = Callable[[str, int], Manner]


@dataclass(slots=True)
class Visit:
    """One question, by the loop's clock."""

    key: str
    came: float
    went: float | None = None  #: answered, or its connection gone


class FlakyOrigin:
    """Every good answer may be kept. `truth` gives the body for a key."""

    def __init__(self, truth: Callable[[str], bytes]) -> None:
        self.mood: Mood = always(Manner())
        self.truth = truth
        self.visits: list[Visit] = []
        self._times: Counter[str] = Counter()
        self._connections: set[_Connection] = set()
        self._listening: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._listening is not None
        return int(self._listening.sockets[0].getsockname()[1])

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=1024)

    def begin(self, mood: Mood) -> None:
        """From now on in this mood, with nobody having asked before."""
        self.mood = mood
        self.visits.clear()
        self._times.clear()

    def meet(self, key: str) -> tuple[Visit, Manner]:
        """One more question."""
        manner = self.mood(key, self._times[key])
        self._times[key] += 1
        visit = Visit(key, asyncio.get_running_loop().time())
        self.visits.append(visit)
        return visit, manner

    def close(self) -> None:
        if self._listening is not None:
            self._listening.close()
        for one in list(self._connections):
            one.transport.abort()

    def joined(self, connection: "_Connection") -> None:
        self._connections.add(connection)

    def left(self, connection: "_Connection") -> None:
        self._connections.discard(connection)


@asynccontextmanager
async def flaky(truth: Callable[[str], bytes]) -> AsyncIterator[FlakyOrigin]:
    """One that listens, in a good mood."""
    origin = FlakyOrigin(truth)
    await origin.listen()
    try:
        yield origin
    finally:
        origin.close()


class _Connection(asyncio.Protocol):
    """Of a proxy, which asks one thing at a time and sends no bodies."""

    def __init__(self, origin: FlakyOrigin) -> None:
        self._origin = origin
        self._held = b""
        self._visit: Visit | None = None
        self._answering: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._origin.joined(self)

    def data_received(self, data: bytes) -> None:
        self._held += data
        if self._held.endswith(b"\r\n\r\n"):
            target, self._held = self._held.split(b" ", 2)[1].decode(), b""
            key = target.partition("?")[0].rpartition("/")[2]
            self._visit, manner = self._origin.meet(key)
            loop = asyncio.get_running_loop()
            answer = _good(self._origin.truth(key), manner.fresh) if manner.well else _FAILURE
            self._answering = loop.call_later(manner.seconds, self._answer, answer)

    def _answer(self, answer: bytes) -> None:
        self._gone()
        self.transport.write(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._origin.left(self)
        if self._answering is not None:
            self._answering.cancel()
        self._gone()

    def _gone(self) -> None:
        visit, self._visit = self._visit, None
        if visit is not None:
            visit.went = asyncio.get_running_loop().time()


_FAILURE = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\ndown"
_GOOD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


def _good(body: bytes, fresh: int) -> bytes:
    return b"%bcache-control: max-age=%d\r\ncontent-length: %d\r\n\r\n%b" % (_GOOD, fresh, len(body), body)


def always(manner: Manner) -> Mood:
    return lambda key, times: manner


def with_share(seed: int, share: float, such: Manner, others: Manner) -> Mood:
    """By chance, in the order in which questions come."""
    rng = random.Random(seed)
    return lambda key, times: such if rng.random() < share else others


def first(such: Manner, others: Manner) -> Mood:
    """The first question for each key is answered in another way than all that follow."""
    return lambda key, times: others if times else such


def half_fail(seed: int, tries: int) -> Mood:
    """Every try at a key fails by a chance of one half, without the luck of the draw.

    All patterns of `tries` outcomes are dealt equally often, shuffled, to keys in the order of their first
    questions: after each full round exactly one key in 2 ** tries has failed every time. Later tries are by
    chance.
    """
    rng = random.Random(seed)
    dealt: dict[str, tuple[bool, ...]] = {}
    deck = _patterns(rng, tries)

    def mood(key: str, times: int) -> Manner:
        if key not in dealt:
            dealt[key] = next(deck)
        return Manner(well=dealt[key][times] if times < tries else rng.random() < 0.5)

    return mood


def _patterns(rng: random.Random, tries: int) -> Iterator[tuple[bool, ...]]:
    while True:
        patterns = list(product((False, True), repeat=tries))
        rng.shuffle(patterns)
        yield from patterns
