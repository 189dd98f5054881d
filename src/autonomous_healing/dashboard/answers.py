"""How answers are given: tables as JSON or TOON, errors as problem documents."""

import logging
from typing import Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from autonomous_healing import toon
from autonomous_healing.dashboard import problems
from autonomous_healing.dashboard.problems import Problem, Refusal
from autonomous_healing.dashboard.views import to_json
from autonomous_healing.resilience import NewId

log = logging.getLogger(__name__)

TABLE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The table as JSON, or as TOON.",
        "content": {"text/toon": {"schema": {"type": "string"}}},
    }
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem document (RFC 9457).",
        "content": {
            problems.MEDIA_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["type", "title", "status", "detail"],
                    "properties": {
                        "type": {"type": "string"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                        "instance": {"type": "string"},
                        "needed_scope": {"type": "string"},
                        "errors": {"type": "array", "items": {"type": "object"}},
                    },
                }
            }
        },
    }
}


class TableQuery(BaseModel):
    """What may be asked of any table."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["json", "toon"] | None = Field(None, description="Goes before the Accept header.")


def table(view: object, asked: TableQuery, request: Request) -> Response:
    """JSON, or TOON where the query or else the Accept header asks for it."""
    wanted = asked.format or ("toon" if "text/toon" in request.headers.get("accept", "") else "json")
    headers = {"Vary": "Accept"}
    if wanted == "toon":
        return Response(toon.dumps(to_json(view)), media_type=toon.MEDIA_TYPE, headers=headers)
    return JSONResponse(to_json(view), headers=headers)


def answer_errors_with_problems(app: FastAPI, new_id: NewId) -> None:
    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> Response:
        return _problem(refusal.problem)

    @app.exception_handler(HTTPException)
    async def not_routed(request: Request, fault: HTTPException) -> Response:
        return _problem(
            Problem(
                status=fault.status_code,
                detail=f"{request.method} {request.url.path}: {fault.detail}.",
                headers=fault.headers or {},
            )
        )

    @app.exception_handler(RequestValidationError)
    async def not_understood(request: Request, fault: RequestValidationError) -> Response:
        errors = tuple(
            {"field": ".".join(str(part) for part in error["loc"]), "message": error["msg"]}
            for error in fault.errors()
        )
        if any(error["type"] == "json_invalid" for error in fault.errors()):
            return _problem(Problem(status=400, detail="The body is no JSON."))
        return _problem(
            Problem(status=422, detail="The request holds what is not known or cannot be.", errors=errors)
        )

    @app.exception_handler(Exception)
    async def crashed(request: Request, bug: Exception) -> Response:
        incident = str(new_id())
        # The server logs the traceback; this line ties it to what the caller was told.
        log.error("request_crashed", extra={"incident": incident, "path": request.url.path})
        detail = "An unexpected fault; the log has it under this incident."
        return _problem(Problem(status=500, detail=detail, instance=f"urn:incident:{incident}"))


def _problem(problem: Problem) -> Response:
    return Response(
        problem.document(),
        status_code=problem.status,
        headers=dict(problem.headers),
        media_type=problems.MEDIA_TYPE,
    )
