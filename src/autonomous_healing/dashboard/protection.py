"""What stands before every request: our own names and pages, how often, and who asks."""

import asyncio
import logging
import math
from collections.abc import Iterable

from autonomous_healing.dashboard.asgi import App, Message, Receive, Request, Send, admit, refuse, values
from autonomous_healing.dashboard.options import ServerSettings
from autonomous_healing.dashboard.problems import Problem
from autonomous_healing.resilience import Clock
from autonomous_healing.safety.access import Access, Caller, Denial, Reason
from autonomous_healing.safety.hosts import OwnHosts, is_foreign
from autonomous_healing.safety.options import AuthSettings
from autonomous_healing.safety.rates import RequestRate

log = logging.getLogger(__name__)

POLICY = "; ".join(
    (
        "default-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

#: On every answer. An answer that says itself how it may be kept is left that.
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}

#: Wrong tokens a minute from one address, before each further one is 429 and no line in the log. A right one
#: is let in all the same: nobody guesses 256 bits, and others behind the same address must not be locked out.
WRONG_TOKENS_PER_MINUTE = 10

#: Bytes of a request's body at most: an act is a few words.
LONGEST_BODY = 65_536

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110, section 9.2.1; we answer no TRACE

#: How a browser says that a person follows a link, and no page looks in secret (Fetch Metadata).
_FOLLOWED_LINK = (["navigate"], ["document"])


class Protection:
    """Looks at each request before the application sees it, and adds headers to each answer."""

    def __init__(self, app: App, settings: ServerSettings, auth: AuthSettings, clock: Clock) -> None:
        self._app = app
        self._hosts = settings.own_hosts
        self._body_seconds = settings.body_stall_seconds
        self._access = Access(auth)
        self._clock = clock
        self._rate = RequestRate(auth.rate_limit_per_minute)
        self._wrong_tokens = RequestRate(WRONG_TOKENS_PER_MINUTE)

    async def __call__(self, request: Request, receive: Receive, send: Send) -> None:
        async def send_protected(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                message["headers"] = _protected(message.get("headers", ()))
            await send(message)

        match self._look_at(request):
            case Problem() as problem:
                await refuse(request, problem, send_protected)
            case caller:
                admit(request, caller)
                await self._app(request, _in_time(receive, self._body_seconds), send_protected)

    def _look_at(self, request: Request) -> Caller | Problem:
        """First match wins. What pages of others send costs our own no part of what may be asked."""
        if problem := _objection(request, self._hosts):
            return problem
        address = _address(request)
        if wait := self._rate.take(address, self._clock.monotonic()):
            return _too_often("Too many requests from this address.", wait)
        caller = self._access.recognise(values(request, b"authorization"), address, self._clock.now())
        if isinstance(caller, Denial):
            return self._unknown(caller, address)
        if request["type"] == "websocket" and caller.token is None and not values(request, b"origin"):
            return Problem(status=403, detail="A program that listens shows a token; a page says its origin.")
        return caller

    def _unknown(self, denial: Denial, address: str) -> Problem:
        challenge = 'Bearer realm="autonomous_healing"'
        if denial.reason is not Reason.NOTHING_SHOWN:
            if wait := self._wrong_tokens.take(address, self._clock.monotonic()):
                return _too_often("Too many wrong tokens from this address.", wait)
            log.warning("token_refused", extra={"address": address, "reason": denial.reason.value})
            challenge += ', error="invalid_token"'
        return Problem(status=401, detail=denial.detail, headers={"WWW-Authenticate": challenge})


def _objection(request: Request, hosts: OwnHosts) -> Problem | None:
    """To what a request says of itself, whoever it is from."""
    asked_for = values(request, b"host")
    if len(asked_for) != 1 or not hosts.answer_for(asked_for[0]):
        return Problem(status=421, detail="This server does not answer for the host that was asked.")
    origins, sites = values(request, b"origin"), values(request, b"sec-fetch-site")
    if is_foreign(asked_for[0], origins, sites) and not _follows_a_link(request):
        return Problem(status=403, detail="A page from another origin may not ask this.")
    if values(request, b"transfer-encoding"):
        return Problem(status=411, detail="A body has to say its length.")
    if any(map(_is_too_long, values(request, b"content-length"))):
        return Problem(status=413, detail=f"The body is longer than {LONGEST_BODY} bytes.")
    return None


def _follows_a_link(request: Request) -> bool:
    """Whether a person goes from another page to one of ours, which that page cannot look into."""
    said = (list(values(request, b"sec-fetch-mode")), list(values(request, b"sec-fetch-dest")))
    reads = request["type"] == "http" and request["method"] in _SAFE
    return reads and said == _FOLLOWED_LINK and not values(request, b"origin")


def _address(request: Request) -> str:
    return request["client"][0] if request.get("client") else ""


def _too_often(detail: str, wait: float) -> Problem:
    return Problem(status=429, detail=detail, headers={"Retry-After": str(math.ceil(wait))})


def _is_too_long(length: str) -> bool:
    return not (length.isascii() and length.isdigit() and len(length) < 16 and int(length) <= LONGEST_BODY)


def _in_time(receive: Receive, seconds: float) -> Receive:
    """A body that stands still for so long is `TimeoutError`; who waits for the end of a talk may wait."""
    is_whole = False

    async def receive_in_time() -> Message:
        nonlocal is_whole
        if is_whole:
            return await receive()
        async with asyncio.timeout(seconds):
            message = await receive()
        is_whole = not message.get("more_body", False)
        return message

    return receive_in_time


def _protected(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    sent = list(headers)
    names = {name.lower() for name, _ in sent}
    missing = ((name.encode(), value.encode()) for name, value in HEADERS.items())
    return [*sent, *(pair for pair in missing if pair[0] not in names)]
