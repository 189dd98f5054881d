"""What an alert says: title, message and what to do (spec: alerts, section 2). Pure."""

from collections.abc import Mapping

from autonomous_healing.alerts.facts import TroubleSeen

_LONGEST = 500  #: characters of an upstream's own complaint; the trail has all of it

_MONITORING = "Monitoring for recovery"
_WAITING = "Waiting for recovery"
_UPGRADE = "Consider upgrading the plan"
_VERIFY = "Verify credentials (manual)"

#: What goes on or can still be done, by code. No word of tickets: nothing opens one.
_POSSIBLE: Mapping[str, tuple[str, ...]] = {
    "API.RATE_LIMITED": (_MONITORING, _UPGRADE),
    "API.QUOTA_EXHAUSTED": (_MONITORING, _UPGRADE),
    "API.CLIENT_BLOCKED": (_MONITORING,),  # counts for nothing here, so that a larger plan helps nobody
    "API.TIMEOUT": ("Check upstream status",),
    "API.AUTH_REJECTED": (_VERIFY, "Check key expiry"),
    "API.PLAN_LIMITED": (_VERIFY, _UPGRADE),
    "API.SERVER_ERROR": (_WAITING,),
    "API.UNREACHABLE": ("Check local network and DNS",),
    "SYS.NETWORK_DOWN": ("Check local network and DNS",),
    "API.TOO_LARGE": ("Consider raising healing.max_answer_mb",),
}
_POSSIBLE_FOR_DATA = ("Check provider change log",)

#: What a strategy has done once it was tried, whatever came of it.
TRIED: Mapping[str, str] = {
    "rotate_api_key": "Attempted key rotation",
    "fred_rotate_api_key": "Attempted key rotation",
    "reduce_request_size": "Retried with a smaller request",
    "exponential_backoff_retry": "Retried with growing pauses",
}
#: What a strategy has done only if it cured.
CURED: Mapping[str, str] = {
    "use_cached_data": "Used cached data",
    "yahoo_alternate_endpoint": "Switched to fallback endpoint",
    "fred_use_alternate_series": "Switched to alternate series",
    "polygon_use_daily": "Switched to daily bars",
    "late_answer": "Waited for the late answer",
}
_CURED_DATA: Mapping[str, str] = {"use_cached_data": "Served last valid data"}


def title(source_name: str, health_status: str) -> str:
    """ "Yahoo Finance - Degraded" """
    return f"{source_name} - {health_status.capitalize()}"


def title_of(trouble: TroubleSeen) -> str:
    """Its own, or that of its source."""
    if trouble.telling is not None:
        return trouble.telling.title
    return title(trouble.source_name, trouble.health_status)


def message(trouble: TroubleSeen) -> str:
    """How it ended for whoever asked, on one line."""
    if trouble.telling is not None:
        return _on_one_line(trouble.telling.message)
    if trouble.healed:
        means = f" using {trouble.strategy}" if trouble.strategy else ""
        return f"Error detected and automatically healed{means}."
    return f"Error persisting on {trouble.endpoint}. {_on_one_line(trouble.message)}".strip()


def recommended_actions(trouble: TroubleSeen) -> tuple[str, ...]:
    """What was really done, in the past tense, then what goes on or is left to do."""
    if trouble.telling is not None:
        return trouble.telling.actions
    is_data = trouble.code.startswith("DATA.")
    done = [TRIED[name] for name in trouble.tried if name in TRIED]
    cured = {**CURED, **_CURED_DATA} if is_data else CURED
    if deed := cured.get(trouble.strategy or ""):
        done.append(deed)
    possible = _POSSIBLE_FOR_DATA if is_data else _POSSIBLE.get(trouble.code, (_MONITORING,))
    return tuple(dict.fromkeys((*done, *possible)))


def _on_one_line(text: str) -> str:
    """An upstream's words may hold line ends and bytes that neither a log nor a database takes."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:_LONGEST]
