"""Dates of HTTP in their three forms, and nothing that only looks like one (RFC 9110, section 5.6.7)."""

import re
from datetime import UTC, datetime

_MONTHS = (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec")
_SHORT_DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")

_TIME = rb"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_MONTH = rb"(?P<month>%b)" % b"|".join(_MONTHS)
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rb"(?:mon|tue|wed|thu|fri|sat|sun), (?P<day>[0-9]{2}) %b (?P<year>[0-9]{4}) %b GMT" % (_MONTH, _TIME),
        rb"(?:mon|tues|wednes|thurs|fri|satur|sun)day, "
        rb"(?P<day>[0-9]{2})-%b-(?P<year>[0-9]{2}) %b GMT" % (_MONTH, _TIME),
        rb"(?:mon|tue|wed|thu|fri|sat|sun) %b (?P<day>[ 0-9][0-9]) %b (?P<year>[0-9]{4})" % (_MONTH, _TIME),
    )
)


def read_date(field: bytes, now: float) -> float | None:
    """Unix seconds, or None for what is no date; letters may be of either case.

    `now` in Unix seconds tells the century of a year of two digits: it is never more than 50 years ahead.
    """
    for form in _FORMS:
        found = form.fullmatch(field)
        if found is not None:
            return _seconds(found, now)
    return None


def write_date(seconds: float) -> bytes:
    """In the preferred form."""
    at = datetime.fromtimestamp(seconds, UTC)
    names = _SHORT_DAYS[at.weekday()], at.day, _MONTHS[at.month - 1].title(), at.year
    return b"%b, %02d %b %04d %02d:%02d:%02d GMT" % (*names, at.hour, at.minute, at.second)


def _seconds(found: re.Match[bytes], now: float) -> float | None:
    year = int(found["year"])
    if len(found["year"]) == 2:
        this_year = datetime.fromtimestamp(now, UTC).year
        year += this_year - this_year % 100
        year -= 100 if year > this_year + 50 else 0
    month = _MONTHS.index(found["month"].lower()) + 1
    clock = (int(found["hour"]), int(found["minute"]), min(int(found["second"]), 59))
    try:
        return datetime(year, month, int(found["day"]), *clock, tzinfo=UTC).timestamp()
    except ValueError:
        return None
