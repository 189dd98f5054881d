"""What a good answer of the Exchange Rate API looks like, and how it says that something is wrong."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from autonomous_healing.endpoint_healing.call import Finding
from autonomous_healing.endpoint_healing.codes import (
    AUTH_REJECTED,
    CALLER_ERROR,
    MISSING,
    PLAN_LIMITED,
    QUOTA_EXHAUSTED,
)
from autonomous_healing.endpoint_healing.records import Rates
from autonomous_healing.endpoint_healing.validators.reading import (
    invalid,
    mapping,
    missing,
    named,
    number,
    unix_time,
)

CODES = {
    "quota-reached": QUOTA_EXHAUSTED,
    "invalid-key": AUTH_REJECTED,
    "inactive-account": AUTH_REJECTED,
    "plan-upgrade-required": PLAN_LIMITED,
    "unsupported-code": CALLER_ERROR,
    "malformed-request": CALLER_ERROR,
    "no-data-available": MISSING,
}


def rule(status: int, document: Any) -> Finding | None:
    """`result` "error" with an `error-type`, under any HTTP status."""
    if not isinstance(document, dict) or document.get("result") != "error":
        return None
    kind = str(document.get("error-type", ""))
    return Finding(
        CODES.get(kind, MISSING), kind or "an error without a type", 0.95 if kind in CODES else 0.6
    )


def latest(document: Any, params: Mapping[str, str]) -> Rates:
    """`conversion_rates` (`rates` on the open host) of positive numbers."""
    body = _success(document)
    table = mapping(body.get("conversion_rates", body.get("rates")), "conversion_rates")
    if not table:
        raise missing("conversion_rates")
    rates = {code: _rate(value, code) for code, value in table.items()}
    return Rates(
        base=named(body.get("base_code"), params.get("base"), "base"),
        as_of=_time(body, "time_last_update_unix"),
        next_update=_time(body, "time_next_update_unix"),
        rates=rates,
    )


def pair(document: Any, params: Mapping[str, str]) -> Rates:
    """One `conversion_rate`."""
    body = _success(document)
    target = named(body.get("target_code"), params.get("target"), "target")
    return Rates(
        base=named(body.get("base_code"), params.get("base"), "base"),
        as_of=_time(body, "time_last_update_unix"),
        next_update=_time(body, "time_next_update_unix"),
        rates={target: _rate(body.get("conversion_rate"), "conversion_rate")},
    )


def _success(document: Any) -> Mapping[str, Any]:
    body = mapping(document, "document")
    if body.get("result") != "success":
        raise invalid(f"result is {str(body.get('result'))[:40]!r}")
    return body


def _rate(value: Any, what: str) -> float:
    rate = number(value, what)
    if rate <= 0:
        raise invalid(f"rate of {what} is {rate}")
    return rate


def _time(body: Mapping[str, Any], name: str) -> datetime | None:
    return None if body.get(name) is None else unix_time(body[name], name)


SHAPES = {"/latest": latest, "/pair": pair}
