"""Values that cannot be, and values that are hard to believe."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from autonomous_healing.endpoint_healing.call import Finding
from autonomous_healing.endpoint_healing.codes import IMPLAUSIBLE
from autonomous_healing.endpoint_healing.options import PlausibilitySettings
from autonomous_healing.endpoint_healing.records import (
    Bar,
    Bars,
    Description,
    Quote,
    Rates,
    Record,
    Series,
)

#: Clocks differ; a provider's may be this much ahead.
FUTURE = timedelta(seconds=300)


@dataclass(frozen=True, slots=True)
class Plausibility:
    """The bounds of believable values."""

    settings: PlausibilitySettings

    def judge(self, record: Record, params: Mapping[str, str], now: datetime) -> Finding | None:
        """The first impossible thing in `record`, or None."""
        match record:
            case Quote():
                wrong = self._quote(record, now)
            case Bars():
                wrong = self._bars(record, now)
            case Series() if "realtime_start" not in params:
                wrong = _dates(record)
            case Description(updated=date() as updated) if updated > (now + timedelta(days=1)).date():
                wrong = f"last updated on {updated}"
            case Rates() if any(rate <= 0 for rate in record.rates.values()):
                wrong = "a rate at or below zero"
            case Rates() if record.as_of is not None and record.as_of > now + FUTURE:
                wrong = "rates from the future"
            case _:
                wrong = None
        return Finding(IMPLAUSIBLE, wrong, 0.9) if wrong else None

    def suspect(self, record: Record) -> bool:
        """Believable only just: delivered, but marked."""
        change = record.change_pct if isinstance(record, Quote) else None
        return change is not None and abs(change) > 100 * self.settings.max_change

    def _quote(self, quote: Quote, now: datetime) -> str | None:
        if not self._is_price(quote.price):
            return f"price {quote.price} is outside all bounds"
        if quote.volume is not None and quote.volume < 0:
            return f"volume {quote.volume:.0f} is negative"
        if quote.as_of is None:
            return "a quote without a time"
        if quote.as_of > now + FUTURE:
            return f"quote from the future: {quote.as_of:%Y-%m-%dT%H:%M:%SZ}"
        if quote.as_of < now - timedelta(days=self.settings.max_age_days):
            return f"quote from {quote.as_of:%Y-%m-%d}"
        return None

    def _bars(self, bars: Bars, now: datetime) -> str | None:
        times = [row.t for row in bars.rows]
        ordered = sorted(times, reverse=bars.newest_first)
        if times != ordered or len(set(times)) != len(times):
            return "times of the bars do not run in one direction"
        if max(times) > now + FUTURE:
            return f"bar from the future: {max(times):%Y-%m-%dT%H:%M:%SZ}"
        low, high = self.settings.min_price, self.settings.max_price
        for row in bars.rows:
            if not _is_sound(row, low, high) and (wrong := self._bar(row)):
                return wrong
        return None

    def _bar(self, row: Bar) -> str | None:
        prices = [price for price in (row.o, row.h, row.l, row.c) if price is not None]
        if bad := [price for price in prices if not self._is_price(price)]:
            return f"price {bad[0]} at {row.t:%Y-%m-%d} is outside all bounds"
        if row.v is not None and row.v < 0:
            return f"volume {row.v:.0f} at {row.t:%Y-%m-%d} is negative"
        # Providers round the four prices one by one.
        slack = 1e-6 * max(prices, default=0.0)
        body = [price for price in (row.o, row.c) if price is not None]
        if row.h is not None and body and row.h < max(body) - slack:
            return f"high below open or close at {row.t:%Y-%m-%d}"
        if row.l is not None and body and row.l > min(body) + slack:
            return f"low above open or close at {row.t:%Y-%m-%d}"
        return None

    def _is_price(self, price: float) -> bool:
        return self.settings.min_price < price <= self.settings.max_price


def _is_sound(row: Bar, low: float, high: float) -> bool:
    """Whether a bar is whole and plainly in order, as nearly all are."""
    o, h, l, c = row.o, row.h, row.l, row.c  # noqa: E741  the four letters of a bar
    if o is None or h is None or l is None or c is None:
        return False
    return low < l <= o <= h <= high and l <= c <= h and (row.v or 0.0) >= 0


def _dates(series: Series) -> str | None:
    """Vintages aside, each day comes once and the days run in one direction."""
    days = [day for day, _ in series.observations]
    if len(set(days)) != len(days) or (days != sorted(days) and days != sorted(days, reverse=True)):
        return "dates of the observations do not run in one direction"
    return None
