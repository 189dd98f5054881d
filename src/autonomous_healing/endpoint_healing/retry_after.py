"""When an upstream says it will be ready again, in all the forms in which upstreams say it."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: Nobody is left alone for longer on a provider's word alone, unless the settings say otherwise (spec: 24 h).
CAP = 86_400.0

#: A larger plain number is a Unix time: in milliseconds, in seconds.
UNIX_MS, UNIX_S = 1e12, 1e9


#: Where it is told to whoever asked too often; many providers send all but the first with every answer.
OF_LIMITS = ("retry-after", "ratelimit", "x-ratelimit-reset", "ratelimit-reset")


#: Where it is told to everybody.
OUTAGE = ("retry-after",)

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)

#: `r` and `t` of draft-ietf-httpapi-ratelimit-headers-10: calls left under a policy, seconds until more are.
_PARAMETER = re.compile(r";\s*([rt])\s*=\s*(\d+)", re.ASCII)


def retry_after(
    headers: Mapping[str, str], now: datetime, names: Sequence[str] = OF_LIMITS, cap: float = CAP
) -> float | None:
    """Seconds to wait, between 0 and `cap`; None where nothing readable was said."""
    for name in names:
        said = headers.get(name, "").strip()
        seconds = _of_policies(said) if name == "ratelimit" else _seconds(said, now)
        if seconds is not None:
            return min(max(0.0, seconds), cap)
    return None


def _seconds(said: str, now: datetime) -> float | None:
    """From now, perhaps in the past."""
    if not said.isascii():
        return None
    if _NUMBER.fullmatch(said):
        number = float(said)
        if number > UNIX_MS:
            return number / 1000 - now.timestamp()
        return number - now.timestamp() if number > UNIX_S else number
    try:
        moment = parsedate_to_datetime(said)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - now).total_seconds()


def _of_policies(said: str) -> float | None:
    """Until the last of those policies is renewed of which nothing is left; one that does not say counts."""
    waits = []
    for policy in said.split(","):
        told = {name: float(number) for name, number in _PARAMETER.findall(policy)}
        if "t" in told and not told.get("r"):
            waits.append(told["t"])
    return max(waits, default=None)
