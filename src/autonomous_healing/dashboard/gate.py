"""What each route needs of its caller: looked at once the router has chosen it, before any of it runs."""

import logging
import re
from collections.abc import Iterator, Mapping

from fastapi import APIRouter, FastAPI
from starlette.routing import Route, WebSocketRoute

from autonomous_healing.dashboard.asgi import App, Receive, Request, Send, caller_of, refuse
from autonomous_healing.dashboard.problems import Problem
from autonomous_healing.safety.access import objection
from autonomous_healing.safety.options import Scope

log = logging.getLogger(__name__)

#: In a path, what a parameter may hold: "{endpoint:path}".
_CONVERTER = re.compile(r":\w+(?=})")

#: "GET /api/health" or "WS /ws/health" -> what it needs. A HEAD needs what its GET does.
Needed = Mapping[str, Scope]


class Gate:
    """Stands in front of one route. What is not among `needed` is refused to everybody."""

    def __init__(self, app: App, path: str, needed: Needed) -> None:
        """`path` as the route was declared, such as "/api/agents/status/{agent_id}"."""
        self._app = app
        self._path = path
        self._needed = needed

    async def __call__(self, request: Request, receive: Receive, send: Send) -> None:
        route = f"{_verb(request)} {self._path}"
        caller = caller_of(request)
        denial = objection(caller, self._needed.get(route))
        if denial is None:
            await self._app(request, receive, send)
            return
        needed = denial.needed.value if denial.needed else None
        log.warning("access_refused", extra={"caller": str(caller), "needed": needed, "route": route})
        headers = (
            {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{needed}"'} if needed else {}
        )
        problem = Problem(status=403, detail=denial.detail, needed_scope=needed, headers=headers)
        await refuse(request, problem, send)


def add_all(app: FastAPI, router: APIRouter) -> None:
    """The routes of a router one by one, so that each can have its gate."""
    app.router.routes.extend(router.routes)


def guard(app: FastAPI, needed: Needed) -> None:
    """Put a gate in front of every route. Raises `TypeError` for what holds routes of its own."""
    for route in _single_routes(app):
        route.app = Gate(route.app, route.path, needed)


def names_of_routes(app: FastAPI) -> Iterator[str]:
    """All of them, as `Needed` calls them."""
    for route in _single_routes(app):
        verbs = {"WS"} if isinstance(route, WebSocketRoute) else (route.methods or {"any"}) - {"HEAD"}
        yield from (f"{verb} {route.path}" for verb in sorted(verbs))


def describe(app: FastAPI, needed: Needed) -> None:
    """Say in the OpenAPI document what token each route needs."""
    document, told = app.openapi(), {described(route): scope for route, scope in needed.items()}
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            scope = told.get(f"{verb.upper()} {path}")
            operation["security"] = [{"token": [scope.value] if scope else []}]


def described(route: str) -> str:
    """A route as OpenAPI writes it: what a parameter may hold is no part of its name."""
    return _CONVERTER.sub("", route)


def _single_routes(app: FastAPI) -> Iterator[Route | WebSocketRoute]:
    for route in app.routes:
        if not isinstance(route, Route | WebSocketRoute):
            raise TypeError(f"{route!r} is no single route: add those of a router with `add_all`")
        yield route


def _verb(request: Request) -> str:
    if request["type"] == "websocket":
        return "WS"
    return "GET" if request["method"] == "HEAD" else str(request["method"])
