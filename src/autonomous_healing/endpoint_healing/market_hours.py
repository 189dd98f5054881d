"""The market's hours, as a process beside this one finds them out: see `market_calendar`."""

import asyncio
import sys
from datetime import datetime, timedelta

import msgspec

from autonomous_healing.endpoint_healing import market_calendar
from autonomous_healing.endpoint_healing.freshness import AlwaysOpen, MarketHours, Sessions

#: How far back answers are judged, and how long a product may run before it is started again.
PAST, FUTURE = timedelta(days=40), timedelta(days=365)

#: Seconds; the libraries take one to load, on a machine that swaps very much more.
LOAD_SECONDS = 60.0


class UnknownCalendar(ValueError):
    """No exchange's calendar has that name."""

    def __init__(self, calendar: str) -> None:
        super().__init__(f"unknown market calendar {calendar!r}; XNYS is one, always_open another")


class CalendarUnread(Exception):
    """The process that knows the calendar did not tell it."""


async def load_market_hours(
    calendar: str, now: datetime, *, seconds: float = LOAD_SECONDS, program: str = market_calendar.__file__
) -> MarketHours:
    """The exchange's sessions from 40 days ago to a year ahead; `always_open` has none.

    Raises `UnknownCalendar`, and `CalendarUnread` where that cannot be found out within so many seconds.
    """
    if calendar == "always_open":
        return AlwaysOpen()
    days = [moment.date().isoformat() for moment in (now - PAST, now + FUTURE)]
    # -P: it must not take modules of ours, which lie beside it, for libraries of the same name.
    asked = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", program, calendar, *days),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us alone
    )
    try:
        async with asyncio.timeout(seconds):
            said, complaint = await asked.communicate()
    except TimeoutError:
        raise CalendarUnread(f"the calendar {calendar} is not there after {seconds:g} s") from None
    finally:
        if asked.returncode is None:
            asked.kill()
            await asked.wait()
    if asked.returncode == market_calendar.UNKNOWN:
        raise UnknownCalendar(calendar)
    if asked.returncode != 0:
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        raise CalendarUnread(f"the calendar {calendar} cannot be read: {last or asked.returncode}")
    try:
        return Sessions(msgspec.json.decode(said, type=list[tuple[datetime, datetime]]))
    except msgspec.MsgspecError as garbled:
        raise CalendarUnread(f"the calendar {calendar} cannot be read: {garbled}") from garbled
