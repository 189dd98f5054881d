"""Exchange Rate API, played from the model market; its rates change with every minute.

Keyed: `/v6/{KEY}/latest/{base}` and `/v6/{KEY}/pair/{a}/{b}`. Open: `/v6/latest/{base}`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

from autonomous_healing.drills.twins.listings import CURRENCIES
from autonomous_healing.drills.twins.market import Market
from autonomous_healing.drills.twins.rendered import FoundKey, Rendered, in_json

_MINUTE = 60
_NO_KEY = "-"  #: stands in a path where its key was
_DOCUMENTATION = "https://www.exchangerate-api.com/docs"
_TERMS = "https://www.exchangerate-api.com/terms"


def render(market: Market, path: str, query: Mapping[str, str], at: datetime) -> Rendered:
    """The healthy answer, or the provider's own error where the request is at fault."""
    match path.split("/")[1:]:
        case ["v6", "latest", code]:
            return _latest(market, code, at, under="rates")
        case ["v6", _, "latest", code]:
            return _latest(market, code, at, under="conversion_rates")
        case ["v6", _, "pair", code, target]:
            return _pair(market, code, target, at)
        case _:
            return complaint(404, "malformed-request")


def endpoint(path: str) -> str:
    match path.split("/")[1:]:
        case ["v6", "latest", _] | ["v6", _, "latest", _]:
            return "/latest"
        case ["v6", _, "pair", _, _]:
            return "/pair"
        case _:
            return "/other"


def find_key(path: str, query: Mapping[str, str], bearer: str) -> FoundKey:
    """The key in the path; the path is given back with `-` in its place."""
    match path.split("/"):
        case ["", "v6", key, *rest] if needs_key(path):
            return FoundKey(key=key, path="/".join(["", "v6", _NO_KEY, *rest]), query=query)
        case _:
            return FoundKey(key="", path=path, query=query)


def needs_key(path: str) -> bool:
    return not path.startswith("/v6/latest/")


def complaint(status: int, error_type: str) -> Rendered:
    """The provider's error form."""
    return in_json(
        {
            "result": "error",
            "documentation": _DOCUMENTATION,
            "terms-of-use": _TERMS,
            "error-type": error_type,
        },
        status,
    )


def updated_at(at: datetime) -> datetime:
    """The minute whose rates are in force."""
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def _latest(market: Market, code: str, at: datetime, *, under: str) -> Rendered:
    if code not in CURRENCIES:
        return complaint(404, "unsupported-code")
    since = updated_at(at)
    others = [other for other in CURRENCIES if other != code]
    rates: dict[str, float | int] = {code: 1, **{other: market.rate(code, other, since) for other in others}}
    return in_json({**_head(since), "base_code": code, under: rates})


def _pair(market: Market, code: str, target: str, at: datetime) -> Rendered:
    if not {code, target} <= CURRENCIES.keys():
        return complaint(404, "unsupported-code")
    since = updated_at(at)
    rate = market.rate(code, target, since)
    return in_json({**_head(since), "base_code": code, "target_code": target, "conversion_rate": rate})


def _head(since: datetime) -> dict[str, str | int]:
    last = int(since.timestamp())
    return {
        "result": "success",
        "documentation": _DOCUMENTATION,
        "terms_of_use": _TERMS,
        "time_last_update_unix": last,
        "time_last_update_utc": _utc(last),
        "time_next_update_unix": last + _MINUTE,
        "time_next_update_utc": _utc(last + _MINUTE),
    }


def _utc(second: int) -> str:
    """As in `Fri, 27 Mar 2020 00:00:00 +0000`."""
    return format_datetime(datetime.fromtimestamp(second, UTC))
