"""How each source's questions can be made smaller: pages that add up to the whole, or less of it."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import msgspec

from autonomous_healing.endpoint_healing.call import FailedCall
from autonomous_healing.endpoint_healing.strategies.general import Reduction
from autonomous_healing.healing import CannotHeal

#: A limit at or below this is small enough already.
SMALL = 10

#: No sensible limit or offset has more.
DIGITS = 9

#: Bars that Polygon.io gives where no limit is asked for; there may be more.
POLYGON_LIMIT = 5000

#: Yahoo's ranges, each with the next smaller.
_SMALLER_RANGE = {
    "max": "10y", "10y": "5y", "5y": "2y", "2y": "1y", "1y": "6mo", "6mo": "3mo", "3mo": "1mo", "1mo": "5d",
}  # fmt: skip


def stitch(case: FailedCall) -> Reduction | None:
    """Two pages that make up the request, where the source can page."""
    params = case.call.params
    match case.call.endpoint.place:
        case "fred_api/observations":
            return _fred_pages(params)
        case "polygon_io/v2/aggs":
            return _polygon_halves(params)
        case _:
            return None


def shrink(case: FailedCall) -> Reduction | None:
    """One smaller question."""
    params = dict(case.call.params)
    match case.call.endpoint.place:
        case "yahoo_finance/chart" if params.get("range") in _SMALLER_RANGE:
            return Reduction(({**params, "range": _SMALLER_RANGE[params["range"]]},), None)
        case "alpha_vantage/query" if params.get("outputsize") == "full":
            return Reduction(({**params, "outputsize": "compact"},), None)
        case _ if (limit := _limit(params)) > SMALL:
            return Reduction(({**params, "limit": str(max(SMALL, limit // 2))},), None)
        case _:
            return None


def _limit(params: Mapping[str, str]) -> int:
    said = params.get("limit", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) <= DIGITS else 0


def _fred_pages(params: Mapping[str, str]) -> Reduction | None:
    limit = _limit(params)
    offset = params.get("offset", "0")
    if limit <= SMALL or not (offset.isascii() and offset.isdigit()) or len(offset) > DIGITS:
        return None
    first, second = (limit + 1) // 2, limit // 2
    pages = (
        {**params, "limit": str(first)},
        {**params, "limit": str(second), "offset": str(int(offset) + first)},
    )

    def join(bodies: list[bytes]) -> bytes:
        head, *rest = _decoded(bodies)
        head["observations"] += [row for page in rest for row in page["observations"]]
        return msgspec.json.encode({**head, "limit": limit})

    return Reduction(pages, join)


def _polygon_halves(params: Mapping[str, str]) -> Reduction | None:
    try:
        start, end = date.fromisoformat(params["from"]), date.fromisoformat(params["to"])
    except ValueError:
        return None
    if (end - start).days < 1 or "limit" in params:
        return None
    middle = start + (end - start) // 2
    older = {**params, "to": middle.isoformat()}
    newer = {**params, "from": (middle + timedelta(days=1)).isoformat()}
    pages = (newer, older) if params.get("sort") == "desc" else (older, newer)

    def join(bodies: list[bytes]) -> bytes:
        head, *rest = _decoded(bodies)
        if any("next_url" in page or len(page["results"]) >= POLYGON_LIMIT for page in (head, *rest)):
            raise CannotHeal("a page does not hold all of its part")
        for page in rest:
            head["results"] += page["results"]
            for count in ("queryCount", "resultsCount", "count"):
                if count in head:
                    head[count] += page.get(count, 0)
        return msgspec.json.encode(head)

    return Reduction(pages, join)


def _decoded(bodies: list[bytes]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(body, type=dict[str, Any]) for body in bodies]
