"""What a good answer of Polygon.io looks like, and how it says that something is wrong."""

from collections.abc import Mapping
from typing import Any

from autonomous_healing.endpoint_healing.call import Finding
from autonomous_healing.endpoint_healing.codes import AUTH_REJECTED, CALLER_ERROR, MISSING, PLAN_LIMITED
from autonomous_healing.endpoint_healing.records import Bar, Bars
from autonomous_healing.endpoint_healing.validators.reading import (
    invalid,
    mapping,
    missing,
    named,
    number,
    optional_number,
    rows,
    unix_time,
)

SPANS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2678400}


def rule(status: int, document: Any) -> Finding | None:
    """By the `status` word of the body; `ERROR` goes by the HTTP status."""
    word = document.get("status") if isinstance(document, dict) else None
    match word:
        case "NOT_AUTHORIZED":
            return Finding(PLAN_LIMITED, "the plan does not include this")
        case "NOT_FOUND":
            return Finding(CALLER_ERROR, "not found")
        case "ERROR" if status == 403:
            return Finding(PLAN_LIMITED, "the plan does not include this", 0.8)
        case "ERROR" if status == 401:
            return Finding(AUTH_REJECTED, "key refused")
        case "ERROR" if status < 400:
            return Finding(MISSING, "an error instead of data", 0.8)
        case _:
            return None


def bars(document: Any, params: Mapping[str, str]) -> Bars:
    """`results[]` of bars, with `status` OK or DELAYED."""
    body = mapping(document, "document")
    if body.get("resultsCount") == 0 and "results" not in body:
        raise missing("results")
    if body.get("status") not in ("OK", "DELAYED"):
        raise invalid(f"status is {str(body.get('status'))[:40]!r}")
    found = rows(body.get("results"), "results")
    return Bars(
        symbol=named(body.get("ticker"), params.get("ticker"), "ticker"),
        interval=_interval(params),
        rows=tuple(_bar(row) for row in found),
        newest_first=params.get("sort") == "desc",
        delayed=body.get("status") == "DELAYED",
    )


def _interval(params: Mapping[str, str]) -> float | None:
    """Seconds of the bars that were asked for; None where the multiplier is no sensible number."""
    multiplier = params.get("multiplier", "1")
    if not (multiplier.isascii() and multiplier.isdigit()) or len(multiplier) > 6:
        return None
    return float(SPANS.get(params.get("timespan", "day"), 86400) * int(multiplier))


def _bar(row: Any) -> Bar:
    cells = mapping(row, "result")
    return Bar(
        unix_time(cells.get("t"), "t", milliseconds=True),
        number(cells.get("o"), "o"),
        number(cells.get("h"), "h"),
        number(cells.get("l"), "l"),
        number(cells.get("c"), "c"),
        optional_number(cells.get("v"), "v"),
    )


SHAPES = {"/v2/aggs": bars, "/v2/prev": bars}
