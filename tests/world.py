"""The real endpoint healing and proxy, with the world around them replaced: time and the providers."""

import asyncio
import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import UUID

import msgspec

from autonomous_healing.drills.twins import Fault, FaultKind, Market
from autonomous_healing.drills.twins.breakage import SILENT, broken
from autonomous_healing.drills.twins.providers import PROVIDERS, Ask, truthful
from autonomous_healing.drills.twins.rendered import Rendered
from autonomous_healing.endpoint_healing.assembly import EndpointParts, Mind, build_healer, build_parts
from autonomous_healing.endpoint_healing.call import (
    Call,
    FailedCall,
    Failure,
    Finding,
    Origin,
    Response,
    Trouble,
)
from autonomous_healing.endpoint_healing.catalog import build_endpoints, default_sources
from autonomous_healing.endpoint_healing.diagnosis import diagnose
from autonomous_healing.endpoint_healing.endpoints import Endpoint, Source
from autonomous_healing.endpoint_healing.fetch import FIRST, Fetcher, FetchFailed, Hop
from autonomous_healing.endpoint_healing.fidelity import Policy, parse_levels
from autonomous_healing.endpoint_healing.freshness import AlwaysOpen, Freshness, FrozenWatch, MarketHours
from autonomous_healing.endpoint_healing.judging import Judges
from autonomous_healing.endpoint_healing.kept_copies import KeptCopies, SecondLayer
from autonomous_healing.endpoint_healing.options import HealingSettings, SourceSettings
from autonomous_healing.endpoint_healing.plausibility import Plausibility
from autonomous_healing.endpoint_healing.probe import Prober
from autonomous_healing.endpoint_healing.records import Record
from autonomous_healing.endpoint_healing.strategies import EndpointStrategy
from autonomous_healing.endpoint_healing.trail import EndpointReport
from autonomous_healing.endpoint_healing.upstream import Answer, Unanswered, Upstream, UpstreamLimits
from autonomous_healing.endpoint_healing.validators import read_answer
from autonomous_healing.healing import Journal
from autonomous_healing.learning import LearningSettings, NestedLearner
from autonomous_healing.proxy import HealingProxy, Request
from autonomous_healing.proxy.provenance import Reply
from autonomous_healing.resilience import Deadline, uuid7_from
from autonomous_healing.safety import FailSafe, Guard, SafetySettings
from tests.clock import HurriedClock, ManualClock

MARKET = Market(7, datetime(2026, 1, 1, tzinfo=UTC))

#: Two keys for every source that wants one. None of them may ever leave the house.
SECRETS: Mapping[str, Sequence[str]] = {
    "fred_api": ("canaryfredone0000000000000000000", "canaryfredtwo0000000000000000000"),
    "polygon_io": ("canary_polygon+one", "canary_polygon+two"),
    "alpha_vantage": ("CANARYALPHAONE", "CANARYALPHATWO"),
    "exchange_rate_api": ("canary-exchange/one", "canary-exchange/two"),
}

ALL_LEVELS = "exact, equivalent, stale, reduced, substitute"

#: A question for every endpoint, as parameters.
QUESTIONS: Mapping[str, Mapping[str, str]] = {
    "yahoo_finance/quote": {"symbol": "SPY"},
    "yahoo_finance/chart": {"symbol": "AAPL"},
    "yahoo_finance/session_quote": {"symbols": "SPY"},
    "fred_api/series": {"series_id": "DGS10"},
    "fred_api/observations": {"series_id": "DGS10", "limit": "20", "sort_order": "desc"},
    "polygon_io/v2/aggs": {"ticker": "AAPL", "from": "2026-02-16", "to": "2026-03-02"},
    "polygon_io/v2/prev": {"ticker": "AAPL"},
    "alpha_vantage/query": {"function": "GLOBAL_QUOTE", "symbol": "IBM"},
    "exchange_rate_api/latest": {"base": "USD"},
    "exchange_rate_api/pair": {"base": "USD", "target": "EUR"},
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One question that reached a provider."""

    url: str
    headers: Mapping[str, str]
    seconds: float

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))


@dataclass
class Held:
    """An answer that a test holds back."""

    then: "Turn"
    asked: bool = False
    cancelled: bool = False
    _let_go: asyncio.Event = field(default_factory=asyncio.Event)

    def let_go(self) -> None:
        self._let_go.set()

    async def wait(self) -> None:
        self.asked = True
        try:
            await self._let_go.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


class Truth:
    """What a healthy provider says."""


TRUTH = Truth()
Turn = Answer | FaultKind | Held | Truth | Exception


def said(status: int, content: object = None, **headers: str) -> Answer:
    """A scripted answer: bytes and text as they are, anything else as JSON; `retry_after="7"` is a header."""
    match content:
        case None:
            body, kind = b"", "text/plain"
        case bytes() | str():
            body, kind = content.encode() if isinstance(content, str) else content, "text/plain"
        case _:
            body, kind = msgspec.json.encode(content), "application/json"
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"content-type": kind, **names}, body)


def no_answer(message: str = "connection failed: refused") -> Unanswered:
    return Unanswered(Trouble.UNREACHABLE, message)


def timed_out() -> Unanswered:
    return Unanswered(Trouble.TIMED_OUT, "no answer within 10.0s")


def too_large() -> Unanswered:
    return Unanswered(Trouble.TOO_LARGE, "answer larger than 16777216 bytes")


#: What most tests are about happens when a source is asked, and they ask the same more than once.
EACH_ASKS = {"serve_fresh": False, "coalesce": False}


def settings_of(healing: Mapping[str, Any] | None) -> HealingSettings:
    """The defaults with changes.

    Every question goes to its source unless `cache` says otherwise, and what was answered is over unless
    `max_retry_attempts` does.
    """
    changes = {"max_retry_attempts": 0, **(healing or {})}
    return HealingSettings.model_validate({**changes, "cache": {**EACH_ASKS, **changes.get("cache", {})}})


class ScriptedUpstream(Upstream):
    """The providers: truthful, unless a script says otherwise. Writes down what it was asked."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(user_agent="tests", limits=UpstreamLimits(max_body=0))
        self.asked: list[Asked] = []
        self._clock = clock
        self._scripts: list[tuple[str, deque[Turn]]] = []
        hosts = {source: one.hosts for source, one in default_sources().items()}
        self._source_of = {urlsplit(host).netloc: source for source, of in hosts.items() for host in of}

    def says(self, part_of_url: str, *turns: Turn) -> None:
        """The turns in their order, the last one for ever; a later script goes before an earlier one."""
        self._scripts.insert(0, (part_of_url, deque(turns)))

    def truth(self, url: str) -> Answer:
        """What the provider of that address truthfully answers now."""
        return _sent(truthful(self._ask(url)))

    def _ask(self, url: str) -> Ask:
        parts = urlsplit(url)
        source = self._source_of[parts.netloc]
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        found = PROVIDERS[source].find_key(parts.path, query, "")
        path, key = unquote(found.path), unquote(found.key)
        return Ask(source=source, market=MARKET, path=path, query=found.query, at=self._clock.now(), key=key)

    def _broken(self, kind: FaultKind, url: str) -> Answer:
        """What the provider's own fault of that kind looks like."""
        if kind in (FaultKind.HANG, FaultKind.LATENCY):
            raise timed_out()
        if kind in SILENT or kind is FaultKind.CUT:
            raise no_answer()
        ask = self._ask(url)
        return _sent(broken(Fault(kind=kind, source=ask.source, seconds=7.0), ask))

    async def get(
        self, source: Source, host: str, path: str, headers: Mapping[str, str], seconds: float
    ) -> Answer:
        return await self.answer_to(host + path, headers, seconds)

    async def answer_to(self, url: str, headers: Mapping[str, str], seconds: float) -> Answer:
        """What is said to a request for this address."""
        self.asked.append(Asked(url, headers, seconds))
        turns = next((turns for part, turns in self._scripts if part in url), None)
        if not turns:
            return self.truth(url)
        return await self._play(turns.popleft() if len(turns) > 1 else turns[0], url)

    async def _play(self, turn: Turn, url: str) -> Answer:
        match turn:
            case Held():
                await turn.wait()
                return await self._play(turn.then, url)
            case Exception():
                raise turn
            case Truth():
                return self.truth(url)
            case FaultKind():
                return self._broken(turn, url)
            case _:
                return turn


class World:
    """Everything from the proxy's door to the wire, wired as the application wires it."""

    def __init__(
        self,
        *,
        healing: Mapping[str, Any] | None = None,
        sources: Mapping[str, Mapping[str, Any]] | None = None,
        safety: SafetySettings | None = None,
        hours: MarketHours | None = None,
        secrets: Mapping[str, Sequence[str]] = SECRETS,
        clock: ManualClock | None = None,
        layer: SecondLayer | None = None,
    ) -> None:
        self.clock = clock or HurriedClock()
        self.settings = settings_of(healing)
        self.sources = _sources(sources or {})
        self.endpoints = build_endpoints(self.sources)
        self.upstream = ScriptedUpstream(self.clock)
        self.parts = self._parts(secrets, hours or AlwaysOpen())
        self.admission, self.cache, self.fetcher = self.parts.admission, self.parts.cache, self.parts.fetcher
        self.journal = Journal()
        safety = safety or SafetySettings()
        self.fail_safe = FailSafe(safety.mode)
        self.learner = NestedLearner(LearningSettings(), random.Random(1))
        mind = Mind(guard=Guard(safety, self.fail_safe), learner=self.learner, learning=LearningSettings())
        self.kept = KeptCopies(self.cache, self.fetcher, self.clock, layer) if layer else None
        self.healer = build_healer(
            self.parts, self.settings, mind, self.journal, self.clock, random.Random(1), self.kept
        )
        self.new_id = uuid7_from(self.clock)
        self.proxy = HealingProxy(self.endpoints, self.healer, self.settings, self.clock, self.new_id)
        self.prober = Prober(self.fetcher, self.clock, self.new_id, self.settings.request_budget)

    async def get(self, target: str, **headers: str) -> Reply:
        """What a user gets; `healing_allow="none"` is a header."""
        path, _, query = target.partition("?")
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.proxy.handle(Request(path, parse_qsl(query, keep_blank_values=True), names))

    def endpoint(self, place: str) -> Endpoint:
        """ "yahoo_finance/chart"."""
        return next(one for one in self.endpoints if one.place == place)

    def strategy(self, name: str) -> EndpointStrategy:
        return self.healer.cascade.strategies[name]

    def call(self, place: str, allow: str = ALL_LEVELS, origin: Origin = "live", /, **params: str) -> Call:
        """The usual question for that endpoint, with changes; an empty change takes a parameter away."""
        endpoint = self.endpoint(place)
        asked = endpoint.asked({**QUESTIONS.get(place, {}), **params})
        return Call(
            id=self.new_id(),
            endpoint=endpoint,
            params={name: value for name, value in asked.items() if value},
            policy=Policy(parse_levels([word for word in allow.split(", ") if word])),
            deadline=Deadline.after(self.clock, self.settings.request_deadline),
            origin=origin,
        )

    def url_of(self, call: Call) -> str:
        """Where the call goes first, with a key of no worth."""
        key = None if call.endpoint.source.auth.place == "none" else "k"
        return call.endpoint.source.hosts[0] + call.endpoint.upstream_path(call.params, key)

    async def fetch(self, call: Call, hop: Hop = FIRST) -> Response | Failure:
        """One attempt, without healing."""
        try:
            return await self.fetcher.fetch(call, hop)
        except FetchFailed as failed:
            return failed.failure

    async def failed(self, call: Call, hop: Hop = FIRST) -> FailedCall:
        """One attempt that fails."""
        failure = await self.fetch(call, hop)
        assert isinstance(failure, Failure), "the attempt brought an answer"
        return FailedCall(call=call, failure=failure)

    async def code_of(self, call: Call) -> str:
        """What an attempt is diagnosed as; empty when it is well."""
        outcome = await self.fetch(call)
        return diagnose(outcome).code if isinstance(outcome, Failure) else ""

    def deadline(self, seconds: float = 3.0) -> Deadline:
        return Deadline.after(self.clock, seconds)

    @property
    def reports(self) -> list[EndpointReport]:
        return self.journal.recent()

    def trail(self, reply: Reply) -> dict[str, Any]:
        """The trail that a reply names."""
        trail = self.healer.trails.find(UUID(reply.headers["Healing-Trail"]))
        assert trail is not None
        return trail.to_json()

    def _parts(self, secrets: Mapping[str, Sequence[str]], hours: MarketHours) -> EndpointParts:
        settings = self.settings
        parts = build_parts(self.endpoints, self.sources, secrets, settings, hours, self.clock)
        judges = Judges(
            plausibility=Plausibility(settings.plausibility),
            freshness=Freshness(settings.freshness, hours),
            frozen=FrozenWatch(settings.freshness, hours),
            redactions=parts.redactions,
        )
        fetcher = Fetcher(
            self.upstream,
            parts.admission,
            parts.cache,
            judges,
            self.clock,
            settings,
            random.Random(1),
        )
        return replace(parts, upstream=self.upstream, fetcher=fetcher)


def _sent(rendered: Rendered) -> Answer:
    names = {name.lower(): value for name, value in rendered.headers.items()}
    return Answer(rendered.status, {"content-type": rendered.content_type, **names}, rendered.body)


def json_of(reply: Reply | Response | Answer) -> Any:
    return msgspec.json.decode(reply.body)


def read(place: str, content: object, status: int = 200, **params: str) -> Record | None:
    """What a good answer of that endpoint says; a bad one is an error of the test."""
    record = _read(place, content, status, params)
    assert not isinstance(record, Finding), record
    return record


def fault(place: str, content: object, status: int = 200, **params: str) -> str:
    """The code of what the validators find wrong; empty where they find nothing."""
    finding = _read(place, content, status, params)
    return finding.code if isinstance(finding, Finding) else ""


def _read(place: str, content: object, status: int, params: Mapping[str, str]) -> Finding | Record | None:
    source, _, name = place.partition("/")
    return read_answer(source, f"/{name}", status, said(status, content).body, {**QUESTIONS[place], **params})


def tried(report: EndpointReport) -> dict[str, str]:
    """Each strategy of a healing with its outcome."""
    return {attempt.strategy: attempt.outcome.value for attempt in report.attempts}


def _sources(changes: Mapping[str, Mapping[str, Any]]) -> dict[str, SourceSettings]:
    """The five providers and whatever a test adds; quotas are left out unless it gives some."""
    known = {source: {**one.model_dump(), "quota": ()} for source, one in default_sources().items()}
    return {
        source: SourceSettings.model_validate({**known.get(source, {}), **changes.get(source, {})})
        for source in {**known, **changes}
    }
