"""When an upstream says it will be ready again, in all the forms in which upstreams say it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: Nobody is left alone for longer on a provider's word alone (spec: 24 h).
CAP = 86_400.0

#: A larger plain number is a Unix time: in milliseconds, in seconds.
UNIX_MS, UNIX_S = 1e12, 1e9


#: Where it is told to whoever asked too often; many providers send the last two with every answer.
OF_LIMITS = ("retry-after", "x-ratelimit-reset", "ratelimit-reset")


#: Where it is told to everybody.
OUTAGE = ("retry-after",)


def retry_after(headers: Mapping[str, str], now: datetime, names: Sequence[str] = OF_LIMITS) -> float | None:
    """Seconds to wait, between 0 and 24 h; None where nothing readable was said."""
    for name in names:
        if (said := headers.get(name)) and (seconds := _seconds(said.strip(), now)) is not None:
            return seconds
    return None


def _seconds(said: str, now: datetime) -> float | None:
    if said.isascii() and said.replace(".", "", 1).isdigit():
        number = float(said)
        if number >= UNIX_MS:
            number = number / 1000 - now.timestamp()
        elif number >= UNIX_S:
            number -= now.timestamp()
        return min(max(0.0, number), CAP)
    try:
        moment = parsedate_to_datetime(said)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), CAP)
