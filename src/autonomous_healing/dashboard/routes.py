"""Which path answers with which view."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, FastAPI, Query, Request, Response, WebSocket
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from pydantic import Field
from starlette.websockets import WebSocketDisconnect

from autonomous_healing.alerts import AlertLevel
from autonomous_healing.alerts.alert import AlertState
from autonomous_healing.dashboard import measures
from autonomous_healing.dashboard.actions import ActionDoor
from autonomous_healing.dashboard.answers import (
    PROBLEMS,
    TABLE,
    TableQuery,
    answer_errors_with_problems,
    table,
)
from autonomous_healing.dashboard.audit_routes import audit_routes
from autonomous_healing.dashboard.control_routes import control_routes
from autonomous_healing.dashboard.files import static_files
from autonomous_healing.dashboard.gate import add_all, describe, guard
from autonomous_healing.dashboard.live import Client, Hub
from autonomous_healing.dashboard.measures import Measures
from autonomous_healing.dashboard.page import overview
from autonomous_healing.dashboard.problems import Refusal
from autonomous_healing.dashboard.views import AgentRow, HealingStatus, HealthSummary, UnknownCursor, Views
from autonomous_healing.dashboard.views.listings import (
    AgentListing,
    AlertListing,
    BreakerListing,
    EndpointListing,
    KeyListing,
    QuotaListing,
    ReportListing,
    StrategyListing,
)
from autonomous_healing.endpoint_healing.controls import Controls
from autonomous_healing.resilience import Clock, NewId
from autonomous_healing.safety.audit import AuditTrail
from autonomous_healing.safety.options import Scope

#: What each route needs of its caller. A route that is not here is refused to everybody.
NEEDED = {
    "GET /": Scope.READ,
    "GET /health-dashboard": Scope.READ,
    "GET /static/{name}": Scope.READ,
    "GET /livez": Scope.READ,
    "GET /readyz": Scope.READ,
    "GET /metrics": Scope.READ,
    "GET /api/openapi.json": Scope.READ,
    "GET /api/health": Scope.READ,
    "GET /api/health/endpoints": Scope.READ,
    "GET /api/health/alerts": Scope.READ,
    "GET /api/healing/status": Scope.READ,
    "GET /api/healing/trails/{trail_id}": Scope.READ,
    "GET /api/healing/reports": Scope.READ,
    "GET /api/healing/strategies": Scope.READ,
    "GET /api/breakers": Scope.READ,
    "GET /api/quota": Scope.READ,
    "GET /api/keys": Scope.READ,
    "POST /api/targets/{source}/{endpoint:path}/drain": Scope.OPERATE,
    "POST /api/targets/{source}/{endpoint:path}/pin": Scope.OPERATE,
    "POST /api/targets/{source}/{endpoint:path}/force-open": Scope.OPERATE,
    "POST /api/targets/{source}/{endpoint:path}/close": Scope.OPERATE,
    "POST /api/targets/{source}/{endpoint:path}/release": Scope.OPERATE,
    "POST /api/keys/{source}/{alias}/quarantine": Scope.ADMIN,
    "POST /api/keys/{source}/{alias}/release": Scope.ADMIN,
    "POST /api/cache/invalidate": Scope.OPERATE,
    "GET /api/agents/list": Scope.READ,
    "GET /api/agents/status/{agent_id}": Scope.READ,
    "GET /api/audit": Scope.READ,
    "GET /api/audit/verify": Scope.READ,
    "WS /ws/health": Scope.READ,
}

#: Seconds in which a slow browser may still hear why it is let go.
PARTING_SECONDS = 5

#: Close code "try again later" (RFC 6455 registry).
TRY_AGAIN_LATER = 1013


class AlertQuery(TableQuery):
    level: Literal["info", "warning", "error", "critical"] | None = Field(
        None, description="Only this level."
    )
    state: AlertState | None = Field(None, description="Only this state.")


class ReportQuery(TableQuery):
    limit: int = Field(50, ge=1, le=500, description="Rows in the answer at most.")
    cursor: UUID | None = Field(None, description="`next_cursor` of the page before.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Acts:
    """What callers may do, and where it is written down."""

    audit: AuditTrail
    controls: Controls
    clock: Clock


def application(views: Views, hub: Hub, metrics: Measures, acts: Acts, new_id: NewId) -> FastAPI:
    app = FastAPI(
        title="autonomous-healing",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    for router in (
        _pages(views),
        _health(views),
        _healing(views),
        _running(views),
        _metrics(metrics),
        _live(hub),
        audit_routes(acts.audit),
        control_routes(acts.controls, ActionDoor(acts.audit, acts.clock, new_id), acts.clock),
    ):
        add_all(app, router)
    guard(app, NEEDED)
    describe(app, NEEDED)
    answer_errors_with_problems(app, new_id)
    return app


def _pages(views: Views) -> APIRouter:
    router = APIRouter(responses=PROBLEMS, tags=["pages"])

    @router.get("/", status_code=307, response_class=RedirectResponse)
    async def to_the_overview() -> str:
        return "/health-dashboard"

    @router.get("/health-dashboard", response_class=HTMLResponse)
    async def the_overview() -> str:
        return overview(views)

    @router.get("/static/{name}", response_class=Response)
    async def a_file_of_the_page(name: str, request: Request) -> Response:
        file = static_files().get(name)
        if file is None:
            raise Refusal(404, f"There is no file {name}.")
        headers = {"ETag": file.etag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=headers)
        return Response(file.body, media_type=file.media_type, headers=headers)

    return router


def _health(views: Views) -> APIRouter:
    router = APIRouter(responses=PROBLEMS, tags=["health"])

    @router.get("/api/health")
    async def the_product_in_one_line() -> HealthSummary:
        return views.summary()

    @router.get("/livez")
    async def whether_it_runs() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz")
    async def whether_it_can_take_requests() -> JSONResponse:
        missing = views.missing()
        document = {"ready": not missing, "missing": list(missing)}
        return JSONResponse(document, status_code=503 if missing else 200)

    @router.get("/api/health/endpoints", response_model=EndpointListing, responses=TABLE)
    async def all_endpoints(asked: Annotated[TableQuery, Query()], request: Request) -> Response:
        return table(views.endpoints(), asked, request)

    @router.get("/api/health/alerts", response_model=AlertListing, responses=TABLE)
    async def open_and_latest_alerts(asked: Annotated[AlertQuery, Query()], request: Request) -> Response:
        level = AlertLevel[asked.level.upper()] if asked.level else None
        return table(views.alerts(level, asked.state), asked, request)

    return router


def _healing(views: Views) -> APIRouter:
    router = APIRouter(responses=PROBLEMS, prefix="/api/healing", tags=["healing"])

    @router.get("/status")
    async def whether_healing_goes_on() -> HealingStatus:
        return views.healing_status()

    @router.get("/trails/{trail_id}")
    async def why_a_caller_got_this_answer(trail_id: str) -> JSONResponse:
        trail = None
        with suppress(ValueError):
            trail = views.trail(UUID(trail_id))
        if trail is None:
            raise Refusal(404, f"No trail {trail_id} is kept.")
        return JSONResponse(trail.to_json())

    @router.get("/reports", response_model=ReportListing, responses=TABLE)
    async def the_latest_healings(asked: Annotated[ReportQuery, Query()], request: Request) -> Response:
        try:
            page = views.reports(asked.limit, asked.cursor)
        except UnknownCursor as unknown:
            raise Refusal(422, str(unknown)) from None
        return table(page, asked, request)

    @router.get("/strategies", response_model=StrategyListing, responses=TABLE)
    async def how_strategies_fared(asked: Annotated[TableQuery, Query()], request: Request) -> Response:
        return table(views.strategies(), asked, request)

    return router


def _running(views: Views) -> APIRouter:
    router = APIRouter(responses=PROBLEMS, prefix="/api", tags=["running"])

    @router.get("/breakers", response_model=BreakerListing, responses=TABLE)
    async def circuits_by_target(asked: Annotated[TableQuery, Query()], request: Request) -> Response:
        return table(views.breakers(), asked, request)

    @router.get("/quota", response_model=QuotaListing, responses=TABLE)
    async def calls_in_each_limit(asked: Annotated[TableQuery, Query()], request: Request) -> Response:
        return table(views.quota(), asked, request)

    @router.get("/keys", response_model=KeyListing, responses=TABLE)
    async def keys_by_alias(asked: Annotated[TableQuery, Query()], request: Request) -> Response:
        return table(views.keys(), asked, request)

    @router.get("/agents/list", response_model=AgentListing, responses=TABLE)
    async def all_agents(asked: Annotated[TableQuery, Query()], request: Request) -> Response:
        return table(views.agents(), asked, request)

    @router.get("/agents/status/{agent_id}")
    async def one_agent(agent_id: str) -> AgentRow:
        row = views.agent(agent_id)
        if row is None:
            raise Refusal(404, f"There is no agent {agent_id}.")
        return row

    return router


def _metrics(metrics: Measures) -> APIRouter:
    router = APIRouter(responses=PROBLEMS, tags=["metrics"])

    @router.get("/metrics", response_class=Response)
    async def metrics_for_prometheus() -> Response:
        return Response(metrics.text(), media_type=measures.MEDIA_TYPE)

    return router


def _live(hub: Hub) -> APIRouter:
    router = APIRouter()

    @router.websocket("/ws/health")
    async def what_happens(socket: WebSocket) -> None:
        await socket.accept()
        client = hub.join()
        talk = [
            asyncio.create_task(_send(socket, client)),
            asyncio.create_task(_listen(socket, client, hub)),
            asyncio.create_task(client.too_slow.wait()),
        ]
        try:
            ended, _ = await asyncio.wait(talk, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hub.leave(client)
            for task in talk:
                task.cancel()
            await asyncio.gather(*talk, return_exceptions=True)
        for task in ended:
            task.result()
        if client.too_slow.is_set():
            await _let_go(socket)

    return router


async def _send(socket: WebSocket, client: Client) -> None:
    with suppress(WebSocketDisconnect):
        async for text in client:
            await socket.send_text(text)


async def _listen(socket: WebSocket, client: Client, hub: Hub) -> None:
    while (message := await socket.receive())["type"] == "websocket.receive":
        hub.hear(client, message.get("text"))


async def _let_go(socket: WebSocket) -> None:
    """Say why, if the peer still takes anything."""
    with suppress(TimeoutError, WebSocketDisconnect):
        async with asyncio.timeout(PARTING_SECONDS):
            await socket.close(TRY_AGAIN_LATER, "too slow")
