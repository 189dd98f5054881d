"""The healthy answer of long ago: beyond every freshness rule, with its own old time stamps."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

from autonomous_healing.drills.twins.economy import SERIES, Frequency
from autonomous_healing.drills.twins.providers import Ask, truthful
from autonomous_healing.drills.twins.rendered import Rendered

#: Quotes and rates: longer than any weekend with holidays, yet under the 7 days that make them implausible.
_QUOTE_LAG = timedelta(days=5)
_BARS_LAG = timedelta(days=14)  #: whole weeks, so that the same weekdays come back
_SERIES_LAG = {
    Frequency.DAILY: timedelta(days=35),
    Frequency.MONTHLY: timedelta(days=182),
    Frequency.QUARTERLY: timedelta(days=455),
}


def long_ago(ask: Ask) -> Rendered:
    """The same request, window and all, as it was answered then."""
    path, query = _moved(ask, lag(ask))
    return truthful(replace(ask, path=path, query=query, at=ask.at - lag(ask)))


def lag(ask: Ask) -> timedelta:
    """How long ago the answer of `long_ago` was the truth."""
    match ask.source, ask.endpoint:
        case "fred_api", _:
            series = SERIES.get(ask.query.get("series_id", ""))
            return _SERIES_LAG[series.frequency] if series else _BARS_LAG
        case ("yahoo_finance", "/chart") | ("polygon_io", _):
            return _BARS_LAG
        case "alpha_vantage", _ if ask.query.get("function") == "TIME_SERIES_DAILY":
            return _BARS_LAG
        case _:
            return _QUOTE_LAG


def _moved(ask: Ask, by: timedelta) -> tuple[str, Mapping[str, str]]:
    """Path and query with every stated day or moment moved back, or the window would hold nothing."""
    query = dict(ask.query)
    for name in query.keys() & {"period1", "period2", "observation_start", "observation_end"}:
        query[name] = _back(query[name], by, unit=1)
    path = ask.path.split("/")
    if ask.source == "polygon_io" and ask.endpoint == "/v2/aggs":
        path[-2:] = [_back(moment, by, unit=1000) for moment in path[-2:]]
    return "/".join(path), query


def _back(moment: str, by: timedelta, *, unit: int) -> str:
    """A day, or a count of time units since 1970 (`unit` of them to the second), `by` earlier."""
    if moment.isdecimal():
        return str(int(moment) - int(by.total_seconds()) * unit)
    try:
        return (date.fromisoformat(moment) - by).isoformat()
    except (ValueError, OverflowError):
        return moment
