"""On the short way, too, nothing passes unjudged; what was judged a moment ago need not be again."""

import re
from datetime import date, datetime
from typing import Any

import pytest
from tests.lanes import WISH, Street, said, street, told
from tests.wire_origins import Said, on_uvloop
from tests.world import MARKET

from autonomous_healing.drills.twins import Fault, FaultKind
from autonomous_healing.drills.twins.breakage import broken
from autonomous_healing.drills.twins.providers import Ask
from autonomous_healing.endpoint_healing.codes import Blame
from autonomous_healing.endpoint_healing.freshness import AlwaysOpen

CHART, PLACE, UPSTREAM = "/api/yahoo/chart/AAPL", "yahoo_finance/chart", "/v8/finance/chart/AAPL"
INTRADAY = f"{CHART}?interval=5m&range=1d"
LATEST, KEYED, KEYED_UPSTREAM = (
    "/api/exchange-rate/latest/USD",
    "exchange_rate_api/latest",
    "/v6/k/latest/USD",
)

#: The same must come of both.
WAYS = pytest.mark.parametrize("headers", [{}, {"healing_allow": WISH}], ids=["short", "ordinary"])

#: Nobody asks a second time; so bad data is healed from the copy or not at all.
ONCE = {"in_request_retries": 0}


class Judges(AlwaysOpen):
    """A calendar that counts how often it is asked: once for each verdict on daily bars."""

    def __init__(self) -> None:
        self.verdicts = 0

    def last_session(self, before: datetime) -> date | None:
        self.verdicts += 1
        return super().last_session(before)


def truth(here: Street, target: str = f"{UPSTREAM}?interval=1d&range=5d") -> bytes:
    return here.provider.truth(target.encode())


def spoilt(kind: FaultKind, here: Street) -> bytes:
    """What the provider's answer looks like under a fault."""
    query = {"interval": "1d", "range": "5d"}
    ask = Ask(source="yahoo_finance", market=MARKET, path=UPSTREAM, query=query, at=here.clock.now())
    return broken(Fault(kind=kind, source="yahoo_finance"), ask).body


@on_uvloop
async def test_equal_bytes_need_no_second_verdict_for_a_second() -> None:
    judges = Judges()
    async with street("yahoo_finance", hours=judges) as here:
        counts = []
        for seconds in (0.0, 0.4, 0.5, 0.2, 0.5, 0.6):
            here.clock.pass_time(seconds)
            here.provider.turns.append(said(truth(here), b"ETag: same"))
            assert (await here.ask(CHART)).status == 200
            counts.append(judges.verdicts)
        health = here.house.health(PLACE)
    assert counts == [1, 1, 1, 2, 2, 3]
    assert (health.total, health.felt) == (6, {"fresh": 6})


@pytest.mark.parametrize(
    "field",
    [
        b"ETag: other",
        b"Cache-Control: max-age=9",
        b"Expires: 0",
        b"Last-Modified: x",
        b"Age: 5",
        b"Location: /",
    ],
)
@on_uvloop
async def test_a_head_that_tells_something_else_makes_another_answer(field: bytes) -> None:
    judges = Judges()
    async with street("yahoo_finance", hours=judges) as here:
        body = truth(here)
        here.provider.turns.extend([said(body, b"ETag: one"), said(body, field), said(body, field)])
        first, second, third = [await here.ask(CHART) for _ in range(3)]
    name, _, value = field.decode().lower().partition(": ")
    assert judges.verdicts == 2
    assert first.all("etag") == ["one"]
    assert told(second) == told(third)
    assert second.all(name) == [value]


@on_uvloop
async def test_the_date_of_an_answer_does_not_make_it_another() -> None:
    judges = Judges()
    async with street("yahoo_finance", hours=judges) as here:
        dates = [b"Date: Fri, 20 Nov 2026 13:00:0%d GMT" % number for number in range(3)]
        here.provider.turns.extend(said(truth(here), one, b"X-Number: " + one[-5:]) for one in dates)
        for _ in dates:
            await here.ask(CHART)
    assert judges.verdicts == 1


@on_uvloop
async def test_good_json_that_calls_itself_html_is_judged_and_told_as_on_the_ordinary_way() -> None:
    judges = Judges()
    async with street("yahoo_finance", hours=judges) as here:
        body = truth(here)
        as_html = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%b" % (
            len(body),
            body,
        )
        here.provider.turns.extend([said(body), as_html, as_html])
        await here.ask(CHART)
        short, ordinary = await here.ask(CHART), await here.ask(CHART, healing_allow=WISH)
    assert judges.verdicts == 3
    assert told(short) == told(ordinary)


BAD_BODIES = {
    "error": b'{"chart":{"result":null,"error":{"code":"Internal Server Error","description":"oops"}}}',
    "throttle": b'{"finance":{"result":null,"error":{"code":"Too Many Requests","description":"slow down"}}}',
    "list": b"[]",
    "text": b"Edge: Too Many Requests",
    "empty": b"",
    "blank": b" " * 2000,
    "half": b'{"chart":{"result":[{"meta":{"symbol":"AAPL"',
    "braces": b"{" + b"x" * 50 + b"}",
    "deep": b"[" * 50_000 + b"]" * 50_000,
}


@pytest.mark.parametrize("bad", BAD_BODIES)
@pytest.mark.parametrize("same_length", [False, True])
@on_uvloop
async def test_bad_data_with_status_200_never_passes_right_after_a_good_answer(
    bad: str, same_length: bool
) -> None:
    async with street("yahoo_finance", healing=ONCE) as here:
        body = BAD_BODIES[bad]
        good = await here.ask(CHART)
        if same_length and len(body) < len(good.body):
            body = body[:-1] + b" " * (len(good.body) - len(body)) + body[-1:]
        here.provider.turns.extend([said(body)] * 2)
        short, ordinary = await here.ask(CHART), await here.ask(CHART, healing_allow=WISH)
        codes = [one.diagnosis.code for one in here.house.reports]
    assert told(short) == told(ordinary)
    assert short.body != body
    assert codes[0] == codes[-1]
    assert short.status == 404 or (short.status, short.body) == (200, good.body)
    assert short.all("healing-status") == ([] if not codes else ["healed"])


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (FaultKind.STALE, "DATA.STALE"),
        (FaultKind.IMPLAUSIBLE, "DATA.IMPLAUSIBLE"),
        (FaultKind.WRONG_SHAPE, "DATA.INVALID"),
        (FaultKind.MISSING, "DATA.MISSING"),
        (FaultKind.HTML, "DATA.UNPARSABLE"),
    ],
)
@on_uvloop
async def test_spoilt_data_never_passes_right_after_a_good_answer(kind: FaultKind, code: str) -> None:
    async with street("yahoo_finance", healing=ONCE) as here:
        good = await here.ask(CHART)
        body = spoilt(kind, here)
        here.provider.turns.extend([said(body), said(body)])
        short, again = await here.ask(CHART), await here.ask(CHART)
        health = here.house.health(PLACE)
    assert [one.diagnosis.code for one in here.house.reports] == [code, code]
    assert [one.case.failure.blame for one in here.house.reports] == [Blame.DATA, Blame.DATA]
    assert told(short) == told(again)
    assert (short.body, short.all("healing-strategy")) == (good.body, ["use_cached_data"])
    assert (health.failed, health.felt) == (2, {"fresh": 1, "exact": 2})


@on_uvloop
async def test_an_implausible_price_of_the_same_length_never_passes() -> None:
    async with street("yahoo_finance", healing=ONCE) as here:
        good = await here.ask(CHART)
        price = re.search(rb'"close":\[([0-9.]+)', good.body)
        assert price is not None
        begin, end = price.span(1)
        wrong = good.body[:begin] + b"0." + b"0" * (end - begin - 2) + good.body[end:]
        assert len(wrong) == len(good.body)
        here.provider.turns.append(said(wrong))
        healed = await here.ask(CHART)
        [report] = here.house.reports
    assert report.diagnosis.code == "DATA.IMPLAUSIBLE"
    assert healed.body == good.body


@WAYS
@on_uvloop
async def test_what_was_good_is_too_old_one_day_although_not_a_byte_has_changed(
    headers: dict[str, Any],
) -> None:
    async with street("yahoo_finance", healing=ONCE) as here:
        body = truth(here, f"{UPSTREAM}?interval=5m&range=1d")
        told_ = []
        for seconds in (0.0, 0.5, 700.0, 1500.0):
            here.clock.pass_time(seconds)
            here.provider.turns.append(said(body))
            told_.append(await here.ask(INTRADAY, **headers))
        [report] = here.house.reports
    assert [one.all("healing-status") for one in told_] == [[], [], [], ["healed"]]
    assert report.diagnosis.code == "DATA.STALE"
    assert told_[3].all("healing-fidelity")[0].startswith("stale;age=")


@WAYS
@on_uvloop
async def test_what_no_longer_moves_is_frozen_although_it_is_new_enough(headers: dict[str, Any]) -> None:
    rules = {"frozen_polls": 3, "frozen_seconds": 60.0}
    async with street("yahoo_finance", healing={**ONCE, "freshness": rules}) as here:
        frozen = said(truth(here, f"{UPSTREAM}?interval=5m&range=1d"))
        last: Said | None = None
        for _ in range(4):
            here.provider.turns.append(frozen)
            last = await here.ask(INTRADAY, **headers)
            await here.ask("/api/yahoo/chart/SPY?interval=5m&range=1d", **headers)
            here.clock.pass_time(250.0)
        [report] = here.house.reports
    assert last is not None
    assert report.diagnosis.code == "DATA.FROZEN"
    assert last.all("healing-fidelity") == ["stale;age=750"]
