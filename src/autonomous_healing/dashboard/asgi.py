"""What passes between the server and the application, and how a request is refused on the way."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from autonomous_healing.dashboard.problems import MEDIA_TYPE, Problem
from autonomous_healing.safety.access import Caller

Request = MutableMapping[str, Any]  #: what ASGI calls a scope
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Request, Receive, Send], Awaitable[None]]

_CALLER = "autonomous_healing.caller"


def values(request: Request, name: bytes) -> Sequence[str]:
    """All fields of a name, as often as they were sent."""
    return [value.decode("latin-1") for known, value in request["headers"] if known == name]


def admit(request: Request, caller: Caller) -> None:
    """Note on a request who it is from."""
    request[_CALLER] = caller


def caller_of(request: Request) -> Caller:
    """Who an admitted request is from; of one that nobody admitted, `LookupError`."""
    caller: Caller = request[_CALLER]
    return caller


async def refuse(request: Request, problem: Problem, send: Send) -> None:
    """With a problem document; of a WebSocket, before it is one."""
    body = problem.document()
    prefix = "websocket.http.response" if request["type"] == "websocket" else "http.response"
    said = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **problem.headers}
    headers = [(name.lower().encode(), value.encode()) for name, value in said.items()]
    await send({"type": f"{prefix}.start", "status": problem.status, "headers": headers})
    await send({"type": f"{prefix}.body", "body": body, "more_body": False})
