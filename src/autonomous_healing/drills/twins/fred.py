"""FRED, played from the model market: `/fred/series` and `/fred/series/observations`, in JSON and XML."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Literal
from xml.sax.saxutils import quoteattr

from autonomous_healing.drills.twins.economy import Series
from autonomous_healing.drills.twins.market import Market, NotListed, Observation
from autonomous_healing.drills.twins.rendered import XML, FoundKey, Rendered, in_json, key_in_query

_SERIES, _OBSERVATIONS = "/fred/series", "/fred/series/observations"
_MOST = 100_000  #: rows per answer
_EARLIEST, _LATEST = date(1776, 7, 4), date(9999, 12, 31)  #: FRED's own bounds of a request
_ST_LOUIS = timezone(timedelta(hours=-6))


class _Refused(Exception):
    """A variable of the request is wrong."""


def render(market: Market, path: str, query: Mapping[str, str], at: datetime) -> Rendered:
    """The healthy answer, or FRED's own error where the request is at fault."""
    if endpoint(path) == "/other":
        return complaint(query, 404, "Not Found")
    if query.get("file_type", "xml") not in ("xml", "json"):
        return complaint(query, 400, "Bad Request.  Variable file_type is not one of xml, json.")
    if not query.get("series_id"):
        return complaint(query, 400, "Bad Request.  Variable series_id is not set.")
    try:
        facts = market.series(query["series_id"])
        return (_about if endpoint(path) == "/series" else _observed)(market, facts, query, at)
    except NotListed:
        return complaint(query, 400, "Bad Request.  The series does not exist.")
    except _Refused as refusal:
        return complaint(query, 400, f"Bad Request.  {refusal}")


def endpoint(path: str) -> str:
    return {_SERIES: "/series", _OBSERVATIONS: "/observations"}.get(path, "/other")


def find_key(path: str, query: Mapping[str, str], bearer: str) -> FoundKey:
    return key_in_query("api_key", path, query)


def needs_key(path: str) -> bool:
    return True


def complaint(query: Mapping[str, str], status: int, message: str) -> Rendered:
    """FRED's error form, in the format that the request asks for."""
    if query.get("file_type") == "json":
        return in_json({"error_code": status, "error_message": message}, status)
    return _xml(f"<error code={quoteattr(str(status))} message={quoteattr(message)} />", status)


def _observed(market: Market, facts: Series, query: Mapping[str, str], at: datetime) -> Rendered:
    start = _date(query, "observation_start", _EARLIEST)
    end = _date(query, "observation_end", _LATEST)
    order = query.get("sort_order", "asc")
    if order not in ("asc", "desc"):
        raise _Refused("Variable sort_order is not one of asc, desc.")
    limit, offset = _number(query, "limit", _MOST, 1), _number(query, "offset", 0, 0)
    matching = [seen for seen in market.observations(facts.id, at, start) if seen.day <= end]
    page = (matching[::-1] if order == "desc" else matching)[offset : offset + limit]
    today = at.astimezone(UTC).date().isoformat()
    head: dict[str, str | int] = {
        "realtime_start": today,
        "realtime_end": today,
        "observation_start": start.isoformat(),
        "observation_end": end.isoformat(),
        "units": "lin",
        "output_type": 1,
        "file_type": query.get("file_type", "xml"),
        "order_by": "observation_date",
        "sort_order": order,
        "count": len(matching),
        "offset": offset,
        "limit": limit,
    }
    rows = [_row(facts, seen, today) for seen in page]
    if query.get("file_type") == "json":
        return in_json({**head, "observations": rows})
    return _xml_tree("observations", head, "observation", rows)


def _row(facts: Series, seen: Observation, today: str) -> dict[str, str]:
    value = "." if seen.value is None else f"{seen.value:.{facts.digits}f}"
    return {"realtime_start": today, "realtime_end": today, "date": seen.day.isoformat(), "value": value}


def _about(market: Market, facts: Series, query: Mapping[str, str], at: datetime) -> Rendered:
    published = market.observations(facts.id, at)
    if not published:
        raise NotListed(facts.id)
    today = at.astimezone(UTC).date().isoformat()
    updated = facts.due_at(published[-1].day).astimezone(_ST_LOUIS)
    head: dict[str, str | int] = {"realtime_start": today, "realtime_end": today}
    about = {
        "id": facts.id,
        "realtime_start": today,
        "realtime_end": today,
        "title": facts.title,
        "observation_start": published[0].day.isoformat(),
        "observation_end": published[-1].day.isoformat(),
        "frequency": facts.frequency.in_words,
        "frequency_short": facts.frequency.value,
        "units": facts.units,
        "units_short": "%" if facts.units == "Percent" else facts.units,
        "seasonal_adjustment": "Seasonally Adjusted" if facts.adjusted else "Not Seasonally Adjusted",
        "seasonal_adjustment_short": "SA" if facts.adjusted else "NSA",
        "last_updated": f"{updated:%Y-%m-%d %H:%M:%S}-06",
        "popularity": 80,
        "notes": "From the model market.",
    }
    if query.get("file_type") == "json":
        return in_json({**head, "seriess": [about]})
    return _xml_tree("seriess", head, "series", [{name: str(value) for name, value in about.items()}])


def _date(query: Mapping[str, str], name: str, default: date) -> date:
    try:
        return date.fromisoformat(query[name]) if name in query else default
    except ValueError:
        raise _Refused(f"Variable {name} is not a YYYY-MM-DD date.") from None


def _number(query: Mapping[str, str], name: str, default: int, least: int) -> int:
    given = query.get(name, str(default))
    if not given.isdecimal() or not least <= int(given) <= (_MOST if name == "limit" else 10**9):
        raise _Refused(f"The value for variable {name} is not an integer in the allowed range.")
    return int(given)


def _xml_tree(
    root: Literal["observations", "seriess"],
    head: Mapping[str, str | int],
    item: str,
    rows: list[dict[str, str]],
) -> Rendered:
    lines = [f"<{item} {_attributes(row)} />" for row in rows]
    return _xml("\n".join([f"<{root} {_attributes(head)}>", *lines, f"</{root}>"]))


def _attributes(values: Mapping[str, str | int]) -> str:
    return " ".join(f"{name}={quoteattr(str(value))}" for name, value in values.items())


def _xml(text: str, status: int = 200) -> Rendered:
    body = f'<?xml version="1.0" encoding="utf-8" ?>\n{text}\n'.encode()
    return Rendered(status=status, content_type=XML, body=body)
