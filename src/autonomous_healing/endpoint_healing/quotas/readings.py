"""How much of each limit is used, and when nothing will be left of it, as values for people."""

from dataclasses import dataclass
from datetime import timedelta

#: Its code: a diagnosis made before the fault.
QUOTA_FORECAST = "FORECAST.QUOTA_EXHAUSTION"


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaForecast:
    """At the rate of late, nothing will be left of a window before it begins anew."""

    source: str
    key_alias: str  #: empty where the source wants no key
    window: str  #: "day", "90s"
    is_pace: bool  #: a window of an hour at most: it will be full again soon
    eta: timedelta
    resets_in: timedelta | None  #: None for a sliding window
    code: str = QUOTA_FORECAST


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaReading:
    """One limit of one key now."""

    source: str
    key_alias: str
    window: str
    seconds: float  #: its length; of a month the longest
    kind: str  #: "fixed" or "sliding"
    declared: int | None  #: None: nobody has declared a limit
    estimated: int | None  #: None: nothing else than what is declared was learned
    limit: int | None  #: the smaller of the two; None: nothing is known yet
    used: int  #: calls that count now, with those of others that we were told of
    remaining: int | None  #: None: nothing is known of a limit
    resets_in: (
        timedelta | None
    )  #: until it begins anew; of a sliding one until its oldest call counts no more
    share: float | None  #: of the limit that is used, 0 to 1 and above
    eta: timedelta | None  #: until nothing is left, at the rate of late; None where that will not be
    forecast: str | None  #: the code, where nothing will be left before it begins anew


def span(seconds: float | None) -> timedelta | None:
    """Seconds as a duration."""
    return None if seconds is None else timedelta(seconds=seconds)
