"""What an operator does by hand over HTTP: circuits, keys and copies. Each act is audited."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import Field, model_validator

from autonomous_healing.dashboard.actions import Act, ActionDoor, ActRequest, Done, TimedActRequest
from autonomous_healing.dashboard.answers import PROBLEMS
from autonomous_healing.dashboard.asgi import caller_of
from autonomous_healing.dashboard.problems import Refusal
from autonomous_healing.database import DatabaseAway
from autonomous_healing.endpoint_healing.controls import Controls, UnknownTarget
from autonomous_healing.endpoint_healing.key_states import IllegalMove
from autonomous_healing.resilience import Clock, Force
from autonomous_healing.safety.chain import Plain

#: Seconds after which it makes sense to ask again while the database is away.
_AWAY_SECONDS = 5

_Doing = Callable[[], Awaitable[Mapping[str, Plain]]]

Source = Annotated[str, Path(description="Its id, such as yahoo_finance.")]
Endpoint = Annotated[str, Path(description="As listings name it, without the slash before it.")]
Alias = Annotated[str, Path(description="Of a key, as GET /api/keys tells it.")]


class HostRequest(ActRequest):
    """For one host of a target, or for all."""

    host: str | None = Field(None, description="One base URL of the source; all of them where none is named.")


class TimedHostRequest(TimedActRequest):
    """The same, for a while."""

    host: str | None = Field(None, description="One base URL of the source; all of them where none is named.")


class ForgetRequest(ActRequest):
    """Which copies: one question's, an endpoint's, a source's, or all."""

    key: str | None = Field(None, max_length=2048, description="A question, as trails and tables spell it.")
    source: str | None = Field(None, max_length=64, description="All of a source.")
    endpoint: str | None = Field(None, max_length=255, description="Of that source, one endpoint's.")

    @model_validator(mode="after")
    def _one_of_them(self) -> "ForgetRequest":
        if self.key is not None and (self.source is not None or self.endpoint is not None):
            raise ValueError("key stands alone: it names its source and endpoint already")
        if self.endpoint is not None and self.source is None:
            raise ValueError("endpoint is named with its source")
        return self


@dataclass(frozen=True, slots=True)
class _Acting:
    """Between routes and controls: every act goes through the door."""

    controls: Controls
    door: ActionDoor
    clock: Clock

    async def do(self, request: Request, asked: ActRequest, action: str, subject: str, do: _Doing) -> Done:
        """Raises `Refusal`, in the words of the interface."""

        async def told() -> Mapping[str, Plain]:
            try:
                return await do()
            except UnknownTarget as unknown:
                raise Refusal(404, str(unknown)) from None
            except IllegalMove as wrong:
                raise Refusal(409, str(wrong)) from None
            except DatabaseAway:
                detail = "Memory is cleared; the database is away, so what it holds is not."
                raise Refusal(503, detail, retry_after=_AWAY_SECONDS) from None

        act = Act(action=action, subject=subject, do=told)
        return await self.door.act(caller_of(request.scope), asked, act)

    async def force(
        self, request: Request, asked: TimedHostRequest, action: str, kind: Force, target: tuple[str, str]
    ) -> Done:
        """Hold the circuits of a target, a source and an endpoint."""
        source, endpoint = target

        async def do() -> Mapping[str, Plain]:
            self.controls.force(
                source,
                endpoint,
                kind,
                seconds=(asked.expires_at - self.clock.now()).total_seconds(),
                reason=asked.reason,
                by=str(caller_of(request.scope).token),
                host=asked.host,
            )
            return {"circuit": kind.value, "host": asked.host}

        return await self.do(request, asked, action, f"{source}/{endpoint}", do)


def control_routes(controls: Controls, door: ActionDoor, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/api", responses=PROBLEMS, tags=["controls"])
    acting = _Acting(controls, door, clock)
    _targets(router, acting)
    _keys(router, acting)
    _copies(router, acting)
    return router


def _targets(router: APIRouter, acting: _Acting) -> None:
    target = "/targets/{source}/{endpoint:path}"

    @router.post(f"{target}/drain")
    async def make_no_calls_at_all(
        source: Source, endpoint: Endpoint, asked: TimedActRequest, request: Request
    ) -> Done:
        everywhere = TimedHostRequest(reason=asked.reason, expires_at=asked.expires_at.isoformat())
        return await acting.force(request, everywhere, "target.drain", Force.OPEN, (source, endpoint))

    @router.post(f"{target}/force-open")
    async def make_no_calls_there(
        source: Source, endpoint: Endpoint, asked: TimedHostRequest, request: Request
    ) -> Done:
        return await acting.force(request, asked, "target.force_open", Force.OPEN, (source, endpoint))

    @router.post(f"{target}/close")
    async def make_calls_whatever_becomes_of_them(
        source: Source, endpoint: Endpoint, asked: TimedHostRequest, request: Request
    ) -> Done:
        return await acting.force(request, asked, "target.close", Force.CLOSED, (source, endpoint))

    @router.post(f"{target}/pin")
    async def make_calls_there_before_all_others(
        source: Source, endpoint: Endpoint, asked: TimedHostRequest, request: Request
    ) -> Done:
        return await acting.force(request, asked, "target.pin", Force.PINNED, (source, endpoint))

    @router.post(f"{target}/release")
    async def leave_circuits_to_their_calls_again(
        source: Source, endpoint: Endpoint, asked: HostRequest, request: Request
    ) -> Done:
        async def do() -> Mapping[str, Plain]:
            acting.controls.unforce(source, endpoint, asked.host)
            return {"host": asked.host}

        return await acting.do(request, asked, "target.release", f"{source}/{endpoint}", do)


def _keys(router: APIRouter, acting: _Acting) -> None:
    @router.post("/keys/{source}/{alias}/quarantine")
    async def take_a_key_out_of_use(
        source: Source, alias: Alias, asked: ActRequest, request: Request
    ) -> Done:
        async def do() -> Mapping[str, Plain]:
            acting.controls.quarantine(source, alias, asked.reason)
            return {}

        return await acting.do(request, asked, "key.quarantine", alias, do)

    @router.post("/keys/{source}/{alias}/release")
    async def put_a_key_back_into_use(
        source: Source, alias: Alias, asked: ActRequest, request: Request
    ) -> Done:
        async def do() -> Mapping[str, Plain]:
            acting.controls.release(source, alias)
            return {}

        return await acting.do(request, asked, "key.release", alias, do)


def _copies(router: APIRouter, acting: _Acting) -> None:
    @router.post("/cache/invalidate")
    async def forget_copies(asked: ForgetRequest, request: Request) -> Done:
        async def do() -> Mapping[str, Plain]:
            count = await acting.controls.forget_copies(
                key=asked.key, source=asked.source, endpoint=asked.endpoint
            )
            return {"count": count}

        subject = asked.key or "/".join(filter(None, (asked.source, asked.endpoint))) or "all"
        return await acting.do(request, asked, "cache.invalidate", subject, do)
