"""The judge knows the truth, and says each of its verdicts where it is due."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from autonomous_healing.drills.judge import (
    CIRCUIT_REST,
    KEY_REST,
    SLACK,
    TROUBLE_SECONDS,
    Claim,
    Judge,
    Judged,
    Met,
    Verdict,
)
from autonomous_healing.drills.questions import Question, questions
from autonomous_healing.drills.scenario import FROZEN_POLLS, FROZEN_SPAN, Planned
from autonomous_healing.drills.traffic import Answer
from autonomous_healing.drills.twins import Exchange, Fault, FaultKind, Market, render

NOON = datetime(2026, 3, 11, 12, 0, 7, tzinfo=UTC)
MARKET = Market(7, NOON - timedelta(days=30))

ASKED = questions(NOON)
PREV = next(one for one in ASKED if "prev" in one.ask)
HOURS = next(one for one in ASKED if "hour" in one.ask)
QUOTE = next(one for one in ASKED if "GLOBAL_QUOTE" in one.ask)
TREASURY = next(one for one in ASKED if "observations" in one.ask and "DGS10" in one.ask)
BOARD = next(one for one in ASKED if one.symbols)

HEALED = {"healing-status": "healed"}


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def truth(question: Question, moment: datetime = NOON, **changes: str) -> bytes:
    """What the provider says of that moment, perhaps of another symbol or series."""
    path = changes.pop("path", question.path)
    return render(question.source, MARKET, path, {**question.query, **changes}, moment).body


def answer(
    question: Question,
    body: bytes,
    status: int = 200,
    *,
    said: str = "",
    healed: bool = False,
    omits: str = "",
    allow: str | None = None,
) -> Answer:
    """An answer to a request sent at noon, and what it says of its fidelity, of healing and of omissions."""
    headers = {
        "healing-fidelity": said,
        "healing-status": "healed" if healed else "",
        "healing-omitted": omits,
    }
    return Answer(
        planned=Planned(id="one", at=0.0, question=question, allow=allow),
        sent_at=NOON,
        received_at=at(0.2),
        seconds=0.2,
        status=status,
        headers={name: value for name, value in headers.items() if value},
        body=body,
    )


def exchange(question: Question, body: bytes = b"", **more: Any) -> Exchange:
    """What a twin sent, and when that was true."""
    more = {"at": at(0.1), "request_id": "one", "status": 200, **more}
    return Exchange(
        source=question.source,
        host=0,
        endpoint=question.endpoint,
        path=more.pop("path", question.path),
        query=more.pop("query", question.query),
        digest=sha256(body).hexdigest(),
        true_at=more.pop("true_at", more["at"]),
        **more,
    )


def fault(question: Question, kind: FaultKind = FaultKind.SERVER_ERROR, **only: Any) -> Fault:
    return Fault(kind=kind, source=question.source, **only)


def judged(given: Answer, exchanges: Iterable[Exchange] = (), faults: Iterable[Fault] = ()) -> Judged:
    return Judge(MARKET, exchanges, faults).judge(given)


def verdict(given: Answer, *exchanges: Exchange) -> Verdict:
    return judged(given, exchanges).verdict


@pytest.mark.parametrize("question", [one for one in ASKED if not one.symbols], ids=lambda one: one.ask)
def test_what_the_provider_sent_for_the_request_is_true(question: Question) -> None:
    body = truth(question)
    given = judged(answer(question, body), [exchange(question, body)])
    assert (given.verdict, given.false_heal, given.met) == (Verdict.TRUE, False, Met.NOTHING)


@pytest.mark.parametrize("question", [one for one in ASKED if not one.symbols], ids=lambda one: one.ask)
def test_what_was_truly_sent_to_another_question_is_not_true(question: Question) -> None:
    for other in (
        one for one in ASKED if not one.symbols and one.path + one.ask != question.path + question.ask
    ):
        body = truth(other)
        assert verdict(answer(question, body), exchange(other, body)) is not Verdict.TRUE, other.ask


def test_other_bytes_with_the_same_facts_are_true() -> None:
    spaced = json.dumps(json.loads(truth(PREV)), indent=3).encode()
    assert verdict(answer(PREV, spaced, healed=True)) is Verdict.TRUE


def test_a_number_that_the_market_never_had_is_wrong() -> None:
    broken = json.loads(truth(PREV))
    broken["results"][0]["c"] += 0.01
    assert verdict(answer(PREV, json.dumps(broken).encode())) is Verdict.WRONG


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.pop("results"),
        lambda body: body.update(results=[]),
        lambda body: body.update(more="than the provider said"),
        lambda body: body["results"].append(body["results"][0]),
        lambda body: body["results"][0].pop("v"),
    ],
)
def test_anything_left_out_or_added_is_wrong(change: Any) -> None:
    broken = json.loads(truth(PREV))
    change(broken)
    assert verdict(answer(PREV, json.dumps(broken).encode())) is Verdict.WRONG


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"null", b"[]", b"0"])
def test_what_is_no_answer_at_all_is_wrong_with_a_good_status(body: bytes) -> None:
    assert verdict(answer(PREV, body)) is Verdict.WRONG
    assert verdict(answer(BOARD, body)) is Verdict.WRONG


@pytest.mark.parametrize("status", [0, 304, 400, 429, 503])
def test_an_error_says_that_it_is_one(status: int) -> None:
    assert verdict(answer(PREV, b"no", status)) is Verdict.ERROR


def test_a_copy_is_true_within_the_age_that_it_claims() -> None:
    old = truth(QUOTE, at(-30))
    sent = exchange(QUOTE, old, at=at(-30), request_id="earlier")
    assert verdict(answer(QUOTE, old, said="stale;age=31", healed=True), sent) is Verdict.TRUE


@pytest.mark.parametrize("said", ["stale;age=10", "exact;age=4", "exact", "stale"])
def test_a_copy_that_is_older_than_it_claims_is_wrong(said: str) -> None:
    old = truth(QUOTE, at(-30))
    sent = exchange(QUOTE, old, at=at(-30), request_id="earlier")
    assert verdict(answer(QUOTE, old, said=said, healed=True), sent) is Verdict.WRONG


def test_an_old_answer_that_says_nothing_is_wrong_but_for_the_slack_of_clocks() -> None:
    for seconds, worth in ((SLACK - 0.3, Verdict.TRUE), (SLACK + 5, Verdict.WRONG)):
        old = truth(QUOTE, at(-seconds))
        sent = exchange(QUOTE, old, at=at(-seconds), request_id="earlier")
        assert verdict(answer(QUOTE, old), sent) is worth


def test_bytes_that_were_sent_but_never_true_are_wrong() -> None:
    broken = truth(PREV).replace(b'"c":', b'"c":9')
    sent = exchange(PREV, broken, true_at=None, fault=fault(PREV, FaultKind.IMPLAUSIBLE))
    assert verdict(answer(PREV, broken), sent) is Verdict.WRONG


def test_an_error_s_bytes_with_a_good_status_are_wrong() -> None:
    body = b'{"status":"ERROR"}'
    assert verdict(answer(PREV, body), exchange(PREV, body, status=503)) is Verdict.WRONG


def test_another_symbol_that_is_not_marked_is_unlabelled() -> None:
    other = truth(PREV, path=PREV.path.replace("MSFT", "AAPL"))
    assert verdict(answer(PREV, other)) is Verdict.UNLABELLED


def test_the_monthly_series_in_place_of_the_daily_one_must_be_marked() -> None:
    monthly = truth(TREASURY, series_id="GS10")
    marked = 'substitute;original="DGS10";actual="GS10"'
    assert verdict(answer(TREASURY, monthly)) is Verdict.UNLABELLED
    assert verdict(answer(TREASURY, monthly, said="exact", healed=True)) is Verdict.UNLABELLED
    assert verdict(answer(TREASURY, monthly, said=marked, healed=True, allow="substitute")) is Verdict.TRUE


def test_a_substitute_that_is_not_what_it_says_is_wrong() -> None:
    rate = truth(TREASURY, series_id="UNRATE")
    marked = 'substitute;original="DGS10";actual="GS10"'
    assert verdict(answer(TREASURY, rate, said=marked, healed=True, allow="substitute")) is Verdict.WRONG


def test_days_in_place_of_hours_must_be_marked_as_reduced() -> None:
    days = truth(HOURS, path=HOURS.path.replace("/1/hour/", "/1/day/"))
    allow = "exact, reduced"
    assert verdict(answer(HOURS, days, said="reduced", healed=True, allow=allow)) is Verdict.TRUE
    assert verdict(answer(HOURS, days, allow=allow)) is Verdict.WRONG


@pytest.mark.parametrize(
    ("allow", "said", "worth"),
    [
        (None, "stale;age=31", Verdict.TRUE),
        ("stale;max-age=60, exact", "stale;age=31", Verdict.TRUE),
        ("exact", "stale;age=31", Verdict.WRONG),
        ("exact, equivalent", "stale;age=31", Verdict.WRONG),
    ],
)
def test_a_level_that_the_caller_does_not_allow_is_wrong(
    allow: str | None, said: str, worth: Verdict
) -> None:
    old = truth(QUOTE, at(-30))
    sent = exchange(QUOTE, old, at=at(-30), request_id="earlier")
    assert verdict(answer(QUOTE, old, said=said, healed=True, allow=allow), sent) is worth


def board(moment: datetime = NOON, **rows: Any) -> bytes:
    """A quote board as the proxy puts it together, true of one moment unless said otherwise."""
    data = {symbol: row(symbol, moment) for symbol in BOARD.symbols}
    return json.dumps({"data": data | rows}).encode()


def row(symbol: str, moment: datetime = NOON, **other: Any) -> dict[str, Any]:
    price, before = MARKET.price(symbol, moment), MARKET.previous_close(symbol, moment)
    true = {
        "price": price,
        "change": price - before,
        "change_pct": 100 * (price - before) / before,
        "volume": MARKET.volume_today(symbol, moment),
        "timestamp": moment.isoformat(),
        "source": "yahoo_finance",
    }
    return true | other


def test_a_board_is_true_when_each_of_its_prices_is() -> None:
    assert verdict(answer(BOARD, board())) is Verdict.TRUE


@pytest.mark.parametrize(
    "body",
    [
        board(SPY=row("SPY", price=1.0)),
        board(SPY=row("SPY", change=0.5)),
        board(SPY=row("SPY", change_pct=12.0)),
        board(SPY=row("SPY", volume=7)),
        board(SPY=row("SPY", source="polygon_io")),
        board(SPY=row("QQQ")),
        board(SPY=None),
        board(at(-300)),
        json.dumps({"data": {}}).encode(),
    ],
)
def test_a_board_with_a_wrong_an_old_or_a_missing_price_is_wrong(body: bytes) -> None:
    assert verdict(answer(BOARD, body)) is Verdict.WRONG


def test_a_board_without_a_symbol_that_it_names_is_no_full_answer_and_no_wrong_one() -> None:
    given = answer(BOARD, board(SPY=None), omits="SPY")
    assert verdict(given) is Verdict.ERROR


def test_other_bytes_than_the_upstream_s_without_a_fault_are_a_false_heal() -> None:
    body = truth(PREV)
    copy = answer(PREV, truth(PREV, at(-1)) + b" ", said="exact;age=2", healed=True)
    assert judged(copy, [exchange(PREV, body)]).false_heal
    assert judged(copy).false_heal
    assert not judged(replace(copy, body=body), [exchange(PREV, body)]).false_heal


def test_a_healed_answer_is_no_false_heal_where_its_own_exchange_met_a_fault() -> None:
    met = exchange(PREV, b"", fault=fault(PREV), status=503, true_at=None)
    given = judged(answer(PREV, truth(PREV), healed=True), [met])
    assert given.met is Met.FAULT
    assert (given.fault, given.false_heal, given.healable) == (met.fault, False, True)


def lasting(question: Question, ended: float, **only: Any) -> Fault:
    """A fault of five seconds that ended so many seconds before the request."""
    return fault(question, FaultKind.OUTAGE, starts_at=at(-ended - 5), ends_at=at(-ended), **only)


@pytest.mark.parametrize(
    ("ended", "only", "met"),
    [
        (-1.0, {}, Met.FAULT),
        (0.5, {}, Met.AFTERMATH),
        (CIRCUIT_REST - 0.5, {}, Met.AFTERMATH),
        (CIRCUIT_REST + 0.5, {}, Met.NOTHING),
        (KEY_REST - 0.5, {"key": "one"}, Met.AFTERMATH),
        (KEY_REST + 0.5, {"key": "one"}, Met.NOTHING),
        (-1.0, {"endpoint": "/another"}, Met.NOTHING),
        (-1.0, {"host": 0}, Met.FAULT),
        (0.5, {"host": 0}, Met.NOTHING),
    ],
)
def test_a_call_that_was_not_made_is_put_down_to_what_can_have_kept_it_away(
    ended: float, only: dict[str, Any], met: Met
) -> None:
    given = judged(answer(PREV, b"no", 503), faults=[lasting(PREV, ended, **only)])
    assert (given.met, given.fault is not None) == (met, met is not Met.NOTHING)


def test_a_copy_without_need_is_a_false_heal_and_one_in_an_aftermath_is_none() -> None:
    old = truth(PREV, at(-1))
    sent = exchange(PREV, old, at=at(-1), request_id="earlier")
    copy = answer(PREV, old, said="exact;age=2", healed=True)
    assert judged(copy, [sent]).false_heal
    assert not judged(copy, [sent], [lasting(PREV, 0.5)]).false_heal


@pytest.mark.parametrize(
    ("exchanges", "faults", "ago", "met"),
    [
        (10, 1, 1.0, Met.AFTERMATH),
        (9, 9, 1.0, Met.NOTHING),
        (40, 2, 1.0, Met.NOTHING),
        (40, 3, 1.0, Met.AFTERMATH),
        (40, 3, TROUBLE_SECONDS + 2.0, Met.NOTHING),
    ],
)
def test_of_a_source_with_many_faults_a_call_may_be_left_out(
    exchanges: int, faults: int, ago: float, met: Met
) -> None:
    old = truth(PREV, at(-1))
    seen = [
        exchange(PREV, old, at=at(-ago), request_id=f"earlier {n}", fault=fault(PREV) if n < faults else None)
        for n in range(exchanges)
    ]
    copy = answer(PREV, old, said="exact;age=99", healed=True)
    assert judged(copy, seen).met is met
    asked = [*seen, exchange(PREV, truth(PREV))]
    assert judged(copy, asked).met is Met.NOTHING  # its own call was made, and met nothing
    elsewhere = answer(QUOTE, truth(QUOTE, at(-1)), said="exact;age=99", healed=True)
    assert judged(elsewhere, seen).met is Met.NOTHING


def test_an_aftermath_is_no_fault_to_be_healed() -> None:
    given = judged(answer(PREV, b"no", 503), faults=[lasting(PREV, 0.5)])
    assert (given.met, given.healable) == (Met.AFTERMATH, False)


def test_a_fault_of_another_source_keeps_no_call_away() -> None:
    assert judged(answer(PREV, b"no", 503), faults=[lasting(QUOTE, -1.0)]).met is Met.NOTHING


def test_a_fault_of_another_request_keeps_no_call_away() -> None:
    met = exchange(PREV, request_id="other", fault=fault(PREV), true_at=None)
    assert judged(answer(PREV, b"no", 503), [met]).met is Met.NOTHING
    assert judged(answer(PREV, truth(PREV)), [met, exchange(PREV, truth(PREV))]).fault is None


def test_a_detour_past_a_host_that_resets_connections_met_its_outage() -> None:
    chart = next(one for one in ASKED if "chart/SPY" in one.ask)
    detour = judged(
        answer(chart, truth(chart), healed=True),
        [exchange(chart, truth(chart))],
        [lasting(chart, -1.0, host=0)],
    )
    assert (detour.met, detour.false_heal) == (Met.FAULT, False)


def frozen(count: int, span: float) -> list[Exchange]:
    """So many equal answers of a frozen host, spread over so many seconds up to noon; ours is the last."""
    ice = fault(BOARD, FaultKind.FROZEN, starts_at=at(-60))
    times = [at(0.1 - span + span * n / (count - 1)) for n in range(count)]
    return [
        exchange(BOARD, at=time, true_at=at(-60), fault=ice, request_id="one" if n == count - 1 else f"n{n}")
        for n, time in enumerate(times)
    ]


@pytest.mark.parametrize(
    ("count", "span", "can_be_told"),
    [
        (FROZEN_POLLS + 1, FROZEN_SPAN + 0.1, True),
        (FROZEN_POLLS, FROZEN_SPAN + 0.1, False),
        (FROZEN_POLLS + 1, FROZEN_SPAN - 0.1, False),
    ],
)
def test_a_frozen_price_counts_once_it_can_be_told(count: int, span: float, can_be_told: bool) -> None:
    mine = exchange(BOARD, request_id="one")  # the board's other symbol
    passed_on = judged(answer(BOARD, board()), [*frozen(count, span), mine])
    healed = judged(answer(BOARD, board(), healed=True), [*frozen(count, span), mine])

    assert (passed_on.fault is not None) is can_be_told
    assert passed_on.verdict is (Verdict.WRONG if can_be_told else Verdict.TRUE)
    assert healed.verdict is Verdict.TRUE


@pytest.mark.parametrize(
    ("headers", "claim"),
    [
        ({}, Claim("exact", None, "", False)),
        ({"healing-fidelity": "exact"}, Claim("exact", None, "", False)),
        ({"healing-fidelity": "exact;suspect"}, Claim("exact", None, "", False)),
        ({"healing-fidelity": "stale;age=7", **HEALED}, Claim("stale", 7.0, "", True)),
        ({"healing-fidelity": "exact; age=0.5", **HEALED}, Claim("exact", 0.5, "", True)),
        (
            {"healing-fidelity": 'substitute;original="DGS10";actual="GS10"', **HEALED},
            Claim("substitute", None, "GS10", True),
        ),
        ({"healing-status": "failed"}, Claim("exact", None, "", False)),
    ],
)
def test_reads_what_an_answer_says_of_itself(headers: dict[str, str], claim: Claim) -> None:
    assert Claim.of(headers) == claim
