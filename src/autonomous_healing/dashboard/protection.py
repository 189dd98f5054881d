"""Who may talk to the dashboard's server, and what browsers may do with its answers."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from autonomous_healing.dashboard.options import ServerSettings
from autonomous_healing.dashboard.problems import MEDIA_TYPE, Problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

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

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def accepted_hosts(settings: ServerSettings) -> frozenset[str]:
    """Names by which browsers may ask for us: a page elsewhere that rebinds its own name is none of them."""
    public = _split(settings.public_url).hostname
    return LOOPBACK | {settings.host.lower()} | ({public} if public else set())


class Protection:
    """Checks Host, and Origin of sockets, before the application sees a request; adds headers after it."""

    def __init__(self, app: App, settings: ServerSettings) -> None:
        self._app = app
        self._hosts = accepted_hosts(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_protected(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                message["headers"] = _protected(message.get("headers", ()))
            await send(message)

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if problem := self._objection(scope["type"], headers):
            await _refuse(scope["type"], problem, send_protected)
        else:
            await self._app(scope, receive, send_protected)

    def _objection(self, kind: str, headers: Mapping[str, str]) -> Problem | None:
        host = headers.get("host", "")
        if _split(f"//{host}").hostname not in self._hosts:
            return Problem(status=421, detail="This server does not answer for the host that was asked.")
        origin = headers.get("origin")
        if kind == "websocket" and origin is not None and _split(origin).netloc.lower() != host.lower():
            return Problem(status=403, detail="A page from another origin may not listen here.")
        return None


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _protected(headers: Any) -> list[tuple[bytes, bytes]]:
    sent = list(headers)
    names = {name.lower() for name, _ in sent}
    missing = ((name.encode(), value.encode()) for name, value in HEADERS.items())
    return [*sent, *(pair for pair in missing if pair[0] not in names)]


async def _refuse(kind: str, problem: Problem, send: Send) -> None:
    body = problem.document()
    prefix = "websocket.http.response" if kind == "websocket" else "http.response"
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": f"{prefix}.start", "status": problem.status, "headers": headers})
    await send({"type": f"{prefix}.body", "body": body, "more_body": False})
