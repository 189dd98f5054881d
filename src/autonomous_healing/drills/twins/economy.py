"""The economic series of the model market: their names, how they are made, when they are published."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from autonomous_healing.drills.twins.listings import YIELDS


class Frequency(StrEnum):
    """How often a series has a value, by FRED's short names."""

    DAILY = "D"
    MONTHLY = "M"
    QUARTERLY = "Q"

    @property
    def in_words(self) -> str:
        return {"D": "Daily", "M": "Monthly", "Q": "Quarterly"}[self.value]


class Made(StrEnum):
    """Where the values of a series come from."""

    YIELD = "yield"  #: the noise stream of the same name, around `anchor`
    CLOSE = "close"  #: daily close of the symbol it follows
    NOON = "noon"  #: price of the symbol it follows at 17:00 UTC
    SPREAD = "spread"  #: ten-year less two-year yield
    AVERAGE = "average"  #: monthly mean of the daily series it follows
    LEVEL = "level"  #: a level that grows by the year, with waves


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """One economic series."""

    id: str
    title: str
    frequency: Frequency
    units: str
    made: Made
    follows: str = ""
    digits: int = 2
    anchor: float = 0.0  #: the level at the start of the year 2000 for `Made.LEVEL`
    growth: float = 0.0  #: per year, as a share
    volatility: float = 0.0
    lag: timedelta = timedelta(0)  #: from the end of the period until the value is published
    adjusted: bool = False  #: for the seasons

    def due_at(self, period: date) -> datetime:
        """When the value of the period that starts on this day is published."""
        return datetime.combine(period_end(self.frequency, period), time(), UTC) + self.lag


def _yield(series: str, years: int) -> Series:
    title = f"Market Yield on U.S. Treasury Securities at {years}-Year Constant Maturity"
    return Series(
        id=series,
        title=title,
        frequency=Frequency.DAILY,
        units="Percent",
        made=Made.YIELD,
        anchor=YIELDS[series],
    )


def _average(series: str, years: int) -> Series:
    title = f"Market Yield on U.S. Treasury Securities at {years}-Year Constant Maturity"
    return Series(
        id=series,
        title=title,
        frequency=Frequency.MONTHLY,
        units="Percent",
        made=Made.AVERAGE,
        follows=f"D{series}",
    )


def _daily(series: str, title: str, units: str, made: Made, follows: str, digits: int = 2) -> Series:
    return Series(
        id=series,
        title=title,
        frequency=Frequency.DAILY,
        units=units,
        made=made,
        follows=follows,
        digits=digits,
    )


_LEVELS = [
    Series(
        id="FEDFUNDS",
        title="Federal Funds Effective Rate",
        frequency=Frequency.MONTHLY,
        units="Percent",
        made=Made.LEVEL,
        anchor=5.12,
        volatility=0.3,
        lag=timedelta(days=1),
    ),
    Series(
        id="UNRATE",
        title="Unemployment Rate",
        frequency=Frequency.MONTHLY,
        units="Percent",
        made=Made.LEVEL,
        digits=1,
        anchor=4.0,
        volatility=1.5,
        lag=timedelta(days=6),
        adjusted=True,
    ),
    Series(
        id="CPIAUCSL",
        title="Consumer Price Index for All Urban Consumers: All Items in U.S. City Average",
        frequency=Frequency.MONTHLY,
        units="Index 1982-1984=100",
        made=Made.LEVEL,
        digits=3,
        anchor=169.3,
        growth=0.025,
        volatility=0.01,
        lag=timedelta(days=12),
        adjusted=True,
    ),
    Series(
        id="M2SL",
        title="M2",
        frequency=Frequency.MONTHLY,
        units="Billions of Dollars",
        made=Made.LEVEL,
        digits=1,
        anchor=4667.6,
        growth=0.06,
        volatility=0.02,
        lag=timedelta(days=26),
        adjusted=True,
    ),
    Series(
        id="GDP",
        title="Gross Domestic Product",
        frequency=Frequency.QUARTERLY,
        units="Billions of Dollars",
        made=Made.LEVEL,
        digits=3,
        anchor=10_002.2,
        growth=0.043,
        volatility=0.03,
        lag=timedelta(days=28),
        adjusted=True,
    ),
]

SERIES = {
    series.id: series
    for series in [
        _yield("DGS2", 2),
        _yield("DGS5", 5),
        _yield("DGS10", 10),
        _yield("DGS30", 30),
        _average("GS2", 2),
        _average("GS5", 5),
        _average("GS10", 10),
        _average("GS30", 30),
        _daily("T10Y2Y", "10-Year Treasury Constant Maturity Minus 2-Year", "Percent", Made.SPREAD, "DGS10"),
        _daily("SP500", "S&P 500", "Index", Made.CLOSE, "^GSPC"),
        _daily("VIXCLS", "CBOE Volatility Index: VIX", "Index", Made.CLOSE, "^VIX"),
        _daily(
            "DEXUSEU", "U.S. Dollars to Euro Spot Exchange Rate", "U.S. Dollars", Made.NOON, "EURUSD=X", 4
        ),
        *_LEVELS,
    ]
}


def periods(frequency: Frequency, first: date, last: date) -> Iterator[date]:
    """Start days of all periods from `first` to `last`, both included; daily ones only on weekdays."""
    day = first
    while day <= last:
        if starts_period(frequency, day):
            yield day
            day = period_end(frequency, day)
        else:
            day += timedelta(days=1)


def starts_period(frequency: Frequency, day: date) -> bool:
    match frequency:
        case Frequency.DAILY:
            return day.weekday() < 5
        case Frequency.MONTHLY:
            return day.day == 1
        case Frequency.QUARTERLY:
            return day.day == 1 and day.month in (1, 4, 7, 10)


def period_end(frequency: Frequency, period: date) -> date:
    """The first day that is no longer part of the period."""
    if frequency is Frequency.DAILY:
        return period + timedelta(days=1)
    months = period.month - 1 + (1 if frequency is Frequency.MONTHLY else 3)
    return date(period.year + months // 12, months % 12 + 1, 1)


#: Month and day of the holidays on which daily series show no value.
_HOLIDAYS = {(1, 1), (6, 19), (7, 4), (11, 11), (12, 25)}


def is_holiday(day: date) -> bool:
    """True on fixed United States holidays and on Thanksgiving, the fourth Thursday of November."""
    return (day.month, day.day) in _HOLIDAYS or (
        day.month == 11 and day.weekday() == 3 and 22 <= day.day <= 28
    )
