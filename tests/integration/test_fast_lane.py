"""Plain questions take a shorter way to the very same answers as all others."""

import logging
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, cast

import pytest
from tests.clock import HurriedClock
from tests.lanes import WISH, House, answers, house, json_in, request, said, street, told
from tests.wire_origins import on_uvloop
from tests.world import MARKET, SECRETS

from autonomous_healing.drills.twins import Fault, FaultKind, FaultScript, TwinServer
from autonomous_healing.endpoint_healing.catalog import default_sources
from autonomous_healing.endpoint_healing.codes import ERROR_TYPE
from autonomous_healing.endpoint_healing.key_states import KeyState

PATHS = {
    "yahoo_finance": "/api/yahoo/chart/AAPL?range=1y",
    "fred_api": "/api/fred/observations?series_id=DGS10&limit=40&sort_order=desc",
    "polygon_io": "/api/polygon/aggs?ticker=AAPL&from=2026-02-16&to=2026-03-02&timespan=hour",
    "alpha_vantage": "/api/alpha-vantage/query?function=TIME_SERIES_DAILY&symbol=IBM",
    "exchange_rate_api": "/api/exchange-rate/latest/USD",
}
PLACES = {
    "yahoo_finance": "yahoo_finance/chart",
    "fred_api": "fred_api/observations",
    "polygon_io": "polygon_io/v2/aggs",
    "alpha_vantage": "alpha_vantage/query",
    "exchange_rate_api": "exchange_rate_api/latest",
}

#: Waiting takes no time on a clock that hurries, and freezing needs a history: they have tests of their own.
AT_ONCE = [kind for kind in FaultKind if kind not in (FaultKind.LATENCY, FaultKind.HANG, FaultKind.FROZEN)]

#: The twin of this source reads no key with a slash.
KEYS = {**SECRETS, "exchange_rate_api": ("canary~exchange.one", "canary~exchange.two")}

#: Circuits that stay closed and keys that come back: what stands in the way sends a question another way.
CLOSED = {"breaker": {"consecutive": 1000, "min_calls": 10000}, "keys": {"plan_rest": 3600.0}}

#: For a source that does not answer: healing begins soon, and ends soon.
SHORT = {"soft_timeout": {"min": 0.05, "max": 0.05}, "request_deadline": 0.4}


class Story:
    """A source that fails, comes back, and fails again, as a caller and the house live through it."""

    def __init__(self, source: str, fault: FaultKind, *, plain: bool) -> None:
        self.told: list[object] = []
        self.ordinary: list[bool] = []
        self._source = source
        self._fault = Fault(kind=fault, source=source, seconds=7.0)
        self._headers: dict[str, Any] = {} if plain else {"healing_allow": WISH}
        self._clock = HurriedClock()
        self._script = FaultScript()

    @property
    def every_key_was_rejected(self) -> bool:
        """By the first failures."""
        known = cast(Mapping[str, Any], self.told[2])
        return bool(known["keys"]) and {state for _, state, _ in known["keys"]} == {KeyState.INVALID}

    async def live(self, healing: Mapping[str, Any] = CLOSED) -> "Story":
        hosts = len(default_sources()[self._source].hosts)
        keys = frozenset(KEYS.get(self._source, ()))
        twin = TwinServer(self._source, MARKET, self._script, self._clock, hosts, keys)
        await twin.start()
        try:
            changes = {self._source: {"hosts": twin.urls}}
            async with house(changes, clock=self._clock, healing=healing, secrets=KEYS) as rooms:
                await self._play(rooms, twin)
        finally:
            await twin.stop()
        return self

    async def _play(self, rooms: House, twin: TwinServer) -> None:
        for faults, seconds in (([self._fault], 4000.5), ([], 40.5), ([self._fault], 0.0)):
            self._script.faults = tuple(faults)
            for _ in range(2):
                before = len(rooms.proxy.handled)
                said = await rooms.ask(PATHS[self._source], x_request_id="r1", **self._headers)
                self.told.append(told(said))
                self.ordinary.append(len(rooms.proxy.handled) > before)
                if said.all("healing-trail"):
                    assert rooms.trail(said)["id"] == said.all("healing-trail")[0]
            self.told.append(state(rooms, self._source))
            self._clock.pass_time(seconds)
        self.codes = {one.diagnosis.code for one in rooms.reports}
        self.sent = [(one.path, dict(one.query), one.key, one.host, one.request_id) for one in twin.exchanges]
        self.reports = [events(rooms)]


def state(rooms: House, source: str) -> dict[str, object]:
    """What was counted, and against whom."""
    admission, endpoint = rooms.parts.admission, rooms.endpoint(PLACES[source])
    limits = admission.limits(endpoint.source)
    health = rooms.health(endpoint.place)
    copy = rooms.parts.cache.latest(endpoint.resource({}))
    return {
        "health": health,
        "breakers": [repr(one).partition(": ")[2] for one in admission.breakers()],
        "reasons": [(one.reason, one.openings) for one in admission.breakers()],
        "keys": [(key.alias, key.state, key.until) for key in limits.keys.keys],
        "budget": limits.budget.left(),
        "copy": copy and copy.kept_at,
    }


def events(rooms: House) -> list[object]:
    """The journal, less the ids."""
    return [
        (
            one.diagnosis,
            [(tried.strategy, tried.outcome, tried.reason) for tried in one.attempts],
            one.case.failure.blame,
            one.case.failure.key_alias,
            one.case.failure.message,
            one.case.failure.status,
            one.case.failure.trouble,
            one.case.failure.retry_after,
            one.case.failure.elapsed,
            one.case.failure.observed_at,
            one.case.call.policy.words,
            one.case.call.params,
            one.case.call.headers,
            one.observed_at,
            one.detect_seconds,
            one.heal_seconds,
        )
        for one in rooms.reports
    ]


@pytest.mark.parametrize("source", PATHS)
@pytest.mark.parametrize("fault", AT_ONCE)
@on_uvloop
async def test_every_fault_is_healed_told_and_counted_as_on_the_ordinary_way(
    source: str, fault: FaultKind
) -> None:
    short = await Story(source, fault, plain=True).live()
    ordinary = await Story(source, fault, plain=False).live()

    assert short.told == ordinary.told
    assert short.reports == ordinary.reports
    assert short.sent == ordinary.sent
    assert {ERROR_TYPE[code] for code in short.codes} == {fault.error_type}
    assert ordinary.ordinary == [True] * 6
    first, _, third, fourth, fifth, _ = short.ordinary  # after a failure a key may stand in the way
    assert (first, fourth, fifth) == (False, False, False)
    assert third is short.every_key_was_rejected  # to check one again is left to the ordinary way


CHART = "/api/yahoo/chart/AAPL"
PREV = "/api/polygon/prev?ticker=AAPL"


@on_uvloop
async def test_the_source_is_asked_in_the_very_same_bytes() -> None:
    headers: dict[str, Any] = {
        "x_request_id": "r1",
        "traceparent": "00-1-2-01",
        "cookie": "a=b",
        "authorization": "Basic x",
    }
    async with street("yahoo_finance") as here:
        await here.ask(CHART, **headers)
        await here.ask(CHART, **headers, healing_allow=WISH)
        short, ordinary = (one.head for one in here.origin.asked)
    assert sorted(short.split(b"\r\n")) == sorted(ordinary.split(b"\r\n"))
    assert short.startswith(b"GET /v8/finance/chart/AAPL?interval=1d&range=5d HTTP/1.1\r\n")
    assert b"\r\nx-request-id: r1\r\n" in short
    assert b"cookie" not in short.lower()
    assert b"Basic" not in short


@on_uvloop
async def test_a_field_that_is_said_twice_goes_on_once_on_both_ways() -> None:
    states = b"tracestate: a=1\r\nx-request-id: r1\r\ntracestate: b=2\r\n\r\n"
    both: list[dict[str, Any]] = [{}, {"healing_allow": WISH}]
    async with street("yahoo_finance") as here, here.house.line() as line:
        for headers in both:
            await line.send(request(CHART, **headers)[:-2] + states)
            await line.answer()
        short, ordinary = (one.head.split(b"\r\n") for one in here.origin.asked)
    assert [one for one in short if one.startswith(b"tracestate")] == [b"tracestate: a=1, b=2"]
    assert sorted(short) == sorted(ordinary)


@on_uvloop
async def test_failures_count_as_first_calls_for_the_budget_of_extra_ones() -> None:
    left = []
    for headers in ({}, {"healing_allow": WISH}):
        async with street("yahoo_finance", healing=CLOSED) as here:
            budget = here.house.parts.admission.limits(
                here.house.endpoint("yahoo_finance/chart").source
            ).budget
            here.provider.turns.extend([said(b"{}", status=b"404 Not Found")] * 60)
            for number in range(60):
                await here.ask(f"{CHART}?range={number}d", **headers)
            left.append(budget.left())
    assert left == [5, 5]


@on_uvloop
async def test_pipelined_questions_are_answered_in_their_order() -> None:
    async with street("yahoo_finance") as here, here.house.line() as line:
        await line.send(b"".join(request(f"/api/yahoo/chart/{symbol}") for symbol in ("SPY", "AAPL", "QQQ")))
        symbols = [json_in(one)["chart"]["result"][0]["meta"]["symbol"] for one in await answers(line, 3)]
    assert symbols == ["SPY", "AAPL", "QQQ"]


@pytest.mark.parametrize("good", [True, False])
@on_uvloop
async def test_a_key_never_comes_back_however_the_source_repeats_it(good: bool) -> None:
    key = SECRETS["polygon_io"][0]
    repeated = f'"next_url": "https://x.test/?apiKey={key}&also=canary%5Fpolygon%2Bone"'.encode()
    async with street("polygon_io", healing={"in_request_retries": 0}) as here:
        truth = here.provider.truth(b"/v2/aggs/ticker/AAPL/prev")
        body = truth[:-1] + b"," + repeated + b"}" if good else b"{" + repeated + b"}"
        turn = said(body, b"ETag: " + key.encode(), status=b"200 OK" if good else b"404 Not Found")
        here.provider.turns.extend([turn] * 5)
        first, again = [await here.ask(PREV) for _ in range(2)]
        ordinary = await here.ask(PREV, healing_allow=WISH)
        journal = str([str(one) for one in here.house.reports])
    assert told(first) == told(again) == told(ordinary)
    assert first.status == (200 if good else 404)
    assert b"also=[redacted]" in first.body
    for shown in (str(first), str(again), journal):
        assert "polygon+one" not in shown
        assert "%2Bone" not in shown


@on_uvloop
async def test_no_more_is_asked_than_the_quota_allows() -> None:
    quota = {"quota": ({"window": "minute", "limit": 3},)}
    async with street("yahoo_finance", sources=quota) as here, here.house.line() as line:
        await line.send(b"".join(request(f"{CHART}?range={number}d") for number in range(1, 7)))
        said_ = await answers(line, 6)
        asked = len(here.origin.asked)
        here.clock.pass_time(60.5)
        after = await here.ask(CHART)
    assert [one.status for one in said_] == [200, 200, 200, 503, 503, 503]
    assert (asked, after.status) == (3, 200)
    assert [json_in(one)["code"] for one in said_[3:]] == ["API.RATE_LIMITED"] * 3
    assert said_[3].all("retry-after") == ["60"]


@on_uvloop
async def test_an_invalid_key_gives_way_to_the_next_and_rests() -> None:
    clock, (bad, good) = HurriedClock(), SECRETS["polygon_io"]
    twin = TwinServer("polygon_io", MARKET, FaultScript(), clock, 1, frozenset({good}))
    await twin.start()
    try:
        async with house({"polygon_io": {"hosts": twin.urls}}, clock=clock) as rooms:
            first, second = [await rooms.ask(PREV) for _ in range(2)]
            [report] = rooms.reports
    finally:
        await twin.stop()
    assert [one.key for one in twin.exchanges] == [bad, good, good]
    assert first.all("healing-strategy") == ["rotate_api_key"]
    assert (second.status, second.body, second.all("healing-status")) == (200, first.body, [])
    assert report.diagnosis.code == "API.AUTH_REJECTED"
    assert rooms.proxy.handled == []


class _NoHours:
    """A market calendar with a bug."""

    def open_seconds(self, start: datetime, end: datetime) -> float:
        raise ArithmeticError("a bug of ours, with key=s3cret in its words")

    def last_session(self, before: datetime) -> date | None:
        raise ArithmeticError("a bug of ours, with key=s3cret in its words")


@on_uvloop
async def test_a_bug_in_judging_is_an_incident_and_not_a_caller_who_waits_for_ever(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        async with street("yahoo_finance", hours=_NoHours()) as here:
            said_ = await here.ask(CHART)
    assert (said_.status, json_in(said_)["title"]) == (500, "Unexpected fault")
    assert b"s3cret" not in said_.body
    assert [one.getMessage() for one in caplog.records] == ["first_look_crashed", "request_crashed"]


@on_uvloop
async def test_head_says_what_get_would_say_without_saying_it() -> None:
    async with street("yahoo_finance") as here:
        got, head = await here.ask(CHART), await here.ask(CHART, method="HEAD")
        view = await here.ask("/livez", method="HEAD")
    assert told(head) == (200, told(got)[1], b"")
    assert (view.status, view.all("content-length"), view.body) == (200, ["18"], b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("target", [CHART, "/livez", "/nowhere"])
@on_uvloop
async def test_data_is_only_read_and_it_is_said_how(method: str, target: str) -> None:
    async with street("yahoo_finance") as here:
        said_ = await here.ask(target, method=method, body=b"x=1" if method == "POST" else b"")
        assert here.origin.asked == []
    assert said_.status == 405
    [allowed] = said_.all("allow")
    assert allowed.startswith("GET, HEAD")
    assert said_.all("content-type") == ["application/problem+json"]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/api/yahoo/chart/AAPL?" + "&".join(f"p{n}=1" for n in range(101)), 400),
        ("/api/yahoo/chart/%2e%2e", 400),
        ("/api/yahoo/chart/AAPL#top", 400),
        ("/api/yahoo/chart/AAPL?range=5d#top", 400),
        ("/api/yahoo/chart/AAPL?range=5d&range=1d", 400),
        ("/api/yahoo/chart", 404),
        ("/api/nobody/x", 404),
        ("/nowhere", 404),
    ],
)
@on_uvloop
async def test_a_wrong_question_is_refused_without_asking_anybody(target: str, status: int) -> None:
    async with street("yahoo_finance") as here:
        plain, wishing = await here.ask(target), await here.ask(target, healing_allow=WISH)
        assert here.origin.asked == []
    assert told(plain) == told(wishing)
    assert plain.status == status
    assert plain.all("content-type") == ["application/problem+json"]


@on_uvloop
async def test_a_hundred_parameters_are_not_too_many() -> None:
    async with street("yahoo_finance") as here:
        said_ = await here.ask(CHART + "?" + "&".join(f"p{n}=1" for n in range(100)))
    assert said_.status == 200
