"""Connections to an origin over real sockets, on asyncio's own loop and on uvloop."""

import asyncio
import inspect
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest
import uvloop
from tests.certificates import Authority
from tests.eventually import CLOCK, eventually

from autonomous_healing.wire.dialer import Dialer, DialOptions, system_resolve
from autonomous_healing.wire.errors import Phase, WireError
from autonomous_healing.wire.origin import Origin

NAME, HERE, THERE = "api.example", "127.0.0.1", "127.0.0.2"

#: Nobody has been given it, and it lies where public addresses do.
PUBLIC_AND_UNUSED = "2d00::1"

#: Forbidden even where private addresses are allowed, and yet Linux connects it to whoever listens here.
FORBIDDEN = "0.0.0.0"


LOOPS = [
    pytest.param(asyncio.new_event_loop, id="asyncio"),
    pytest.param(uvloop.new_event_loop, id="uvloop"),
]


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs a test twice."""

    def runs(new_loop: Callable[[], asyncio.AbstractEventLoop], **given: Any) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(test(**given))

    runs.__name__, runs.__doc__ = test.__name__, test.__doc__
    kind = inspect.Parameter("new_loop", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    signature = inspect.signature(test)
    vars(runs)["__signature__"] = signature.replace(parameters=[kind, *signature.parameters.values()])
    vars(runs)["pytestmark"] = list(getattr(test, "pytestmark", []))
    return cast(Callable[..., None], pytest.mark.parametrize("new_loop", LOOPS)(runs))


class Line(asyncio.Protocol):
    """One end of a connection."""

    def __init__(self, made: list["Line"] | None = None) -> None:
        self.transport: asyncio.Transport
        self.lost = False
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self._made is not None:
            self._made.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True

    def told(self, name: str) -> Any:
        return self.transport.get_extra_info(name)

    def hang_up(self) -> None:
        self.transport.abort()


@dataclass
class Server:
    port: int = 0
    lines: list[Line] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)  #: that TLS was asked for


@asynccontextmanager
async def serving(
    host: str = HERE, *, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """Lets everybody in, and hangs up in the end."""
    seen = Server()
    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: seen.names.append(name)
    listening = await asyncio.get_running_loop().create_server(lambda: Line(seen.lines), host, port, ssl=tls)
    seen.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield seen
    for line in seen.lines:
        line.hang_up()
    await eventually(lambda: all(line.lost for line in seen.lines))


@contextmanager
def blackhole(host: str = HERE, port: int = 0) -> Iterator[int]:
    """A port that answers nobody: its line is full."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server((host, port), backlog=0))
        for _ in range(4):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


@contextmanager
def silence() -> Iterator[int]:
    """A port that connects and then says nothing."""
    with socket.create_server((HERE, 0), backlog=100) as listening:
        yield listening.getsockname()[1]


@contextmanager
def closed_port() -> Iterator[int]:
    """Bound, so that nobody else gets it, and not listening."""
    with socket.socket() as bound:
        bound.bind((HERE, 0))
        yield bound.getsockname()[1]


class Names:
    """A resolver with a list of answers, of which the last one stays."""

    def __init__(self, *answers: Sequence[str] | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        await self.gate.wait()
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def dialer(names: Names, port: int, *, tls: bool = False, **options: Any) -> Dialer:
    """To a name; private networks are allowed unless the test says otherwise."""
    origin = Origin("https" if tls else "http", NAME, port)
    return Dialer(origin, DialOptions(**{"allow_private": True, **options}), names)


async def failure_of(dialled: Awaitable[object]) -> WireError:
    with pytest.raises(WireError) as failed:
        await dialled
    return failed.value


def open_sockets() -> int:
    """Of the whole process."""
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            count += descriptor.readlink().name.startswith("socket:")
    return count


@asynccontextmanager
async def nothing_left_open() -> AsyncIterator[None]:
    before = open_sockets()
    yield
    await eventually(lambda: open_sockets() <= before)


@on_both_loops
async def test_connects_to_the_address_that_the_name_resolves_to() -> None:
    names = Names([HERE])
    async with serving() as server, nothing_left_open():
        client, address = await dialer(names, server.port).dial(Line)

        assert address == HERE
        assert client.told("peername") == (HERE, server.port)
        assert client.told("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        assert names.asked == [(NAME, server.port)]
        client.hang_up()


@on_both_loops
async def test_resolves_with_the_system_if_not_told_otherwise() -> None:
    async with serving() as server:
        private = DialOptions(allow_private=True)
        client, address = await Dialer(Origin("http", "localhost", server.port), private).dial(Line)
        assert address in {HERE, "::1"}
        client.hang_up()


@on_both_loops
async def test_the_system_is_asked_even_while_the_threads_of_the_loop_are_busy() -> None:
    loop, over = asyncio.get_running_loop(), Event()
    loop.set_default_executor(ThreadPoolExecutor(1))
    busy = loop.run_in_executor(None, over.wait)
    try:
        async with asyncio.timeout(5):
            assert HERE in await system_resolve("localhost", 80)
        assert not busy.done()
    finally:
        over.set()
        await busy


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "0x7f000001", "0x7f.1", "2130706433", "017700000001", "0177.0.0.1",
        "①②⑦.⓪.⓪.①", "127。0。0。1", "localhost", "::1", "::ffff:127.0.0.1",
    ],
)  # fmt: skip
@on_both_loops
async def test_loopback_is_refused_however_it_is_written(host: str) -> None:
    async with serving() as server:
        error = await failure_of(Dialer(Origin("http", host, server.port), DialOptions()).dial(Line))
        assert (error.phase, str(error)) == (Phase.RESOLVE, "address not allowed: loopback")
        assert server.lines == []


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("0", "unspecified"),
        ("0x0", "unspecified"),
        ("169.254.169.254", "link-local"),
        ("0xa9fea9fe", "link-local"),
        ("64:ff9b::a9fe:a9fe", "link-local"),
        ("fd00:ec2::254", "cloud metadata"),
    ],
)
@on_both_loops
async def test_some_addresses_are_refused_even_where_private_ones_are_not(host: str, why: str) -> None:
    private = DialOptions(allow_private=True)
    error = await failure_of(Dialer(Origin("https", host, 443), private).dial(Line))
    assert (error.phase, str(error)) == (Phase.RESOLVE, f"address not allowed: {why}")


@on_both_loops
async def test_a_name_that_turns_to_loopback_is_not_followed() -> None:
    names = Names([PUBLIC_AND_UNUSED], [HERE])
    async with serving() as server:
        rebound = dialer(names, server.port, allow_private=False, connect_seconds=1.0)

        first = await failure_of(rebound.dial(Line))
        asked_for_first = len(names.asked)
        second = await failure_of(rebound.dial(Line))

        assert (first.phase, asked_for_first) == (Phase.CONNECT, 1)
        assert (str(second), len(names.asked)) == ("address not allowed: loopback", 2)
        assert server.lines == []


@on_both_loops
async def test_the_address_that_was_checked_is_used_without_asking_again() -> None:
    names = Names([HERE], [FORBIDDEN])
    async with serving() as server:
        client, address = await dialer(names, server.port).dial(Line)
        assert (address, client.told("peername")[0], len(names.asked)) == (HERE, HERE, 1)
        client.hang_up()


@on_both_loops
async def test_only_the_allowed_ones_of_several_addresses_are_used() -> None:
    names = Names([FORBIDDEN, "nonsense", "fe80::1%lo", HERE])
    async with serving() as server, nothing_left_open():
        client, address = await dialer(names, server.port).dial(Line)
        assert (address, client.told("peername")[0]) == (HERE, HERE)
        client.hang_up()


@on_both_loops
async def test_forbidden_addresses_are_no_way_out_when_the_allowed_one_is_dead() -> None:
    names = Names([THERE, FORBIDDEN])
    async with serving() as server, nothing_left_open():
        error = await failure_of(dialer(names, server.port).dial(Line))
        assert (error.phase, str(error)) == (Phase.CONNECT, "refused")
        assert server.lines == []


@on_both_loops
async def test_a_refused_connection_says_so_and_leaves_nothing_open() -> None:
    async with nothing_left_open():
        with closed_port() as port:
            error = await failure_of(dialer(Names([HERE]), port).dial(Line))
        assert (error.phase, str(error), error.timed_out) == (Phase.CONNECT, "refused", False)


@on_both_loops
async def test_an_upstream_that_moved_is_found_after_a_failed_connection() -> None:
    names = Names([HERE], [THERE])
    async with serving(THERE) as server, nothing_left_open():
        moved = dialer(names, server.port)
        await failure_of(moved.dial(Line))
        client, address = await moved.dial(Line)
        assert (address, len(names.asked)) == (THERE, 2)
        client.hang_up()


@on_both_loops
async def test_an_address_that_never_answers_ends_at_the_limit() -> None:
    async with nothing_left_open():
        with blackhole() as port:
            began = CLOCK.monotonic()
            error = await failure_of(dialer(Names([HERE]), port, connect_seconds=0.2).dial(Line))
            took = CLOCK.monotonic() - began
        assert (error.phase, str(error), error.timed_out) == (Phase.CONNECT, "no answer", True)
        assert 0.15 < took < 1.5


@on_both_loops
async def test_many_addresses_have_one_limit_together() -> None:
    async with nothing_left_open():
        with blackhole() as port, blackhole(THERE, port), blackhole("127.0.0.3", port):
            began = CLOCK.monotonic()
            names = Names([HERE, THERE, "127.0.0.3"])
            error = await failure_of(dialer(names, port, connect_seconds=0.4).dial(Line))
            took = CLOCK.monotonic() - began
        assert (str(error), error.timed_out) == ("no answer", True)
        assert 0.35 < took < 1.5


@on_both_loops
async def test_goes_on_at_once_to_the_next_address_when_one_refuses() -> None:
    async with serving() as server, nothing_left_open():
        impatient = dialer(Names(["127.0.0.3", THERE, HERE]), server.port, connect_seconds=0.45)
        client, address = await impatient.dial(Line)
        assert address == HERE
        client.hang_up()


@on_both_loops
async def test_goes_on_to_the_next_address_while_one_is_silent_and_then_prefers_it() -> None:
    async with serving() as server, nothing_left_open():
        with blackhole(THERE, server.port):
            names = Names([THERE, HERE])
            patient = dialer(names, server.port)
            began = CLOCK.monotonic()
            first, address = await patient.dial(Line)
            waited = CLOCK.monotonic() - began
            second, again = await patient.dial(Line)
            waited_again = CLOCK.monotonic() - began - waited
        assert (address, again, len(names.asked)) == (HERE, HERE, 1)
        assert 0.2 < waited < 1.5
        assert waited_again < 0.2
        first.hang_up()
        second.hang_up()


@on_both_loops
async def test_the_second_try_goes_to_the_other_family() -> None:
    async with serving() as server, serving("::1", port=server.port), nothing_left_open():
        client, address = await dialer(Names([THERE, HERE, "::1"]), server.port).dial(Line)
        assert address == "::1"
        client.hang_up()


@pytest.mark.parametrize("dead", ["::1", THERE])
@on_both_loops
async def test_one_dead_family_does_not_matter(dead: str) -> None:
    async with serving() as server, nothing_left_open():
        client, address = await dialer(Names([dead, HERE]), server.port).dial(Line)
        assert address == HERE
        client.hang_up()


@on_both_loops
async def test_the_loser_of_two_is_closed() -> None:
    async with serving() as server, nothing_left_open():
        with blackhole(THERE, server.port):
            slow_first = dialer(Names([THERE, HERE]), server.port)
            before = open_sockets()
            client, _ = await slow_first.dial(Line)
            assert open_sockets() == before + 2  # both ends of the winner
        client.hang_up()


@on_both_loops
async def test_dials_at_the_same_time_share_one_lookup() -> None:
    names = Names([HERE])
    names.gate.clear()
    async with serving() as server, nothing_left_open():
        busy = dialer(names, server.port)
        dialled = [asyncio.create_task(busy.dial(Line)) for _ in range(20)]
        await eventually(lambda: names.asked)
        names.gate.set()
        clients = [client for client, _ in await asyncio.gather(*dialled)]
        assert len(names.asked) == 1
        for client in clients:
            client.hang_up()


@pytest.mark.parametrize(("seconds", "lookups"), [(60.0, 1), (0.0, 3)])
@on_both_loops
async def test_addresses_hold_for_a_while(seconds: float, lookups: int) -> None:
    names = Names([HERE])
    async with serving() as server:
        forgetful = dialer(names, server.port, addresses_seconds=seconds)
        for _ in range(3):
            client, _ = await forgetful.dial(Line)
            client.hang_up()
        assert len(names.asked) == lookups


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "api.example"), "name not found"),
        (socket.gaierror(socket.EAI_NODATA, "api.example"), "name not found"),
        (socket.gaierror(socket.EAI_AGAIN, "api.example"), "no answer from the resolver"),
        (socket.gaierror(socket.EAI_FAIL, "api.example"), "the resolver failed"),
        (OSError("api.example"), "the resolver failed"),
        (TimeoutError("api.example"), "no answer from the resolver"),
        (UnicodeError("api.example"), "not a name"),
        ([], "name not found"),
    ],
)
@on_both_loops
async def test_a_name_that_does_not_resolve_is_told_from_an_address_that_does_not_answer(
    answer: Sequence[str] | Exception, words: str
) -> None:
    names = Names(answer)
    unknown = dialer(names, 80)
    for lookups in (1, 2):
        error = await failure_of(unknown.dial(Line))
        assert (error.phase, str(error), len(names.asked)) == (Phase.RESOLVE, words, lookups)


@pytest.mark.parametrize(
    "host", ["nobody.invalid", "a..example", "." * 3, "a" * 64 + ".example", "-", "::::"]
)
@on_both_loops
async def test_names_that_cannot_be_are_not_found(host: str) -> None:
    for scheme in ("http", "https"):
        impossible = Dialer(Origin(scheme, host, 80), DialOptions(connect_seconds=10.0))
        assert (await failure_of(impossible.dial(Line))).phase is Phase.RESOLVE


@on_both_loops
async def test_a_slow_resolver_ends_at_the_limit_and_is_not_asked_twice_at_once() -> None:
    names = Names([HERE])
    names.gate.clear()
    async with serving() as server, nothing_left_open():
        slow = dialer(names, server.port, connect_seconds=0.3)
        for _ in range(2):
            error = await failure_of(slow.dial(Line))
            assert (error.phase, error.timed_out) == (Phase.RESOLVE, True)

        names.gate.set()
        client, _ = await slow.dial(Line)
        assert len(names.asked) == 1
        client.hang_up()


@on_both_loops
async def test_who_gives_up_does_not_end_the_lookup_of_others() -> None:
    names = Names([HERE])
    names.gate.clear()
    async with serving() as server, nothing_left_open():
        shared = dialer(names, server.port)
        hasty, patient = (asyncio.create_task(shared.dial(Line)) for _ in range(2))
        await eventually(lambda: names.asked)
        hasty.cancel()
        await asyncio.wait([hasty])
        names.gate.set()
        client, _ = await patient
        assert (hasty.cancelled(), len(names.asked)) == (True, 1)
        client.hang_up()


@on_both_loops
async def test_looking_again_tells_which_addresses_hold_now() -> None:
    names = Names([HERE, FORBIDDEN], [THERE], [FORBIDDEN], socket.gaierror(socket.EAI_AGAIN, "api.example"))
    moving = dialer(names, 80, addresses_seconds=0.0)

    assert await moving.look_again() == {HERE}
    assert await moving.look_again() == {THERE}
    assert await moving.look_again() == frozenset()
    assert (await failure_of(moving.look_again())).phase is Phase.RESOLVE


@on_both_loops
async def test_looking_again_asks_nobody_while_the_addresses_hold() -> None:
    names = Names([HERE], [THERE])
    async with serving() as server:
        settled = dialer(names, server.port)
        client, _ = await settled.dial(Line)
        assert await settled.look_again() == {HERE}
        assert len(names.asked) == 1
        client.hang_up()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("trusted"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Signs as well as any, but nobody trusts it."""
    return Authority(tmp_path_factory.mktemp("unknown"))


@on_both_loops
async def test_a_trusted_certificate_for_the_name_is_accepted(authority: Authority) -> None:
    shown = authority.valid(NAME)
    shown.set_alpn_protocols(["h2", "http/1.1"])
    async with serving(tls=shown) as server:
        trusting = dialer(Names([HERE]), server.port, tls=True, ca_file=authority.file)
        async with nothing_left_open():
            client, address = await trusting.dial(Line)
            await eventually(lambda: server.lines)

            spoken = client.told("ssl_object")
            assert (address, client.told("peername")[0], server.names) == (HERE, HERE, [NAME])
            assert spoken.selected_alpn_protocol() == "http/1.1"
            assert spoken.version() == "TLSv1.3"
            assert client.told("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
            client.hang_up()


@pytest.mark.parametrize(
    ("host", "shown_for"),
    [(NAME + ".", NAME), (HERE, HERE), ("a.api.example", "*.api.example"), ("::1", "::1")],
)
@on_both_loops
async def test_names_and_addresses_can_be_certified(authority: Authority, host: str, shown_for: str) -> None:
    address = "::1" if host == "::1" else HERE
    async with serving(address, tls=authority.valid(shown_for)) as server:
        options = DialOptions(allow_private=True, ca_file=authority.file)
        client, _ = await Dialer(Origin("https", host, server.port), options, Names([address])).dial(Line)
        assert client.told("ssl_object").version() == "TLSv1.3"
        client.hang_up()


BAD_SERVERS: list[tuple[Callable[[Authority, Authority], ssl.SSLContext], str]] = [
    (lambda authority, _: authority.expired(NAME), "certificate expired"),
    (lambda authority, _: authority.not_yet_valid(NAME), "certificate not valid yet"),
    (lambda authority, _: authority.valid("other.example"), "certificate is for another name"),
    (lambda authority, _: authority.valid("example"), "certificate is for another name"),
    (lambda authority, _: authority.valid(HERE), "certificate is for another name"),
    (lambda _, stranger: stranger.valid(NAME), "certificate not trusted"),
    (lambda _, stranger: stranger.self_signed(), "certificate not trusted"),
]


@pytest.mark.parametrize(("show", "words"), BAD_SERVERS)
@on_both_loops
async def test_a_server_that_is_not_what_it_should_be_is_refused(
    authority: Authority,
    stranger: Authority,
    show: Callable[[Authority, Authority], ssl.SSLContext],
    words: str,
) -> None:
    names = Names([HERE])
    async with serving(tls=show(authority, stranger)) as server:
        wary = dialer(names, server.port, tls=True, ca_file=authority.file)
        for lookups in (1, 2):
            async with nothing_left_open():
                error = await failure_of(wary.dial(Line))
            assert (error.phase, str(error), error.timed_out) == (Phase.TLS, words, False)
            assert len(names.asked) == lookups
        assert server.lines == []


@on_both_loops
async def test_an_address_needs_a_certificate_of_its_own(authority: Authority) -> None:
    async with serving(tls=authority.valid(NAME, THERE)) as server, nothing_left_open():
        options = DialOptions(allow_private=True, ca_file=authority.file)
        error = await failure_of(Dialer(Origin("https", HERE, server.port), options).dial(Line))
        assert (error.phase, str(error)) == (Phase.TLS, "certificate is for another name")


@on_both_loops
async def test_the_system_does_not_trust_what_only_a_file_makes_trusted(authority: Authority) -> None:
    async with serving(tls=authority.valid(NAME)) as server, nothing_left_open():
        error = await failure_of(dialer(Names([HERE]), server.port, tls=True).dial(Line))
        assert (error.phase, str(error)) == (Phase.TLS, "certificate not trusted")


class Rude(asyncio.Protocol):
    """Says something and hangs up."""

    def __init__(self, says: bytes) -> None:
        self._says = says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._says)
        transport.close()


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no TLS spoken"),
        (b"", "closed during the handshake"),
        (bytes.fromhex("15030100020246"), "only an old TLS spoken"),  # alert: protocol_version
        (bytes.fromhex("15030300020228"), "handshake failed"),  # alert: handshake_failure
    ],
)
@on_both_loops
async def test_a_port_that_speaks_no_tls_is_refused(authority: Authority, says: bytes, words: str) -> None:
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: Rude(says), HERE, 0) as rude, nothing_left_open():
        port = rude.sockets[0].getsockname()[1]
        error = await failure_of(dialer(Names([HERE]), port, tls=True, ca_file=authority.file).dial(Line))
        assert (error.phase, str(error)) == (Phase.TLS, words)


@on_both_loops
async def test_a_handshake_that_stalls_ends_at_the_limit() -> None:
    async with nothing_left_open():
        with silence() as port:
            began = CLOCK.monotonic()
            stalled = dialer(Names([HERE]), port, tls=True, connect_seconds=0.3)
            error = await failure_of(stalled.dial(Line))
            took = CLOCK.monotonic() - began
        assert (error.phase, str(error), error.timed_out) == (Phase.TLS, "handshake too slow", True)
        assert 0.25 < took < 1.5


@on_both_loops
async def test_a_file_of_certificates_that_cannot_be_read_is_told_until_it_can(
    authority: Authority, tmp_path: Path
) -> None:
    file = tmp_path / "authority.pem"
    async with serving(tls=authority.valid(NAME)) as server:
        names = Names([HERE])
        trusting = dialer(names, server.port, tls=True, ca_file=str(file))
        for spoil in (file.touch, file.unlink):
            spoil()
            error = await failure_of(trusting.dial(Line))
            assert (error.phase, str(error)) == (Phase.TLS, "trusted certificates cannot be read")
        assert names.asked == []

        file.symlink_to(authority.file)
        client, _ = await trusting.dial(Line)
        client.hang_up()


@on_both_loops
async def test_session_keys_are_written_nowhere(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    async with serving(tls=authority.valid(NAME)) as server:
        trusting = dialer(Names([HERE]), server.port, tls=True, ca_file=authority.file)
        client, _ = await trusting.dial(Line)
        client.hang_up()
    assert not keys.is_file()


class Unwilling(asyncio.Protocol):
    """Cannot even be made."""

    def __init__(self) -> None:
        raise LookupError


@pytest.mark.parametrize("tls", [False, True])
@on_both_loops
async def test_a_protocol_that_cannot_be_made_leaves_nothing_open(tls: bool) -> None:
    async with nothing_left_open():
        with silence() as port, pytest.raises(LookupError):
            await dialer(Names([HERE]), port, tls=tls).dial(Unwilling)


@pytest.mark.parametrize("tls", [False, True])
@on_both_loops
async def test_a_dial_can_be_called_off_at_any_moment(authority: Authority, tls: bool) -> None:
    """After no step of the loop, after one, after two and so on, until it is through."""
    async with serving(tls=authority.valid(NAME) if tls else None) as server:
        begun = dialer(Names([HERE]), server.port, tls=tls, ca_file=authority.file)
        async with nothing_left_open():  # the first time certificates are read too
            (await begun.dial(Line))[0].hang_up()
        called_off = 0
        async with nothing_left_open():
            for steps in range(1000):
                dialled = asyncio.create_task(begun.dial(Line))
                for _ in range(steps):
                    await CLOCK.sleep(0)
                if not dialled.cancel():
                    break
                await asyncio.wait([dialled])
                assert dialled.cancelled()
                called_off += 1
            (await dialled)[0].hang_up()
        assert called_off > (5 if tls else 2)


@on_both_loops
async def test_nothing_stays_open_when_a_race_is_called_off() -> None:
    async with nothing_left_open():
        with blackhole() as port, blackhole(THERE, port):
            for seconds in (0.01, 0.3):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await dialer(Names([HERE, THERE]), port).dial(Line)
