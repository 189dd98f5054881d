"""How a healthy answer goes bad inside: data gone, wrong types, impossible values."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from autonomous_healing.drills.twins import alpha_vantage, exchange_rate, polygon
from autonomous_healing.drills.twins.faults import FaultKind
from autonomous_healing.drills.twins.providers import Ask, render
from autonomous_healing.drills.twins.rendered import JSON, Rendered, in_json

SPOILS = frozenset({FaultKind.MISSING, FaultKind.WRONG_SHAPE, FaultKind.IMPLAUSIBLE})
_NOT_A_NUMBER = "n/a"
_FAR_FUTURE = "2199-12-31"


def spoil(kind: FaultKind, ask: Ask) -> Rendered:
    """The healthy answer, spoiled; the provider's own error stays as it is."""
    query = {**ask.query, "file_type": "json"} if ask.source == "fred_api" else ask.query
    healthy = render(ask.source, ask.market, ask.path, query, ask.at)
    if healthy.status != 200 or healthy.content_type != JSON:
        return healthy
    if kind is FaultKind.MISSING and ask.source == "polygon_io":
        request = polygon.request_id(ask.market, ask.path, ask.query, ask.at)
        return polygon.no_bars(ask.path.split("/")[4], request)
    if kind is FaultKind.MISSING and ask.source == "exchange_rate_api":
        return exchange_rate.complaint(200, "no-data-available")
    return in_json(_BY_SOURCE[ask.source](kind, json.loads(healthy.body), ask.query))


def _yahoo(kind: FaultKind, content: Any, query: Mapping[str, str]) -> Any:
    root = "chart" if "chart" in content else "quoteResponse"
    results = content[root]["result"]
    if kind is FaultKind.MISSING:
        content[root]["result"] = []
    elif root == "chart":
        for result in results:
            _spoil_chart(kind, result)
    else:
        for quote in results:
            price = quote["regularMarketPrice"]
            quote["regularMarketPrice"] = _NOT_A_NUMBER if kind is FaultKind.WRONG_SHAPE else -price
    return content


def _spoil_chart(kind: FaultKind, result: Any) -> None:
    [columns] = result["indicators"]["quote"]
    if kind is FaultKind.WRONG_SHAPE:
        columns["close"] = [_NOT_A_NUMBER for _ in columns["close"]]
        result["meta"]["regularMarketPrice"] = _NOT_A_NUMBER
    else:
        columns["high"], columns["low"] = columns["low"], columns["high"]
        result["meta"]["regularMarketPrice"] *= -1


def _fred(kind: FaultKind, content: Any, query: Mapping[str, str]) -> Any:
    rows = "observations" if "observations" in content else "seriess"
    match kind:
        case FaultKind.MISSING:
            content[rows] = []
            if "count" in content:
                content["count"] = 0
        case FaultKind.WRONG_SHAPE if rows == "seriess":
            content[rows] = dict(content[rows][0])
        case FaultKind.WRONG_SHAPE:
            content[rows] = [{**row, "value": _NOT_A_NUMBER} for row in content[rows]]
        case _ if rows == "seriess":
            content[rows][0] |= {"observation_start": _FAR_FUTURE, "observation_end": _FAR_FUTURE}
            content[rows][0]["last_updated"] = f"{_FAR_FUTURE} 00:00:00-06"
        case _:
            # All on one day, in the future, at a value no rate or index reaches.
            content[rows] = [{**row, "date": _FAR_FUTURE, "value": "9.9e15"} for row in content[rows]]
    return content


def _polygon(kind: FaultKind, content: Any, query: Mapping[str, str]) -> Any:
    for row in content.get("results", []):
        if kind is FaultKind.WRONG_SHAPE:
            row["o"] = row["h"] = row["l"] = row["c"] = _NOT_A_NUMBER
        else:
            row["h"], row["l"] = row["l"], row["h"]
    return content


def _alpha_vantage(kind: FaultKind, content: Any, query: Mapping[str, str]) -> Any:
    block = alpha_vantage.block(query)
    if block not in content:
        return content
    if kind is FaultKind.MISSING:
        return {block: {}}
    rows = content[block].values() if block.startswith("Time Series") else [content[block]]
    for row in rows:
        _spoil_row(kind, row)
    return content


def _spoil_row(kind: FaultKind, row: Any) -> None:
    if kind is FaultKind.IMPLAUSIBLE and "2. high" in row:
        row["2. high"], row["3. low"] = row["3. low"], row["2. high"]
    for name in {"05. price", "4. close", "5. Exchange Rate"} & row.keys():
        if kind is FaultKind.WRONG_SHAPE:
            row[name] = _NOT_A_NUMBER
        elif name != "4. close":
            row[name] = f"-{row[name]}"


def _exchange_rate(kind: FaultKind, content: Any, query: Mapping[str, str]) -> Any:
    bad: Any = _NOT_A_NUMBER if kind is FaultKind.WRONG_SHAPE else 0
    if "conversion_rate" in content:
        content["conversion_rate"] = bad
        return content
    under = "rates" if "rates" in content else "conversion_rates"
    own = content["base_code"]
    content[under] = {code: rate if code == own else bad for code, rate in content[under].items()}
    return content


_BY_SOURCE: dict[str, Callable[[FaultKind, Any, Mapping[str, str]], Any]] = {
    "yahoo_finance": _yahoo,
    "fred_api": _fred,
    "polygon_io": _polygon,
    "alpha_vantage": _alpha_vantage,
    "exchange_rate_api": _exchange_rate,
}
