"""What Polygon.io says, and what it means by it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.world import fault, read

from autonomous_healing.endpoint_healing.codes import (
    AUTH_REJECTED,
    CALLER_ERROR,
    INVALID,
    MISSING,
    PLAN_LIMITED,
    UNPARSABLE,
)
from autonomous_healing.endpoint_healing.records import Bar, Bars

AGGS, PREV = "polygon_io/v2/aggs", "polygon_io/v2/prev"

ROW = {"v": 41e6, "vw": 263.9, "o": 263.0, "c": 264.5, "h": 266.0, "l": 262.0, "t": 1772168400000, "n": 5}


def answer(*rows: object, status: str = "OK", **changes: object) -> dict[str, Any]:
    return {"ticker": "AAPL", "resultsCount": len(rows), "results": list(rows), "status": status, **changes}


@pytest.mark.parametrize("place", [AGGS, PREV])
@pytest.mark.parametrize(("status", "delayed"), [("OK", False), ("DELAYED", True)])
def test_healthy_bars_are_read_and_delayed_ones_say_so(place: str, status: str, delayed: bool) -> None:
    assert read(place, answer(ROW, status=status)) == Bars(
        symbol="AAPL",
        interval=86400.0,
        rows=(Bar(datetime(2026, 2, 27, 5, 0, tzinfo=UTC), 263.0, 266.0, 262.0, 264.5, 41e6),),
        delayed=delayed,
    )


@pytest.mark.parametrize(
    ("timespan", "multiplier", "seconds"),
    [
        ("minute", "5", 300.0),
        ("hour", "1", 3600.0),
        ("day", "1", 86400.0),
        ("week", "2", 1209600.0),
        ("eon", "1", 86400.0),
        ("minute", "many", None),
        ("minute", "²", None),
        ("minute", "9" * 400, None),
    ],
)
def test_the_interval_is_the_one_that_was_asked_for(
    timespan: str, multiplier: str, seconds: float | None
) -> None:
    bars = read(AGGS, answer(ROW), timespan=timespan, multiplier=multiplier)
    assert isinstance(bars, Bars)
    assert bars.interval == seconds


def test_newest_first_is_known_from_the_question() -> None:
    bars = read(AGGS, answer(ROW), sort="desc")
    assert isinstance(bars, Bars)
    assert bars.newest_first


BAD: list[tuple[int, object, str]] = [
    (401, {"status": "ERROR", "error": "Unknown API Key"}, AUTH_REJECTED),
    (401, {"status": "ERROR", "message": "API Key was not provided"}, AUTH_REJECTED),
    (403, {"status": "NOT_AUTHORIZED", "message": "You are not entitled to this data."}, PLAN_LIMITED),
    (200, {"status": "NOT_AUTHORIZED"}, PLAN_LIMITED),
    (403, {"status": "ERROR", "error": "Forbidden"}, PLAN_LIMITED),
    (404, {"status": "NOT_FOUND", "message": "Ticker not found."}, CALLER_ERROR),
    (200, {"status": "NOT_FOUND"}, CALLER_ERROR),
    (429, {"status": "ERROR", "error": "You've exceeded the maximum requests per minute"}, ""),
    (429, "", ""),
    (500, "<html>Bad Gateway</html>", ""),
    (200, {"status": "ERROR", "error": "?"}, MISSING),
    (200, {"ticker": "AAPL", "resultsCount": 0, "status": "OK"}, MISSING),
    (200, {"ticker": "AAPL", "status": "OK"}, MISSING),
    (200, answer(), MISSING),
    (200, answer(ROW, status="PARTIAL"), INVALID),
    (200, {"results": [ROW]}, INVALID),
    (200, answer({**ROW, "c": None}), MISSING),
    (200, answer({**ROW, "c": "264.5"}), INVALID),
    (200, answer({**ROW, "t": None}), MISSING),
    (200, answer({**ROW, "t": 9e18}), INVALID),
    (200, answer({**ROW, "v": "many"}), INVALID),
    (200, answer("row"), INVALID),
    (200, answer(ROW, results={"0": ROW}), INVALID),
    (200, [], INVALID),
    (200, "null", MISSING),
    (200, "", UNPARSABLE),
    (200, '{"status": "OK", "results": [{"v"', UNPARSABLE),
]


@pytest.mark.parametrize(("status", "content", "code"), BAD)
def test_what_is_wrong_with_bars(status: int, content: object, code: str) -> None:
    assert fault(AGGS, content, status) == code


def test_a_bar_without_a_volume_is_still_a_bar() -> None:
    bars = read(AGGS, answer({name: ROW[name] for name in "ochlt"}))
    assert isinstance(bars, Bars)
    assert bars.rows[0].v is None
