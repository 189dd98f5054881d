"""Where users' requests come in: understood, answered through the healer, told where the answer is from."""

import logging
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import msgspec

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.caching.directives import (
    NO_WISHES,
    RequestDirectives,
    request_directives,
)
from autonomous_healing.endpoint_healing.caching.forcing import ForcedRevalidations
from autonomous_healing.endpoint_healing.call import Call, Response
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.fetch import Sent
from autonomous_healing.endpoint_healing.fidelity import (
    BadPolicy,
    Fidelity,
    Policy,
    parse_allow,
    parse_levels,
)
from autonomous_healing.endpoint_healing.healer import EndpointHealer, NotCached, Result
from autonomous_healing.endpoint_healing.healthy_path import HealthyPath
from autonomous_healing.endpoint_healing.options import HealingSettings
from autonomous_healing.endpoint_healing.priority import Priority, priority_said
from autonomous_healing.proxy.provenance import Reply, refusal, reply_from, reply_to
from autonomous_healing.proxy.quote_board import board, symbols_of
from autonomous_healing.proxy.routes import BadRequest, Match, NoRoute, RouteTable, single_values
from autonomous_healing.resilience import Clock, Deadline, NewId

log = logging.getLogger(__name__)

#: Headers of a caller that may go on to a provider: they say who asks for what, and hold no secret.
FORWARDED = ("traceparent", "tracestate", "x-request-id")

TRAILS = "/api/healing/trails/"
QUOTE_PATHS = frozenset({"/api/yahoo/quote", "/api/yahoo_finance/quote"})


@dataclass(frozen=True, slots=True)
class Request:
    """A GET as it came: the path still percent-encoded, header names in lower case."""

    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    caller: str = ""  #: its address


class PlainQuestions:
    """Understands requests for one endpoint without any wishes; answers nothing."""

    def __init__(
        self, endpoints: Sequence[Endpoint], settings: HealingSettings, clock: Clock, new_id: NewId
    ) -> None:
        self._routes = RouteTable(endpoints)
        self._quote = next((one for one in endpoints if one.place == "yahoo_finance/quote"), None)
        if self._quote is not None:
            self._routes.add_known("yahoo", "/api/yahoo/quote?symbols={symbols}")
        self._settings = settings
        self._policy = Policy(parse_levels(settings.allow))
        self.may_be_stale = self._policy.allows(Fidelity.STALE)  #: for who has no wishes
        self._clock = clock
        self.new_id = new_id  #: of calls and incidents

    def plain(self, path: str, query: Sequence[tuple[str, str]]) -> Match | None:
        """What a path asks for, if it is one question to one endpoint; else None."""
        if path.startswith(TRAILS) or path in QUOTE_PATHS:
            return None
        try:
            return self._routes.match(path, query)
        except (BadRequest, NoRoute):
            return None

    def plain_call(
        self, endpoint: Endpoint, params: Mapping[str, str], forwarded: Mapping[str, str], gone: float
    ) -> Call:
        """A question asked `gone` seconds ago, with the usual policy and deadline."""
        return Call(
            id=self.new_id(),
            endpoint=endpoint,
            params=params,
            policy=self._policy,
            deadline=Deadline.after(self._clock, self._settings.request_deadline - gone),
            headers=forwarded,
        )

    def seconds_for(self, endpoint: Endpoint) -> float:
        """How long a source may take to answer a plain question."""
        return min(endpoint.timeout, self._settings.request_deadline)

    @staticmethod
    def plainly_good(path: HealthyPath, call: Call, sent: Sent, answer: wire.Answer) -> Response | None:
        """What a quick look finds good; None leaves the answer to a long one."""
        try:
            return path.judged(call, sent, answer)
        except Exception:  # the long look may meet the same bug, and answers with an incident then
            log.exception("first_look_crashed", extra={"endpoint": call.endpoint.place})
            return None

    @staticmethod
    def untouched(response: Response) -> Reply:
        """The reply that a source makes by itself: with a good first answer, or with a copy of one."""
        return reply_from(response)


class HealingProxy(PlainQuestions):
    """Answers `GET /api/{source}/{path}`."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        healer: EndpointHealer,
        settings: HealingSettings,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        super().__init__(endpoints, settings, clock, new_id)
        self._healer = healer
        self._always_problem = settings.on_exhausted == "problem"
        self._allow_max = parse_levels(settings.allow_max)
        self._forced = ForcedRevalidations()

    async def handle(self, request: Request) -> Reply:
        """Never raises for what a caller may send."""
        try:
            return await self._answer(request)
        except (BadRequest, BadPolicy) as wrong:
            return refusal(400, "Bad request", str(wrong))
        except NotCached:
            return refusal(504, "Gateway timeout", "only-if-cached: no copy may answer this")
        except NoRoute as lost:
            return refusal(404, "Unknown route", str(lost), known=lost.known)
        except Exception:  # one request that nobody foresaw must not end as a dropped connection
            incident = str(self.new_id())
            log.exception("request_crashed", extra={"incident": incident, "path": request.path})
            return crashed(incident)

    async def recall(self, endpoint: Endpoint, params: Mapping[str, str]) -> None:
        """Have a copy of what is asked for brought back from the second layer, if it is there."""
        await self._healer.recall(self.plain_call(endpoint, params, {}, 0.0))

    async def follow(
        self,
        call: Call,
        first: Coroutine[None, None, Response],
        began: datetime,
        start: float,
        patience: float,
    ) -> Reply:
        """The reply to a plain request whose first attempt is made; as `EndpointHealer.follow`."""
        try:
            result = await self._healer.follow(call, first, began, start, patience)
            return reply_to(result, always_problem=self._always_problem)
        except Exception:  # as in `handle`
            incident = str(self.new_id())
            log.exception("request_crashed", extra={"incident": incident, "path": call.endpoint.place})
            return crashed(incident)

    async def _answer(self, request: Request) -> Reply:
        if request.path.startswith(TRAILS):
            return self._trail(request.path.removeprefix(TRAILS))
        if request.path in QUOTE_PATHS and self._quote is not None:
            quote, symbols = self._quote, symbols_of(single_values(request.query))

            async def ask(symbol: str) -> Result:
                params = quote.asked({"symbol": symbol})
                return await self._healer.answer(self._call(quote, params, request))

            self._call(quote, {}, request)  # a bad header is told before anything is asked
            return await board(symbols, ask, self._clock.now, always_problem=self._always_problem)
        match = self._routes.match(request.path, request.query)
        call = self._call(match.endpoint, match.params, request)
        return reply_to(await self._healer.answer(call), always_problem=self._always_problem)

    def _call(self, endpoint: Endpoint, params: Mapping[str, str], request: Request) -> Call:
        headers = request.headers
        seconds = self._seconds(headers)
        return Call(
            id=self.new_id(),
            endpoint=endpoint,
            params=params,
            policy=self._policy_of(headers),
            deadline=Deadline.after(self._clock, seconds),
            headers={name: headers[name] for name in FORWARDED if name in headers},
            wishes=self._wishes_of(request),
            hurried=seconds < self._settings.request_deadline,
            batch=priority_said(headers.get("priority", "")) is Priority.BATCH,
        )

    def _wishes_of(self, request: Request) -> RequestDirectives:
        """A caller who wants the newest too often gets what is fresh: quotas are paid for by others, too."""
        wishes = _wishes(request.headers)
        forces = wishes.no_cache or wishes.max_age is not None or wishes.min_fresh > 0
        known = request.caller  # not of what another process hands on
        if forces and known and not self._forced.allows(known, self._clock.monotonic()):
            return replace(wishes, no_cache=False, max_age=None, min_fresh=0.0)
        return wishes

    def _policy_of(self, headers: Mapping[str, str]) -> Policy:
        said = headers.get("healing-allow")
        return self._policy if said is None else parse_allow(said, self._allow_max)

    def _seconds(self, headers: Mapping[str, str]) -> float:
        said = headers.get("healing-deadline")
        if said is None:
            return self._settings.request_deadline
        try:
            seconds = float(said)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < float("inf"):
            raise BadRequest("Healing-Deadline: give seconds above 0, for example 2.5")
        return min(seconds, self._settings.request_deadline)

    def _trail(self, said: str) -> Reply:
        try:
            trail = self._healer.trails.find(UUID(said))
        except ValueError:
            raise BadRequest("a trail id is a UUID") from None
        if trail is None:
            return refusal(404, "Unknown trail", f"no trail {said} is held; older ones are in the database")
        return Reply(status=200, content_type="application/json", body=msgspec.json.encode(trail.to_json()))


def _wishes(headers: Mapping[str, str]) -> RequestDirectives:
    """What the caller wants of copies; `Pragma` where nothing newer is said (RFC 9111, section 5.4)."""
    if said := headers.get("cache-control"):
        return request_directives(said.encode("latin-1", "replace"))
    return request_directives(b"no-cache") if headers.get("pragma") == "no-cache" else NO_WISHES


def crashed(incident: str) -> Reply:
    """To a request that met a fault of ours."""
    return refusal(500, "Unexpected fault", f"incident {incident} is in the log")
