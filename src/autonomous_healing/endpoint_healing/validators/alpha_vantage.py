"""What a good answer of Alpha Vantage looks like. Errors come as 200: the missing data block decides."""

from collections.abc import Mapping
from typing import Any

from autonomous_healing.endpoint_healing.call import Finding
from autonomous_healing.endpoint_healing.codes import (
    AUTH_REJECTED,
    CALLER_ERROR,
    PLAN_LIMITED,
    QUOTA_EXHAUSTED,
    RATE_LIMITED,
)
from autonomous_healing.endpoint_healing.records import Bar, Bars, Quote, Rates, Record
from autonomous_healing.endpoint_healing.validators.reading import (
    iso_date,
    mapping,
    midnight,
    missing,
    named,
    number,
    optional_number,
    rows,
)

#: Labels in the meta data, less their numbers -> the parameter that asked for it.
NAMES = {"Symbol": "symbol", "From Symbol": "from_symbol", "To Symbol": "to_symbol"}

_FX = "Realtime Currency Exchange Rate"


def rule(status: int, document: Any) -> Finding | None:
    """Only where no data block is there does the wording count, and then only for the kind of error."""
    # Its own errors all come as 200; what comes with another status is of something in between.
    if status >= 400 or not isinstance(document, dict) or _data_block(document) is not None:
        return None
    if "Error Message" in document:
        words = str(document["Error Message"])
        if _speaks_of_the_key(words):
            return Finding(AUTH_REJECTED, "key refused")
        return Finding(CALLER_ERROR, words)
    for name in ("Note", "Information"):
        if name in document:
            return _notice(str(document[name]))
    if len(document) == 1 and isinstance(next(iter(document.values())), str):
        return Finding(QUOTA_EXHAUSTED, "a notice instead of data", 0.6)
    return None


def _notice(words: str) -> Finding:
    said = words.lower()
    # A notice of the pace may name the day's limit too; a notice of the day's limit names nothing else.
    if "per minute" in said or "per second" in said or "frequency" in said:
        return Finding(RATE_LIMITED, "pace limit reached")
    if "per day" in said or "daily" in said:
        return Finding(QUOTA_EXHAUSTED, "day limit reached")
    if "premium" in said:
        return Finding(PLAN_LIMITED, "premium endpoint", 0.9)
    if _speaks_of_the_key(words):
        return Finding(AUTH_REJECTED, "key refused", 0.8)
    return Finding(QUOTA_EXHAUSTED, "a notice instead of data", 0.6)


def _speaks_of_the_key(words: str) -> bool:
    said = words.lower().replace(" ", "")
    return "apikey" in said and ("invalid" in said or "missing" in said)


def _data_block(document: Mapping[str, Any]) -> str | None:
    for name in document:
        if name in ("Global Quote", _FX) or name.startswith("Time Series") or name.endswith("Time Series"):
            return name
    return None


def query(document: Any, params: Mapping[str, str]) -> Record | None:
    """The data block that belongs to the function, with something in it."""
    body = mapping(document, "document")
    _check_names(body, params)
    block = _data_block(body)
    if block is None:
        if _names_a_block(params.get("function", "")) or not any(body.values()):
            raise missing("data block")
        return None  # an indicator, whose block we do not know
    if not mapping(body[block], block):
        raise missing(block)
    match block:
        case "Global Quote":
            return _quote(body[block], params)
        case name if name == _FX:
            return _rate(body[block], params)
        case _:
            return _bars(body, block, params)


def _check_names(body: Mapping[str, Any], params: Mapping[str, str]) -> None:
    """The meta data of bars and indicators name what they are of, under a number of their own."""
    meta = body.get("Meta Data")
    for label, said in meta.items() if isinstance(meta, dict) else ():
        parameter = NAMES.get(label.lstrip("0123456789.: "))
        if parameter:
            named(said, params.get(parameter), "symbol")


def _names_a_block(function: str) -> bool:
    return function.upper().startswith(("GLOBAL_QUOTE", "TIME_SERIES", "CURRENCY_EXCHANGE_RATE", "FX_"))


def _quote(block: Mapping[str, Any], params: Mapping[str, str]) -> Quote:
    return Quote(
        symbol=named(block.get("01. symbol"), params.get("symbol"), "symbol"),
        price=number(block.get("05. price"), "05. price", text=True),
        change=optional_number(block.get("09. change"), "09. change", text=True),
        change_pct=optional_number(block.get("10. change percent"), "10. change percent", text=True),
        volume=optional_number(block.get("06. volume"), "06. volume", text=True),
        as_of=midnight(iso_date(block.get("07. latest trading day"), "07. latest trading day")),
        as_of_day=True,
    )


def _rate(block: Mapping[str, Any], params: Mapping[str, str]) -> Rates:
    code = named(block.get("3. To_Currency Code"), params.get("to_currency"), "currency")
    base = named(block.get("1. From_Currency Code"), params.get("from_currency"), "currency")
    rate = number(block.get("5. Exchange Rate"), "5. Exchange Rate", text=True)
    day = midnight(iso_date(block.get("6. Last Refreshed"), "6. Last Refreshed"))
    return Rates(base=base, as_of=day, next_update=None, rates={code: rate})


def _bars(body: Mapping[str, Any], block: str, params: Mapping[str, str]) -> Bars | None:
    daily = params.get("function", "").upper() in ("TIME_SERIES_DAILY", "TIME_SERIES_DAILY_ADJUSTED")
    if not daily:
        rows(list(body[block]), block)
        return None  # their times are of the exchange's zone and belong to no rule yet
    return Bars(
        symbol=params.get("symbol", ""),
        interval=86400.0,
        rows=tuple(_bar(day, cells) for day, cells in body[block].items()),
        newest_first=True,
    )


def _bar(day: str, row: Any) -> Bar:
    cells = mapping(row, "bar")

    def cell(name: str) -> float:
        return number(cells.get(name), name, text=True)

    volume = cells.get("5. volume", cells.get("6. volume"))
    return Bar(
        midnight(iso_date(day, "date")),
        cell("1. open"),
        cell("2. high"),
        cell("3. low"),
        cell("4. close"),
        optional_number(volume, "volume", text=True),
    )


SHAPES = {"/query": query}
