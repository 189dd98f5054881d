"""`/api/yahoo/quote?symbols=A,B`: several quotes in one answer, each healed by itself."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from autonomous_healing.endpoint_healing.call import Response
from autonomous_healing.endpoint_healing.healer import Result
from autonomous_healing.endpoint_healing.records import Quote
from autonomous_healing.endpoint_healing.trail import iso
from autonomous_healing.proxy.provenance import Reply, reply_to
from autonomous_healing.proxy.routes import BadRequest, check_segment

#: Symbols in one request.
MOST = 50

#: What may be said of the whole board; the source's own words belong to one quote each.
BOARD_HEADERS = ("Healing-", "Age", "Cache-Control")


def symbols_of(query: Mapping[str, str]) -> list[str]:
    """Raises `BadRequest`."""
    said = query.get("symbols", query.get("symbol", ""))
    symbols = list(dict.fromkeys(part.strip().upper() for part in said.split(",") if part.strip()))
    if not symbols or len(symbols) > MOST:
        raise BadRequest(f"symbols: give 1 to {MOST}, separated by commas, for example symbols=SPY,AAPL")
    for symbol in symbols:
        check_segment(symbol, f"the symbol {symbol!r}")
    return symbols


async def board(
    symbols: Sequence[str],
    ask: Callable[[str], Awaitable[Result]],
    now: Callable[[], datetime],
    *,
    always_problem: bool,
) -> Reply:
    """All symbols at once; those without a truthful answer are null and listed as omitted."""
    results = dict(zip(symbols, await asyncio.gather(*map(ask, symbols)), strict=True))
    quotes = {symbol: _quote(result) for symbol, result in results.items()}
    if not any(quotes.values()):
        return reply_to(results[symbols[0]], always_problem=always_problem)
    body = {
        "data": {symbol: _row(quote, results[symbol]) if quote else None for symbol, quote in quotes.items()},
        "timestamp": iso(now()),
        "sources_used": sorted({_source(results[symbol]) for symbol, quote in quotes.items() if quote}),
    }
    return Reply(
        status=200,
        content_type="application/json",
        body=msgspec.json.encode(body),
        headers=_headers(results, quotes),
    )


def _quote(result: Result) -> Quote | None:
    record = result.response.record if result.response else None
    return record if isinstance(record, Quote) else None


def _source(result: Result) -> str:
    return result.response.source if result.response else ""


def _row(quote: Quote, result: Result) -> dict[str, Any]:
    return {
        "price": quote.price,
        "change": None if quote.change is None else round(quote.change, 6),
        "change_pct": None if quote.change_pct is None else round(quote.change_pct, 6),
        "volume": quote.volume,
        "timestamp": iso(quote.as_of) if quote.as_of else None,
        "source": _source(result),
    }


def _headers(results: Mapping[str, Result], quotes: Mapping[str, Quote | None]) -> dict[str, str]:
    """The least faithful of the quotes speaks for the whole board, and a doubt about one is one about all."""
    omitted = [symbol for symbol, quote in quotes.items() if quote is None]
    marked = [result for result in results.values() if result.healed or _is_doubtful(result.response)]
    headers: dict[str, str] = {}
    worst = max(marked, key=_unfaithfulness, default=None)
    if worst is not None and worst.response is not None:
        given = [result.response for result in marked if result.response is not None]
        response = replace(
            worst.response,
            suspect=any(one.suspect for one in given),
            delayed=any(one.delayed for one in given),
        )
        told = reply_to(replace(worst, response=response), always_problem=False).headers
        headers = {name: value for name, value in told.items() if name.startswith(BOARD_HEADERS)}
    if omitted:
        headers |= {"Healing-Omitted": ", ".join(omitted)}
        # A symbol that does not exist is the caller's mistake: nothing failed, and nothing was to be healed.
        failed = [results[symbol] for symbol in omitted if results[symbol].report]
        if failed:
            headers.setdefault("Healing-Status", "bypassed" if failed[0].bypassed else "failed")
            headers.setdefault("Healing-Trail", str(failed[0].call.id))
    return headers


def _is_doubtful(response: Response | None) -> bool:
    return response is not None and (response.suspect or response.delayed)


def _unfaithfulness(result: Result) -> tuple[int, float]:
    response = result.response
    return (int(response.fidelity), response.age or 0.0) if response else (0, 0.0)
