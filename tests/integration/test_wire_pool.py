"""Which connection a request goes out on, when it is sent again, and who hears when there is none."""

import asyncio
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest
from tests.certificates import Authority
from tests.eventually import eventually
from tests.wire_origins import (
    ANYWHERE,
    HERE,
    Asked,
    Asker,
    Cut,
    Line,
    answer,
    asking,
    chunked,
    let_others_run,
    listening,
    on_both_loops,
    on_uvloop,
    own_answer,
)

from autonomous_healing.wire.dialer import DialOptions
from autonomous_healing.wire.errors import Phase, WireError
from autonomous_healing.wire.message import Answer
from autonomous_healing.wire.pool import PoolLimits

FOREIGN = answer(b"somebody else's")
ONE_LINE = PoolLimits(connections=1)

Waiting = asyncio.Task[Answer | WireError]


class Held:
    """An origin's script: nobody is answered before his turn."""

    def __init__(self) -> None:
        self._turns: dict[bytes, asyncio.Event] = {}

    def let(self, *targets: bytes) -> None:
        for target in targets:
            self._turn(target).set()

    def _turn(self, target: bytes) -> asyncio.Event:
        return self._turns.setdefault(target, asyncio.Event())

    async def __call__(self, asked: Asked) -> None:
        await self._turn(asked.target).wait()
        await own_answer(asked)


def begun(asker: Asker, target: bytes, *, seconds: float = 5.0) -> Waiting:
    """A request under way, and what becomes of it."""

    async def asks() -> Answer | WireError:
        try:
            return await asker.ask(target, seconds=seconds)
        except WireError as error:
            return error

    return asyncio.get_running_loop().create_task(asks())


async def bodies(*waiting: Waiting) -> list[bytes]:
    return [
        one.body if isinstance(one, Answer) else repr(one).encode() for one in await asyncio.gather(*waiting)
    ]


async def error_of(waiting: Waiting) -> WireError:
    ended = await waiting
    assert isinstance(ended, WireError)
    return ended


# Which connection.


@on_both_loops
async def test_the_connection_used_last_is_used_first() -> None:
    held = Held()
    async with listening(held) as origin, asking(origin.port) as asker:
        one, other = begun(asker, b"/one"), begun(asker, b"/other")
        await eventually(lambda: len(origin.asked) == 2)
        first = origin.asked[0].number if origin.asked[0].target == b"/one" else origin.asked[1].number
        for waiting, target in ((other, b"/other"), (one, b"/one")):
            held.let(target)
            await waiting
        held.let(b"/next")
        for _ in range(3):
            await asker.ask(b"/next")
        assert [asked.number for asked in origin.asked[2:]] == [first] * 3
        assert (asker.place.open, asker.place.idle) == (2, 2)


@pytest.mark.parametrize(
    ("says", "method"),
    [
        (answer(b"abc"), b"GET"),
        (answer(), b"GET"),
        (chunked(b"abc"), b"GET"),
        (chunked(b"abc", end=b"0\r\nX-Sum: 1\r\n\r\n"), b"GET"),
        (answer(b"abc")[:-3], b"HEAD"),
        (chunked(end=b""), b"HEAD"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"GET"),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", b"GET"),
        (answer(b"broken", status=b"503 Service Unavailable"), b"GET"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer(b"abc"), b"GET"),
        (answer(b"abc"), b"POST"),
    ],
)
@on_uvloop
async def test_a_connection_is_used_again_after_a_whole_answer(says: bytes, method: bytes) -> None:
    async def script(asked: Asked) -> None:
        await asked.line.send(says)

    async with listening(script) as origin, asking(origin.port) as asker:
        for _ in range(3):
            await asker.ask(b"/", method)
            assert (asker.place.open, asker.place.idle) == (1, 1)
        assert {asked.number for asked in origin.asked} == {0}


@pytest.mark.parametrize(
    ("says", "ends"),
    [
        (answer(b"abc") + b"d", False),
        (chunked(b"abc") + b"\r\n", False),
        (answer(b"abc", b"Connection: close"), False),
        (answer(b"abc", b"Connection: Keep-Alive, Close"), False),
        (answer(b"abc", b"Connection: x", b"Connection: close"), False),
        (answer(b"abc").replace(b"HTTP/1.1", b"HTTP/1.0"), False),
        (answer(b"abc", b"Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"), False),
        (b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\n\r\nabc", True),
        (b"HTTP/1.0 200 OK\r\n\r\nabc", True),
    ],
)
@on_both_loops
async def test_a_connection_is_not_used_again(says: bytes, ends: bool) -> None:
    async def script(asked: Asked) -> None:
        await asked.line.send(says)
        if ends:
            raise Cut

    async with listening(script) as origin, asking(origin.port) as asker:
        for _ in range(3):
            await asker.ask()
            assert asker.place.idle == 0
            await eventually(lambda: all(line.closed for line in origin.lines))
        await eventually(lambda: asker.place.open == 0)
        assert [asked.number for asked in origin.asked] == [0, 1, 2]


@pytest.mark.parametrize("unasked", [FOREIGN, b"H", b"\r\n", b""])
@on_both_loops
async def test_a_connection_with_something_unread_is_not_even_tried(unasked: bytes) -> None:
    """It is seen at the moment of sending, so that even what cannot be sent twice goes out."""
    async with listening() as origin, asking(origin.port) as asker:
        await asker.ask(b"/first")
        if unasked:
            origin.lines[0].socket.send(unasked)
        else:
            origin.lines[0].shut()
        assert (await asker.ask(b"/second", b"POST")).body == b"/second"
        assert [asked.number for asked in origin.asked] == [0, 1]
        await eventually(lambda: asker.place.open == 1)


@pytest.mark.parametrize("unasked", [FOREIGN, b"H", b"\r\n", b""])
@on_both_loops
async def test_an_idle_connection_ends_when_anything_comes(unasked: bytes) -> None:
    async with listening() as origin, asking(origin.port) as asker:
        await asker.ask(b"/first")
        if unasked:
            await origin.lines[0].send(unasked)
        else:
            origin.lines[0].shut()
        await eventually(lambda: asker.place.open == 0)
        assert asker.place.idle == 0
        assert (await asker.ask(b"/second")).body == b"/second"


@on_both_loops
async def test_who_waits_does_not_get_what_came_behind_the_answer_before() -> None:
    """The urgent byte makes the kernel hand out both answers one by one, though both are there at once."""

    async def script(asked: Asked) -> None:
        if asked.number:
            await own_answer(asked)
            return
        asked.line.socket.send(answer(b"/one"))
        asked.line.socket.send(b"!", socket.MSG_OOB)
        asked.line.socket.send(FOREIGN)

    async with listening(script) as origin, asking(origin.port, ONE_LINE) as asker:
        assert await bodies(begun(asker, b"/one"), begun(asker, b"/other")) == [b"/one", b"/other"]


# Sending again.


class Stale:
    """An origin's script: a connection ends when it brings `/again`, after some last words."""

    def __init__(self, *, reset: bool = False, words: bytes = b"", lines: int = 1) -> None:
        self._reset = reset
        self._words = words
        self._lines = lines  #: how many connections are so

    async def __call__(self, asked: Asked) -> None:
        if asked.target != b"/again" or asked.number >= self._lines:
            await own_answer(asked)
            return
        if self._words:
            await asked.line.send(self._words)
            await let_others_run()
        if self._reset:
            asked.line.reset()
        raise Cut


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"])
@on_both_loops
async def test_a_request_on_a_stale_connection_is_sent_again(method: bytes, reset: bool) -> None:
    async with listening(Stale(reset=reset)) as origin, asking(origin.port) as asker:
        await asker.ask(b"/first")
        body = b"whole" if method == b"PUT" else b""
        got = await asker.ask(b"/again", method, body=body)
        assert got.body == (b"" if method == b"HEAD" else b"/again")
        assert origin.targets == [b"/first", b"/again", b"/again"]
        first, second = origin.asked[1:]
        assert (first.head, first.body) == (second.head, second.body)
        assert (first.number, second.number, second.body) == (0, 1, body)


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("method", [b"POST", b"PATCH"])
@on_both_loops
async def test_what_may_do_harm_is_never_sent_again(method: bytes, reset: bool) -> None:
    async with listening(Stale(reset=reset)) as origin, asking(origin.port) as asker:
        await asker.ask(b"/first")
        assert (await asker.fails(b"/again", method, body=b"pay")).phase is Phase.HEAD
        assert origin.targets == [b"/first", b"/again"]
        assert (await asker.ask(b"/next")).body == b"/next"


@on_both_loops
async def test_a_request_is_never_sent_a_third_time() -> None:
    async with listening(Stale(lines=9)) as origin, asking(origin.port) as asker:
        await asker.ask(b"/first")
        assert (await asker.fails(b"/again")).phase is Phase.HEAD
        assert origin.targets == [b"/first", b"/again", b"/again"]


@on_both_loops
async def test_a_request_is_never_sent_a_third_time_though_another_stale_connection_is_free() -> None:
    """That one becomes free while the new one is still being made."""
    held = Held()

    async def script(asked: Asked) -> None:
        if asked.target != b"/again":
            await held(asked)
            return
        held.let(b"/busy")
        raise Cut

    async with listening(script) as origin, asking(origin.port) as asker:
        both = [begun(asker, b"/one"), begun(asker, b"/other")]
        await eventually(lambda: len(origin.asked) == 2)
        held.let(b"/one", b"/other")
        await bodies(*both)
        busy = begun(asker, b"/busy")
        await eventually(lambda: b"/busy" in origin.targets)
        assert (await asker.fails(b"/again")).phase is Phase.HEAD
        assert await bodies(busy) == [b"/busy"]
        assert origin.targets.count(b"/again") == 2


@on_uvloop
async def test_it_is_sent_again_on_a_new_connection_though_others_are_idle() -> None:
    held = Held()
    stale = Stale(lines=2)

    async def script(asked: Asked) -> None:
        await (stale(asked) if asked.target == b"/again" else held(asked))

    async with listening(script) as origin, asking(origin.port) as asker:
        both = [begun(asker, b"/one"), begun(asker, b"/other")]
        await eventually(lambda: len(origin.asked) == 2)
        held.let(b"/one", b"/other")
        await bodies(*both)
        assert (await asker.ask(b"/again")).body == b"/again"
        assert origin.asked[-1].number == 2


@on_uvloop
async def test_a_request_on_a_new_connection_is_not_sent_again() -> None:
    async with listening(Stale(lines=9)) as origin, asking(origin.port) as asker:
        assert (await asker.fails(b"/again")).phase is Phase.HEAD
        assert origin.targets == [b"/again"]


@pytest.mark.parametrize("words", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n", answer(b"abc")[:-1]])
@on_uvloop
async def test_a_request_that_was_heard_of_is_not_sent_again(words: bytes) -> None:
    async with listening(Stale(words=words)) as origin, asking(origin.port) as asker:
        await asker.ask(b"/first")
        await asker.fails(b"/again")
        assert origin.targets == [b"/first", b"/again"]


@on_uvloop
async def test_sending_again_gives_no_more_time() -> None:
    held, stale = Held(), Stale()

    async def script(asked: Asked) -> None:
        await (stale(asked) if asked.number == 0 else held(asked))

    async with listening(script) as origin, asking(origin.port) as asker:
        await asker.ask(b"/first")
        error = await asker.fails(b"/again", seconds=0.2)
        assert (error.phase, error.timed_out) == (Phase.HEAD, True)
        assert origin.targets == [b"/first", b"/again", b"/again"]


# How many, and for how long.


@on_both_loops
async def test_no_more_connections_than_allowed_and_everybody_has_his_turn() -> None:
    held = Held()
    async with listening(held) as origin, asking(origin.port, PoolLimits(connections=2)) as asker:
        targets = [b"/%d" % number for number in range(6)]
        waiting = [begun(asker, target) for target in targets]
        await eventually(lambda: len(origin.asked) == 2)
        await let_others_run()
        assert (asker.place.open, origin.targets) == (2, targets[:2])
        held.let(*targets)
        assert await bodies(*waiting) == targets
        assert (len(origin.lines), asker.place.idle) == (2, 2)
        assert origin.targets == targets  # first come, first served


@on_uvloop
async def test_waiting_for_a_connection_has_an_end() -> None:
    held = Held()
    async with listening(held) as origin, asking(origin.port, ONE_LINE) as asker:
        one = begun(asker, b"/one")
        assert (await error_of(begun(asker, b"/other", seconds=0.1))).timed_out
        held.let(b"/one", b"/other")
        assert await bodies(one) == [b"/one"]
        await let_others_run()
        assert origin.targets == [b"/one"]


@on_uvloop
async def test_waiting_for_a_connection_is_no_fault_of_connecting() -> None:
    async with listening(Held()) as origin, asking(origin.port, ONE_LINE) as asker:
        one = begun(asker, b"/one", seconds=0.3)
        assert (await error_of(begun(asker, b"/other", seconds=0.1))).phase is Phase.WAIT
        await one


@on_uvloop
async def test_more_than_may_wait_are_refused_at_once() -> None:
    held = Held()
    limits = PoolLimits(connections=1, waiting=2)
    async with listening(held) as origin, asking(origin.port, limits) as asker:
        targets = [b"/one", b"/two", b"/three"]
        waiting = [begun(asker, b"/one")]
        await eventually(lambda: origin.asked)
        waiting += [begun(asker, target) for target in targets[1:]]
        await let_others_run()
        error = await asker.fails(b"/four", seconds=5.0)
        assert (error.phase, error.timed_out) == (Phase.WAIT, False)
        held.let(*targets)
        assert await bodies(*waiting) == targets
        assert origin.targets == targets


@on_uvloop
async def test_who_has_given_up_takes_nobodys_place() -> None:
    held = Held()
    limits = PoolLimits(connections=1, waiting=1)
    async with listening(held) as origin, asking(origin.port, limits) as asker:
        one = begun(asker, b"/one")
        await eventually(lambda: origin.asked)
        assert (await error_of(begun(asker, b"/two", seconds=0.1))).timed_out
        three = begun(asker, b"/three")
        await let_others_run()
        held.let(b"/one", b"/three")
        assert await bodies(one, three) == [b"/one", b"/three"]


@on_both_loops
async def test_who_is_called_off_frees_his_connection() -> None:
    held = Held()
    async with listening(held) as origin, asking(origin.port, ONE_LINE) as asker:
        one, other, third = (begun(asker, target) for target in (b"/one", b"/other", b"/third"))
        await eventually(lambda: origin.asked)
        one.cancel()
        other.cancel()
        assert await origin.lines[0].ended()
        held.let(b"/third")
        assert await bodies(third) == [b"/third"]
        assert origin.targets == [b"/one", b"/third"]
        assert asker.place.open == 1


@on_uvloop
async def test_a_late_answer_reaches_nobody() -> None:
    held = Held()
    async with listening(held) as origin, asking(origin.port) as asker:
        assert (await asker.fails(b"/slow", seconds=0.1)).timed_out
        held.let(b"/slow", b"/next")
        assert (await asker.ask(b"/next")).body == b"/next"
        assert [asked.number for asked in origin.asked] == [0, 1]


@on_uvloop
async def test_idle_connections_are_closed() -> None:
    async with listening() as origin, asking(origin.port, PoolLimits(idle_seconds=0.01)) as asker:
        await asker.ask()
        assert asker.place.idle == 1
        await eventually(lambda: asker.place.open == 0, seconds=3.0)
        await eventually(lambda: origin.lines[0].closed)


@on_uvloop
async def test_connections_in_use_are_not_idle() -> None:
    held = Held()
    async with listening(held) as origin, asking(origin.port, PoolLimits(idle_seconds=-1.0)) as asker:
        one = begun(asker, b"/one")
        await eventually(lambda: origin.asked)
        asker.place.keep_house()
        held.let(b"/one")
        assert await bodies(one) == [b"/one"]
        asker.place.keep_house()
        assert asker.place.idle == 0


# An origin that moves.


class Moving:
    """A name that leads elsewhere when it is told to."""

    def __init__(self) -> None:
        self.address = HERE

    async def __call__(self, _: str, __: int) -> Sequence[str]:
        if not self.address:
            raise OSError("nobody knows")
        return [self.address]


ALWAYS_LOOKS = DialOptions(allow_private=True, addresses_seconds=0.0)


@on_both_loops
async def test_an_origin_is_followed_to_its_new_address() -> None:
    held, name = Held(), Moving()
    async with (
        listening(held) as origin,
        listening(host="127.0.0.2", port=origin.port) as new,
        asking(origin.port, options=ALWAYS_LOOKS, resolve=name) as asker,
    ):
        both = [begun(asker, b"/one"), begun(asker, b"/other")]
        await eventually(lambda: len(origin.asked) == 2)
        held.let(b"/one")
        await bodies(both[0])
        name.address = "127.0.0.2"
        await asker.place.look_again()
        assert asker.place.idle == 0
        assert (await asker.ask(b"/next")).body == b"/next"
        assert new.targets == [b"/next"]
        held.let(b"/other")
        assert await bodies(both[1]) == [b"/other"]
        await eventually(lambda: asker.place.open == 1)
        assert len(new.lines) == 1


@pytest.mark.parametrize("address", ["", "192.0.2.1"])
@on_uvloop
async def test_a_resolver_that_fails_says_nothing_against_a_connection(address: str) -> None:
    name = Moving()
    async with listening() as origin, asking(origin.port, options=ALWAYS_LOOKS, resolve=name) as asker:
        await asker.ask()
        name.address = address
        await asker.place.look_again()
        assert (await asker.ask(b"/next")).body == b"/next"
        assert len(origin.lines) == 1


# The end, and no beginning.


@on_both_loops
async def test_stopping_fails_what_is_under_way_and_what_waits() -> None:
    async with listening(Held()) as origin, asking(origin.port, ONE_LINE) as asker:
        waiting = [begun(asker, target) for target in (b"/one", b"/other")]
        await eventually(lambda: origin.asked)
        await asker.pool.stop()
        assert [(await error_of(one)).timed_out for one in waiting] == [False, False]
        assert await origin.lines[0].ended()
        await eventually(lambda: asker.place.open == 0)


@on_both_loops
async def test_who_asks_after_the_stop_is_refused_and_nothing_is_sent() -> None:
    async with listening(own_answer) as origin, asking(origin.port) as asker:
        await asker.ask(b"/before")
        place = asker.place
        await asker.pool.stop()
        for _ in range(2):
            refused = await asker.fails(b"/after", seconds=0.5)
            assert (refused.phase, str(refused)) == (Phase.WAIT, "we are stopping")
        assert (origin.targets, len(origin.lines), place.open) == ([b"/before"], 1, 0)


@on_uvloop
async def test_stopping_fails_who_is_still_connecting() -> None:
    asked = asyncio.Event()

    async def never(_: str, __: int) -> Sequence[str]:
        asked.set()
        async with asyncio.timeout(0.1):
            await asyncio.get_running_loop().create_future()
        return []

    async with asking(9, resolve=never) as asker:
        one = begun(asker, b"/")
        await asked.wait()
        await asker.pool.stop()
        error = await error_of(one)
        assert (error.phase, error.timed_out) == (Phase.WAIT, False)
        await eventually(lambda: len(asyncio.all_tasks()) == 1)


@pytest.mark.parametrize(
    "connections",
    [
        64,
        1,
    ],
)
@on_both_loops
async def test_everybody_hears_that_there_is_no_connection(connections: int) -> None:
    with socket.socket() as silent:
        silent.bind((HERE, 0))
        async with asking(silent.getsockname()[1], PoolLimits(connections=connections)) as asker:
            waiting = [begun(asker, b"/", seconds=1.0) for _ in range(3)]
            errors = [await error_of(one) for one in waiting]
            assert [(error.phase, error.timed_out) for error in errors] == [(Phase.CONNECT, False)] * 3


@on_uvloop
async def test_an_origin_that_hangs_up_on_everybody_is_no_origin() -> None:
    async def hangs_up(line: Line, _: int) -> None:
        line.reset()

    async with listening(converse=hangs_up) as origin, asking(origin.port) as asker:
        for _ in range(3):
            assert (await asker.fails(seconds=2.0)).phase in (Phase.CONNECT, Phase.HEAD)
        await eventually(lambda: asker.place.open == 0)


@on_uvloop
async def test_each_origin_has_connections_of_its_own() -> None:
    async with listening() as origin, listening() as second, asking(origin.port) as asker:
        other = Asker(asker.pool, asker.origin._replace(port=second.port), ANYWHERE)
        await asyncio.gather(asker.ask(b"/one"), other.ask(b"/other"))
        assert (origin.targets, second.targets) == ([b"/one"], [b"/other"])
        assert (asker.place.idle, other.place.idle) == (1, 1)


# Through TLS.


@contextmanager
def encrypted(context: ssl.SSLContext) -> Iterator[int]:
    """An origin in a thread of its own, so that what it says right behind the handshake is soon there."""

    def converse(end: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(end, server_side=True) as line:
            if line.recv(65_536):
                line.sendall(answer(b"whole", b"Connection: close"))

    def accept() -> None:
        with suppress(OSError):
            while True:
                converse(door.accept()[0])

    with socket.create_server((HERE, 0), backlog=128) as door:
        thread = Thread(target=accept)
        thread.start()
        try:
            yield door.getsockname()[1]
        finally:
            door.shutdown(socket.SHUT_RDWR)
            thread.join()


@on_both_loops
async def test_what_tls_sends_behind_its_handshake_is_nothing_unasked(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    options = DialOptions(allow_private=True, ca_file=authority.file)
    with encrypted(authority.valid("api.example")) as port:
        async with asking(port, options=options) as asker:
            asker.origin = asker.origin._replace(scheme="https")
            for _ in range(20):
                assert (await asker.ask()).body == b"whole"
