"""Sources that are passed on as they are: any method, no verdict, no healing. Redirects are relayed."""

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Protocol
from urllib.parse import unquote_to_bytes

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.upstream import Upstream
from autonomous_healing.proxy.provenance import refusal
from autonomous_healing.proxy.wire_form import send
from autonomous_healing.resilience import Clock


class Outcomes(Protocol):
    """Counts what became of requests."""

    def record_success(self, seconds: float) -> None:
        """One that was answered."""

    def record_failure(self) -> None:
        """One that was not, or with a fault of the source."""


class Windows(Protocol):
    """Where outcomes are counted, by endpoint."""

    def window(self, endpoint: Endpoint) -> Outcomes:
        """That of one."""


class Passthrough:
    """One raw source, below its mount."""

    def __init__(
        self,
        endpoint: Endpoint,
        upstream: Upstream,
        windows: Windows,
        clock: Clock,
        *,
        deadline: float,
        buffer_bytes: int,
    ) -> None:
        """`deadline`: seconds for a whole exchange; a larger body than `buffer_bytes` streams instead."""
        source = endpoint.source
        self.source = source
        self._mount = b"" if source.mount == "/" else source.mount.encode()
        self._route = upstream.route(source, source.hosts[0])
        self._window = windows.window(endpoint)
        self._clock = clock
        self._deadline = deadline
        self._buffer_bytes = buffer_bytes
        self._loop = asyncio.get_running_loop()

    def answers(self, target: bytes) -> bool:
        """Whether a target is its own."""
        mount = self._mount
        return target.startswith(mount) and target[len(mount) : len(mount) + 1] in (b"", b"/", b"?")

    def handle(self, exchange: wire.Exchange) -> None:
        """Relay one exchange."""
        target = exchange.request.target
        if target == b"*":
            rest = target
        elif self.answers(target):
            rest = target[len(self._mount) :]
            rest = rest if rest.startswith(b"/") else b"/" + rest
        else:  # on a port of its own
            send(exchange, refusal(404, "Unknown route", f"{self.source} answers below {self.source.mount}"))
            return
        if _climbs(rest):
            send(exchange, refusal(400, "Bad request", "the path holds a relative segment"))
        else:
            self.pass_on(exchange, rest)

    def pass_on(self, exchange: wire.Exchange, rest: bytes) -> None:
        """Ask the source; `rest`: what of the target is behind the mount."""
        over = partial(self.count, self._clock.monotonic())
        prefix = b"" if rest == b"*" else self._route.prefix.encode()
        head = wire.relayed_request(exchange, self._route.origin, prefix + rest)
        due = self._loop.time() + self._deadline
        self._route.connections.ask(
            wire.Relay(exchange, head, due, self._buffer_bytes, failed=self._refuse, over=over)
        )

    def count(self, start: float, ending: wire.Ending) -> None:
        """What was asked at `start`, in monotonic seconds, has come to this."""
        if isinstance(ending, int) and ending < 500:
            self._window.record_success(self._clock.monotonic() - start)
        elif isinstance(ending, int) or (ending is not None and ending.phase is not wire.Phase.WAIT):
            self._window.record_failure()  # a crowd before our own door is not the source's failure

    def _refuse(self, exchange: wire.Exchange, error: wire.WireError) -> None:
        status = 504 if error.timed_out else 503 if error.phase is wire.Phase.WAIT else 502
        reply = refusal(status, HTTPStatus(status).phrase, f"{self.source}: {error} ({error.phase})")
        if status == 503:
            reply.headers["Retry-After"] = "1"
        send(exchange, reply)


def _climbs(target: bytes) -> bool:
    """Whether a path leaves its place, however it is written."""
    path = target.partition(b"?")[0]
    if b".." not in path and b"%" not in path and b"/." not in path and b"\\" not in path:
        return False
    plain = unquote_to_bytes(unquote_to_bytes(path)).replace(b"\\", b"/")
    return any(segment.partition(b";")[0] in (b".", b"..") for segment in plain.split(b"/"))
