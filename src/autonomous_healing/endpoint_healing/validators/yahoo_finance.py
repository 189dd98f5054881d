"""What a good answer of Yahoo Finance looks like, and how it says that something is wrong."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autonomous_healing.endpoint_healing.call import Finding
from autonomous_healing.endpoint_healing.codes import AUTH_REJECTED, CALLER_ERROR, CLIENT_BLOCKED, MISSING
from autonomous_healing.endpoint_healing.records import Bar, Bars, Quote
from autonomous_healing.endpoint_healing.validators.reading import (
    invalid,
    mapping,
    missing,
    named,
    number,
    optional_number,
    optional_numbers,
    rows,
    unix_time,
    unix_times,
)

INTERVALS = {
    "1m": 60, "2m": 120, "5m": 300, "15m": 900, "30m": 1800, "60m": 3600, "90m": 5400, "1h": 3600,
    "1d": 86400, "5d": 432000, "1wk": 604800, "1mo": 2678400, "3mo": 8035200,
}  # fmt: skip


def rule(status: int, document: Any) -> Finding | None:
    """Errors of the provider's own making, by their code where there is one."""
    if status in (429, 999) and document is None:
        return Finding(CLIENT_BLOCKED, f"HTTP {status} as plain text", 0.8)
    if not isinstance(document, dict):
        return None
    for part in ("chart", "finance", "quoteResponse"):
        error = document.get(part, {}).get("error") if isinstance(document.get(part), dict) else None
        if isinstance(error, dict):
            return _by_code(str(error.get("code", "")), status)
    return None


def _by_code(code: str, status: int) -> Finding | None:
    match code:
        case "Unauthorized":
            return Finding(AUTH_REJECTED, "session or crumb refused")
        case "Not Found" | "Unprocessable Entity" | "Bad Request":
            return Finding(CALLER_ERROR, code)
        case _ if status < 400:
            return Finding(MISSING, f"error {code!r} instead of data")
        case _:
            return None


def chart(document: Any, params: Mapping[str, str]) -> Bars:
    """`chart.result[0]` with times and closes of equal length."""
    result = _result(document)
    meta = mapping(result.get("meta"), "meta")
    times = rows(result.get("timestamp"), "timestamp")
    quotes = mapping(rows(mapping(result.get("indicators"), "indicators").get("quote"), "quote")[0], "quote")
    closes = rows(quotes.get("close"), "close")
    if len(closes) != len(times):
        raise invalid(f"{len(closes)} closes for {len(times)} times")
    if all(close is None for close in closes):
        raise missing("close")
    columns = [_column(quotes, name, len(times)) for name in ("open", "high", "low", "close", "volume")]
    return Bars(
        symbol=named(meta.get("symbol"), params.get("symbol"), "symbol"),
        interval=float(INTERVALS.get(params.get("interval", "1d"), 0)) or None,
        rows=tuple(map(Bar, unix_times(times, "timestamp"), *columns)),
    )


def quote(document: Any, params: Mapping[str, str]) -> Quote:
    """The price that the chart API carries in its `meta`."""
    meta = mapping(_result(document).get("meta"), "meta")
    price = number(meta.get("regularMarketPrice"), "regularMarketPrice")
    before = optional_number(meta.get("chartPreviousClose"), "chartPreviousClose")
    return Quote(
        symbol=named(meta.get("symbol"), params.get("symbol"), "symbol"),
        price=price,
        change=price - before if before else None,
        change_pct=100 * (price - before) / before if before else None,
        volume=optional_number(meta.get("regularMarketVolume"), "regularMarketVolume"),
        currency=meta.get("currency") if isinstance(meta.get("currency"), str) else None,
        as_of=unix_time(meta.get("regularMarketTime"), "regularMarketTime"),
    )


def _result(document: Any) -> Mapping[str, Any]:
    body = mapping(mapping(document, "document").get("chart"), "chart")
    return mapping(rows(body.get("result"), "result")[0], "result")


def _column(quotes: Mapping[str, Any], name: str, size: int) -> Sequence[float | None]:
    column = quotes.get(name)
    if column is None:
        return [None] * size
    if not isinstance(column, list) or len(column) != size:
        raise invalid(f"{name} does not fit the times")
    return optional_numbers(column, name)


def session_quote(document: Any, params: Mapping[str, str]) -> Quote:
    """The quote API proper: `quoteResponse.result[]`."""
    response = mapping(mapping(document, "document").get("quoteResponse"), "quoteResponse")
    cells = mapping(rows(response.get("result"), "result")[0], "result")
    return Quote(
        symbol=named(cells.get("symbol"), params.get("symbols"), "symbol"),
        price=number(cells.get("regularMarketPrice"), "regularMarketPrice"),
        change=optional_number(cells.get("regularMarketChange"), "regularMarketChange"),
        change_pct=optional_number(cells.get("regularMarketChangePercent"), "regularMarketChangePercent"),
        volume=optional_number(cells.get("regularMarketVolume"), "regularMarketVolume"),
        currency=cells.get("currency") if isinstance(cells.get("currency"), str) else None,
        as_of=unix_time(cells.get("regularMarketTime"), "regularMarketTime"),
    )


SHAPES: Mapping[str, Callable[[Any, Mapping[str, str]], Bars | Quote]] = {
    "/chart": chart,
    "/quote": quote,
    "/session_quote": session_quote,
}
