"""New connections to one origin: name, checked address, socket, TLS. No address is used unchecked."""

import asyncio
import errno
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import zip_longest
from threading import Thread
from typing import TypeVar

from autonomous_healing.wire.addresses import why_forbidden
from autonomous_healing.wire.errors import Phase, WireError
from autonomous_healing.wire.origin import Origin

ProtocolT = TypeVar("ProtocolT", bound=asyncio.BaseProtocol)
_T = TypeVar("_T")

#: Host and port to addresses as text, the best first.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

#: How long an address is tried alone before the next one is tried beside it (RFC 8305, section 5).
_HEAD_START = 0.25

#: A lookup goes on when those who wait give up, so that the next to ask finds it under way; but not for ever.
_LOOKUP_SECONDS = 30.0

_NOT_FOUND, _RESOLVER_SILENT = "name not found", "no answer from the resolver"
_RESOLVER_WORDS = {
    socket.EAI_NONAME: _NOT_FOUND,
    # Not every C library tells a name without addresses from one that is not there.
    getattr(socket, "EAI_NODATA", socket.EAI_NONAME): _NOT_FOUND,
    socket.EAI_AGAIN: _RESOLVER_SILENT,
}

_NO_WAY = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
_CONNECT_WORDS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.ETIMEDOUT: "no answer",
    errno.EMFILE: "too many open files",
    errno.ENFILE: "too many open files",
    **dict.fromkeys(_NO_WAY, "unreachable"),
}

#: Verdicts of OpenSSL on a certificate (X509_V_ERR_...); all others are a matter of trust.
_CERTIFICATE_WORDS = {
    9: "certificate not valid yet",
    10: "certificate expired",
    62: "certificate is for another name",
    64: "certificate is for another name",
}
_TLS_WORDS = {
    "WRONG_VERSION_NUMBER": "no TLS spoken",
    "UNSUPPORTED_PROTOCOL": "only an old TLS spoken",
    "TLSV1_ALERT_PROTOCOL_VERSION": "only an old TLS spoken",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class DialOptions:
    """How connections to an origin are made. Nothing here switches verification off."""

    connect_seconds: float = 2.0  #: for name and connection together, and again for the TLS handshake
    addresses_seconds: float = 60.0  #: how long a resolution holds
    allow_private: bool = False  #: also loopback and private networks
    ca_file: str = ""  #: certificates trusted beside the system's own


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """As the machine is set up to, in its order of preference.

    In a thread of its own: loops have few for lookups (uvloop two), and dead name servers keep those busy.
    """
    found: Future[list[str]] = Future()
    Thread(target=_ask_system, args=(found, host, port), name="lookup", daemon=True).start()
    return await asyncio.wrap_future(found)


def _ask_system(found: Future[list[str]], host: str, port: int) -> None:
    if not found.set_running_or_notify_cancel():
        return
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError, OverflowError) as error:
        found.set_exception(error)
    else:
        found.set_result([str(address[0]) for *_, address in answers])


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """What a lookup brought: addresses, or why there are none."""

    at: float  #: time of the loop
    allowed: tuple[str, ...] = ()
    refused: str = ""  #: there are addresses, none of which may be used
    failed: str = ""  #: there are none


class Dialer:
    """Makes connections to one origin and remembers where it is. Belongs to one event loop."""

    def __init__(self, origin: Origin, options: DialOptions, resolve: Resolve = system_resolve) -> None:
        self._origin = origin
        self._options = options
        self._resolve = resolve
        self._known: _Found | None = None
        self._lookup: asyncio.Task[_Found] | None = None
        self._trust: asyncio.Task[ssl.SSLContext] | None = None

    async def dial(self, new_protocol: Callable[[], ProtocolT]) -> tuple[ProtocolT, str]:
        """A protocol that is connected, through TLS if the origin has it, and the address it is connected to.

        Raises `WireError`. A name that leads to forbidden addresses only counts as one that leads nowhere.
        """
        limit = asyncio.get_running_loop().time() + self._options.connect_seconds
        trust = await self._trusted(limit) if self._origin.scheme == "https" else None
        found = await self._addresses(limit)
        if not found.allowed:
            raise WireError(Phase.RESOLVE, found.refused or found.failed)
        try:
            connected, address = await _first_to_connect(found.allowed, self._origin.port, limit)
            protocol = await self._opened(connected, new_protocol, trust)
        except WireError:
            # Also after a bad certificate: the address may be somebody else's by now.
            self._put(None, found)
            raise
        if address != found.allowed[0]:
            # It goes first from now on: a dead one costs its head start once.
            others = (other for other in found.allowed if other != address)
            self._put(replace(found, allowed=(address, *others)), found)
        return protocol, address

    async def look_again(self) -> frozenset[str]:
        """The addresses that hold now, looked up anew if those known are old; none if none is allowed.

        Raises `WireError` if the name does not resolve, which says nothing against open connections.
        """
        limit = asyncio.get_running_loop().time() + self._options.connect_seconds
        found = await self._addresses(limit)
        if found.failed:
            raise WireError(Phase.RESOLVE, found.failed)
        return frozenset(found.allowed)

    async def _addresses(self, limit: float) -> _Found:
        now = asyncio.get_running_loop().time()
        if self._known is not None and now - self._known.at < self._options.addresses_seconds:
            return self._known
        if self._lookup is None or self._lookup.done():
            self._lookup = asyncio.create_task(self._look_up())
        lookup = self._lookup
        if not await _done_by(limit, lookup):
            raise WireError(Phase.RESOLVE, _RESOLVER_SILENT, timed_out=True)
        return lookup.result()

    async def _look_up(self) -> _Found:
        """Only addresses are kept: after anything else the next to ask looks again."""
        at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(_LOOKUP_SECONDS):
                addresses = await self._resolve(self._origin.host, self._origin.port)
        except (OSError, UnicodeError) as error:
            return _Found(at=at, failed=_resolver_words(error))
        private = self._options.allow_private
        verdicts = {address: why_forbidden(address, allow_private=private) for address in addresses}
        allowed = tuple(address for address, why in verdicts.items() if why is None)
        if not verdicts:
            return _Found(at=at, failed=_NOT_FOUND)
        if not allowed:
            return _Found(at=at, refused=f"address not allowed: {next(iter(verdicts.values()))}")
        self._known = _Found(at=at, allowed=allowed)
        return self._known

    def _put(self, better: _Found | None, found: _Found) -> None:
        """In place of what was found, unless that has been replaced by a newer lookup."""
        if self._known is found:
            self._known = better

    async def _trusted(self, limit: float) -> ssl.SSLContext:
        """Reading the system's certificates takes some 20 ms: once, and not on the loop."""
        if self._trust is None:
            self._trust = asyncio.create_task(asyncio.to_thread(_verifying, self._options.ca_file))
        trust = self._trust
        if not await _done_by(limit, trust):
            raise WireError(Phase.TLS, "trusted certificates not read in time", timed_out=True)
        try:
            return trust.result()
        except OSError:
            self._trust = None
            raise WireError(Phase.TLS, "trusted certificates cannot be read") from None

    async def _opened(
        self, connected: socket.socket, new_protocol: Callable[[], ProtocolT], trust: ssl.SSLContext | None
    ) -> ProtocolT:
        try:
            protocol = new_protocol()
        except BaseException:
            connected.close()
            raise
        seconds = self._options.connect_seconds
        try:
            async with asyncio.timeout(seconds):
                # However this ends, the socket is closed by the transport that it makes.
                await asyncio.get_running_loop().create_connection(
                    lambda: protocol,
                    sock=connected,
                    ssl=trust,
                    server_hostname=self._origin.host.rstrip(".") if trust else None,
                    ssl_shutdown_timeout=seconds if trust else None,
                )
        except OSError as error:
            raise (_tls_error(error) if trust else _connect_error([error])) from None
        return protocol


def _verifying(ca_file: str) -> ssl.SSLContext:
    """For certificates and names alike. Not `create_default_context`: it may write session keys to a file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


async def _done_by(limit: float, task: asyncio.Task[_T]) -> bool:
    """Waits for it, and never ends it: others may wait too."""
    done, _ = await asyncio.wait([task], timeout=limit - asyncio.get_running_loop().time())
    return bool(done)


async def _first_to_connect(addresses: Sequence[str], port: int, limit: float) -> tuple[socket.socket, str]:
    """Tries one address after the other, each with a head start; all but the winner are closed."""
    loop = asyncio.get_running_loop()
    waiting = deque(_by_turns(addresses))
    trying: dict[asyncio.Task[socket.socket], str] = {}
    failures: list[OSError] = []
    try:
        while waiting or trying:
            if (left := limit - loop.time()) <= 0:
                raise WireError(Phase.CONNECT, "no answer", timed_out=True)
            if waiting:
                address = waiting.popleft()
                trying[loop.create_task(_connected(address, port))] = address
            patience = min(left, _HEAD_START) if waiting else left
            done, _ = await asyncio.wait(trying, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                address = trying.pop(task)
                try:
                    return task.result(), address
                except OSError as error:
                    failures.append(error)
        raise _connect_error(failures)
    finally:
        _call_off(trying)


def _by_turns(addresses: Sequence[str]) -> Iterator[str]:
    """The two families in turn, beginning with the first one's: if it is dead the second try succeeds."""
    preferred = ":" in addresses[0]
    first = [address for address in addresses if (":" in address) is preferred]
    second = [address for address in addresses if (":" in address) is not preferred]
    for pair in zip_longest(first, second):
        yield from (address for address in pair if address is not None)


def _call_off(trying: Iterable[asyncio.Task[socket.socket]]) -> None:
    """Without waiting, since whoever waits may be called off too and then lose the winner."""
    for task in trying:
        if not task.cancel() and not task.cancelled() and task.exception() is None:
            task.result().close()


async def _connected(address: str, port: int) -> socket.socket:
    """Not by `sock_connect`: uvloop's waits for one of its few threads for lookups, even with an address."""
    connecting = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        connecting.setblocking(False)
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        trouble = connecting.connect_ex((address, port))
        if trouble == errno.EINPROGRESS:
            await _writable(connecting)
            trouble = connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        # A port from which nobody listens may be given to us, and then we have reached ourselves.
        if not trouble and connecting.getsockname() == connecting.getpeername():
            trouble = errno.ECONNREFUSED
        if trouble:
            raise OSError(trouble, "no connection")
    except BaseException:
        connecting.close()
        raise
    return connecting


async def _writable(connecting: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(connecting, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(connecting)


def _resolver_words(error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError):
        return "not a name"
    if isinstance(error, TimeoutError):
        return _RESOLVER_SILENT
    return _RESOLVER_WORDS.get(error.errno or 0, "the resolver failed")


def _connect_error(failures: Sequence[OSError]) -> WireError:
    """In the words of the first failure that says more than that one family is not there."""
    telling = next((failure for failure in failures if failure.errno not in _NO_WAY), failures[0])
    words = _CONNECT_WORDS.get(telling.errno or 0, "no connection")
    return WireError(Phase.CONNECT, words, timed_out=isinstance(telling, TimeoutError))


def _tls_error(error: OSError) -> WireError:
    match error:
        case TimeoutError():
            return WireError(Phase.TLS, "handshake too slow", timed_out=True)
        case ssl.SSLCertVerificationError(verify_code=code):
            words = _CERTIFICATE_WORDS.get(code, "certificate not trusted")
        case ssl.SSLError(reason=reason):
            words = _TLS_WORDS.get(reason, "handshake failed")
        case _:
            words = "closed during the handshake"
    return WireError(Phase.TLS, words)
