"""When an exchange trades, found out in a process of its own, which says it as JSON and ends.

The calendars' library brings pandas and numpy: two thirds as much memory as all the rest of the product.
Run as a file; of our own modules it needs none.
"""

import json
import sys
from collections.abc import Sequence
from datetime import datetime

#: Exit code where no calendar has that name.
UNKNOWN = 3


def sessions(calendar: str, start: str, end: str) -> list[tuple[datetime, datetime]]:
    """(open, close) of each session from one ISO date to another; `LookupError` for an unknown name."""
    import exchange_calendars
    from exchange_calendars.errors import InvalidCalendarName

    try:
        schedule = exchange_calendars.get_calendar(calendar, start=start, end=end).schedule
    except InvalidCalendarName as unknown:
        raise LookupError(calendar) from unknown
    rows = zip(schedule["open"], schedule["close"], strict=True)
    return [(opened.to_pydatetime(), closed.to_pydatetime()) for opened, closed in rows]


def main(argv: Sequence[str]) -> int:
    """`CALENDAR START END`."""
    calendar, start, end = argv
    try:
        spans = sessions(calendar, start, end)
    except LookupError:
        return UNKNOWN
    json.dump([(opened.isoformat(), closed.isoformat()) for opened, closed in spans], sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
