"""How each provider says no: throttled, out of quota, key refused, forbidden, plan too small."""

from collections.abc import Callable
from dataclasses import replace
from math import ceil

from autonomous_healing.drills.twins import exchange_rate, fred, polygon, yahoo
from autonomous_healing.drills.twins.faults import FaultKind
from autonomous_healing.drills.twins.providers import Ask
from autonomous_healing.drills.twins.rendered import Rendered, in_html, in_json, in_text

REFUSALS = frozenset(
    {
        FaultKind.THROTTLE,
        FaultKind.THROTTLE_BARE,
        FaultKind.QUOTA,
        FaultKind.UNAUTHORIZED,
        FaultKind.FORBIDDEN,
        FaultKind.PLAN,
    }
)
_READ = "Read https://fred.stlouisfed.org/docs/api/api_key.html for more information."
_PREMIUM = "https://www.alphavantage.co/premium/"


def refuse(kind: FaultKind, ask: Ask, seconds: float = 1.0) -> Rendered:
    """The provider's own refusal; a throttle names the seconds to wait, unless bare."""
    refusal = _BY_SOURCE[ask.source](kind, ask)
    if kind is FaultKind.THROTTLE:
        return replace(refusal, headers={"Retry-After": str(ceil(seconds))})
    return refusal


def _yahoo(kind: FaultKind, ask: Ask) -> Rendered:
    match kind:
        case FaultKind.THROTTLE:
            return in_text("Too Many Requests\r\n", 429)
        case FaultKind.THROTTLE_BARE:
            return in_text("Edge: Too Many Requests", 429)
        case FaultKind.UNAUTHORIZED:
            return yahoo.complaint("finance", 401, "Unauthorized", "Invalid Crumb")
        case FaultKind.FORBIDDEN:
            return yahoo.complaint("finance", 403, "Forbidden", "Access is denied")
        case FaultKind.PLAN:
            return yahoo.complaint("finance", 403, "Forbidden", "Your plan does not include this feature")
        case _:
            return _payment_required()


def _fred(kind: FaultKind, ask: Ask) -> Rendered:
    match kind:
        case FaultKind.THROTTLE | FaultKind.THROTTLE_BARE:
            return fred.complaint(ask.query, 429, "Too Many Requests.  Exceeded Rate Limit")
        case FaultKind.UNAUTHORIZED:
            fault = _fault_of_fred_key(ask.key)
            return fred.complaint(ask.query, 400, f"Bad Request.  {fault}  {_READ}")
        case FaultKind.FORBIDDEN:
            return in_html("Access Denied", "You don't have permission to access this server.", 403)
        case FaultKind.PLAN:
            return fred.complaint(ask.query, 423, "Locked.  The account of this api_key is locked.")
        case _:
            return _payment_required()


def _fault_of_fred_key(key: str) -> str:
    if not key:
        return "Variable api_key is not set."
    if len(key) != 32 or not key.isalnum() or key != key.lower():
        return "The value for variable api_key is not a 32 character alpha-numeric lower-case string."
    return "The value for variable api_key is not registered."


def _polygon(kind: FaultKind, ask: Ask) -> Rendered:
    request = polygon.request_id(ask.market, ask.path, ask.query, ask.at)
    match kind:
        case FaultKind.THROTTLE | FaultKind.THROTTLE_BARE:
            text = (
                "You've exceeded the maximum requests per minute, please wait or upgrade your subscription."
            )
            return polygon.complaint(429, "ERROR", request, text)
        case FaultKind.UNAUTHORIZED:
            text = "Unknown API Key" if ask.key else "API Key was not provided"
            return polygon.complaint(401, "ERROR", request, text)
        case FaultKind.FORBIDDEN:
            return polygon.complaint(403, "ERROR", request, "Forbidden")
        case FaultKind.PLAN:
            text = "You are not entitled to this data. Please upgrade your plan at https://polygon.io/pricing"
            return polygon.complaint(403, "NOT_AUTHORIZED", request, text, under="message")
        case _:
            return _payment_required()


def _alpha_vantage(kind: FaultKind, ask: Ask) -> Rendered:
    match kind:
        case FaultKind.THROTTLE:
            text = "Our standard API call frequency is 5 calls per minute and 500 calls per day."
            return in_json({"Note": f"Thank you for using Alpha Vantage! {text} Please visit {_PREMIUM}"})
        case FaultKind.THROTTLE_BARE:
            text = (
                "Please consider spreading out your free API requests more sparingly (1 request per second)."
            )
            return in_json({"Information": f"Thank you for using Alpha Vantage! {text} See {_PREMIUM}"})
        case FaultKind.UNAUTHORIZED:
            text = "the parameter apikey is invalid or missing. Please claim your free API key on"
            return in_json({"Error Message": f"{text} (https://www.alphavantage.co/support/#api-key)."})
        case FaultKind.FORBIDDEN:
            return in_html("403 Forbidden", "Request blocked.", 403)
        case FaultKind.PLAN:
            text = "This is a premium endpoint. You may subscribe to any of the premium plans at"
            return in_json({"Information": f"Thank you for using Alpha Vantage! {text} {_PREMIUM}"})
        case _:
            # The real notice repeats the key, which clients must not pass on.
            text = f"We have detected your API key as {ask.key} and our standard API rate limit is"
            return in_json({"Information": f"{text} 25 requests per day. Please subscribe at {_PREMIUM}"})


def _exchange_rate(kind: FaultKind, ask: Ask) -> Rendered:
    match kind:
        case FaultKind.THROTTLE | FaultKind.THROTTLE_BARE:
            return in_html("429 Too Many Requests", "Please slow down.", 429)
        case FaultKind.UNAUTHORIZED:
            return exchange_rate.complaint(403, "invalid-key")
        case FaultKind.FORBIDDEN:
            return exchange_rate.complaint(403, "inactive-account")
        case FaultKind.PLAN:
            return exchange_rate.complaint(403, "plan-upgrade-required")
        case _:
            return exchange_rate.complaint(200, "quota-reached")


def _payment_required() -> Rendered:
    return in_json({"error": "Payment Required", "message": "The allowance of this account is used up."}, 402)


_BY_SOURCE: dict[str, Callable[[FaultKind, Ask], Rendered]] = {
    "yahoo_finance": _yahoo,
    "fred_api": _fred,
    "polygon_io": _polygon,
    "alpha_vantage": _alpha_vantage,
    "exchange_rate_api": _exchange_rate,
}
