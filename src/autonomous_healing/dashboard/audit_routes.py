"""The audit log over HTTP: what is in it, and whether it is intact."""

import asyncio
import math
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, Field

from autonomous_healing.dashboard.answers import PROBLEMS, TABLE, TableQuery, table
from autonomous_healing.dashboard.problems import Refusal
from autonomous_healing.dashboard.views.audit import AuditCheck, audit_check, audit_row
from autonomous_healing.dashboard.views.listings import AuditListing
from autonomous_healing.database import DatabaseAway
from autonomous_healing.safety.audit import AuditTrail

#: Seconds that a walk along the whole chain may take here, the wait for one that is under way included; the
#: command has no such limit.
WALK_SECONDS = 30.0

#: Seconds after which it makes sense to ask again while the database is away.
_AWAY_SECONDS = 5


class AuditQuery(TableQuery):
    since: AwareDatetime | None = Field(None, alias="from", description="From this moment on.")
    until: AwareDatetime | None = Field(
        None, alias="to", description="Up to this moment, which is not in it."
    )
    limit: int = Field(50, ge=1, le=500, description="Entries in the answer at most.")
    cursor: int | None = Field(None, ge=1, le=2**63 - 1, description="`next_cursor` of the page before.")


def audit_routes(trail: AuditTrail, walk_seconds: float = WALK_SECONDS) -> APIRouter:
    router = APIRouter(prefix="/api/audit", tags=["audit"], responses=PROBLEMS)
    walking = asyncio.Lock()

    @router.get("", response_model=AuditListing, responses=TABLE)
    async def what_was_done(asked: Annotated[AuditQuery, Query()], request: Request) -> Response:
        try:
            links = await trail.newest(
                since=asked.since, until=asked.until, before=asked.cursor, limit=asked.limit + 1
            )
        except DatabaseAway:
            raise _away() from None
        shown = tuple(audit_row(link) for link in links[: asked.limit])
        more = str(shown[-1].seq) if len(links) > asked.limit else None
        return table(AuditListing(entries=shown, count=len(shown), next_cursor=more), asked, request)

    @router.get("/verify")
    async def whether_nothing_was_changed() -> AuditCheck:
        try:
            async with asyncio.timeout(walk_seconds), walking:
                return audit_check(await trail.verify())
        except DatabaseAway:
            raise _away() from None
        except TimeoutError:
            detail = "It takes too long for a request: run `autonomous-healing audit verify`."
            raise Refusal(503, detail, retry_after=math.ceil(walk_seconds)) from None

    return router


def _away() -> Refusal:
    return Refusal(503, "The database is away, and the audit log with it.", retry_after=_AWAY_SECONDS)
