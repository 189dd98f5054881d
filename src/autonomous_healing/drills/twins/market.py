"""The model market behind all twins: it knows every true value at any moment. Knows no provider."""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from autonomous_healing.drills.twins.economy import (
    SERIES,
    Made,
    Series,
    is_holiday,
    periods,
    starts_period,
)
from autonomous_healing.drills.twins.listings import (
    CURRENCIES,
    CURRENCY_VOLATILITY,
    YIELD_VOLATILITY,
    Kind,
    Listing,
    currency_pair,
    find,
)
from autonomous_healing.drills.twins.noise import drift, reach, stream, uniform

HISTORY = timedelta(days=3653)  #: how far values reach back before the epoch: ten years
DAY = timedelta(days=1)
_SAMPLES = 12  #: moments looked at for the range of a bar
_YEAR_2000 = date(2000, 1, 1)


class NotListed(LookupError):
    """No such symbol, series or currency in the model market."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """One price bar; it covers `start` up to, but without, `start + span`."""

    start: datetime
    span: timedelta
    open: float
    high: float
    low: float
    close: float
    volume: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """One value of a series; None where the day brought none."""

    day: date
    value: float | None


@dataclass(frozen=True, slots=True)
class Market:
    """The truth at any moment, as a function of the seed; always open, one tick per second.

    `epoch` is where the waves start; history reaches ten years further back. All days are UTC days.
    """

    seed: int
    epoch: datetime

    @property
    def first_day(self) -> date:
        return (self.epoch - HISTORY).date()

    def lists(self, symbol: str) -> bool:
        return find(symbol) is not None

    def listing(self, symbol: str) -> Listing:
        """The instrument of that symbol (Yahoo's spelling); raises NotListed."""
        if (listing := find(symbol)) is None:
            raise NotListed(f"no symbol {symbol!r} in the model market")
        return listing

    def price(self, symbol: str, at: datetime) -> float:
        """Price at the whole second of `at`; two seconds or two minutes in a row never agree."""
        return self._price(self.listing(symbol), _second(at))

    def rate(self, base: str, quote: str, at: datetime) -> float:
        """Units of `quote` for one unit of `base`; the same number as the price of the pair."""
        for currency in (base, quote):
            if currency not in CURRENCIES:
                raise NotListed(f"no currency {currency!r} in the model market")
        if base == quote:
            return 1.0
        return self._rate(base, quote, _second(at))

    def bar(self, symbol: str, start: datetime, span: timedelta) -> Bar:
        """The bar over this stretch of time; every tick of it lies between low and high."""
        return _bar(self, symbol, _second(start), int(span.total_seconds()))

    def day_bar(self, symbol: str, day: date) -> Bar:
        return self.bar(symbol, midnight(day), DAY)

    def day_so_far(self, symbol: str, at: datetime) -> Bar:
        """The unfinished bar of today, up to and including the second of `at`."""
        start = midnight(at.astimezone(UTC).date())
        return self.bar(symbol, start, timedelta(seconds=_second(at) - _second(start) + 1))

    def days(self, symbol: str, first: date, last: date, at: datetime) -> list[date]:
        """Whole past days with a bar, from `first` to `last`, both included, oldest first."""
        rests = self.listing(symbol).rests_at_weekends
        first = max(first, self.first_day)
        last = min(last, at.astimezone(UTC).date() - DAY)
        every_day = (first + number * DAY for number in range((last - first).days + 1))
        return [day for day in every_day if not (rests and day.weekday() >= 5)]

    def latest_days(self, symbol: str, count: int, at: datetime) -> list[date]:
        """The newest `count` whole days with a bar, oldest first."""
        yesterday = at.astimezone(UTC).date() - DAY
        return self.days(symbol, yesterday - timedelta(days=2 * count + 3), yesterday, at)[-count:]

    def previous_close(self, symbol: str, at: datetime) -> float:
        """Close of the last whole day with a bar before the day of `at`."""
        [day] = self.latest_days(symbol, 1, at)
        return self.close(symbol, day)

    def close(self, symbol: str, day: date) -> float:
        return self._price(self.listing(symbol), _second(midnight(day + DAY)) - 1)

    def volume_today(self, symbol: str, at: datetime) -> int:
        day, seconds = divmod(_second(at), 86_400)
        return self._traded(self.listing(symbol), day, seconds + 1)

    def series(self, series: str) -> Series:
        """The facts of a series; raises NotListed."""
        if series not in SERIES:
            raise NotListed(f"no series {series!r} in the model market")
        return SERIES[series]

    def observation(self, series: str, day: date) -> float | None:
        """The true value of the period that starts on this day; None on holidays and where none starts."""
        return _observation(self, self.series(series), day)

    def observations(self, series: str, at: datetime, since: date = date.min) -> list[Observation]:
        """All values published by `at`, from the day `since` on, oldest first; the newest has a value."""
        facts = self.series(series)
        published = [
            Observation(day=day, value=_observation(self, facts, day))
            for day in periods(facts.frequency, max(since, self.first_day), at.astimezone(UTC).date())
            if facts.due_at(day) <= at
        ]
        while published and published[-1].value is None:
            published.pop()
        return published

    def _price(self, listing: Listing, second: int) -> float:
        if pair := currency_pair(listing.symbol):
            return self._rate(*pair, second)
        wandered = self._drift(listing.follows or listing.symbol, second)
        return _tick(listing.anchor * math.exp(listing.volatility * wandered), listing.digits, second)

    def _rate(self, base: str, quote: str, second: int) -> float:
        value = self._per_dollar(quote, second) / self._per_dollar(base, second)
        return _tick(value, _rate_digits(value), second)

    def _per_dollar(self, currency: str, second: int) -> float:
        level, _ = CURRENCIES[currency]
        if currency == "USD":
            return level
        return level * math.exp(CURRENCY_VOLATILITY * self._drift(currency, second))

    def _drift(self, name: str, second: int) -> float:
        return drift(stream(self.seed, name), second - _second(self.epoch))

    def _traded(self, listing: Listing, day: int, seconds: int) -> int:
        """Pieces traded on that day since 1970, in its first so many seconds."""
        whole_day = listing.daily_volume * (
            0.6 + 0.8 * uniform(stream(self.seed, listing.symbol, "volume"), day)
        )
        share = seconds / 86_400
        # More is traded around noon; a running total keeps the sum over any parts exact.
        return int(whole_day * (share - 0.12 * math.sin(math.tau * share)))

    def _made(self, facts: Series, day: date) -> float | None:
        match facts.made:
            case Made.YIELD:
                wandered = self._drift(facts.id, _second(midnight(day)) + 20 * 3600)
                return round(facts.anchor * math.exp(YIELD_VOLATILITY * wandered), facts.digits)
            case Made.CLOSE:
                return self.close(facts.follows, day)
            case Made.NOON:
                return self.price(facts.follows, midnight(day) + timedelta(hours=17))
            case Made.SPREAD:
                return self._spread(day)
            case Made.AVERAGE:
                return self._average(facts, day)
            case Made.LEVEL:
                years = (day - _YEAR_2000).days / 365.25
                wandered = facts.volatility * self._drift(facts.id, _second(midnight(day)))
                return round(facts.anchor * math.exp(facts.growth * years + wandered), facts.digits)

    def _spread(self, day: date) -> float | None:
        long, short = self.observation("DGS10", day), self.observation("DGS2", day)
        return None if long is None or short is None else round(long - short, 2)

    def _average(self, facts: Series, month: date) -> float | None:
        daily = self.series(facts.follows)
        days = (month + number * DAY for number in range(31))
        values = [_observation(self, daily, day) for day in days if day.month == month.month]
        present = [value for value in values if value is not None]
        return round(sum(present) / len(present), facts.digits) if present else None


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


@lru_cache(maxsize=65_536)
def _bar(market: Market, symbol: str, start: int, seconds: int) -> Bar:
    listing, end = market.listing(symbol), start + seconds
    step = max(1, seconds // _SAMPLES)
    prices = [market._price(listing, second) for second in (*range(start, end, step), end - 1)]
    low, high = min(prices), max(prices)
    if step > 1:
        unit = 10.0 ** -_digits(listing, low)
        stray = math.exp(_volatility(listing) * reach(step))
        low, high = (low - 4 * unit) / stray, (high + 4 * unit) * stray
    digits = _digits(listing, low)
    return Bar(
        start=datetime.fromtimestamp(start, UTC),
        span=timedelta(seconds=seconds),
        open=prices[0],
        high=round(math.ceil(high * 10**digits - 1e-6) / 10**digits, digits),
        low=round(math.floor(low * 10**digits + 1e-6) / 10**digits, digits),
        close=prices[-1],
        volume=_volume(market, listing, start, end),
    )


def _volume(market: Market, listing: Listing, start: int, end: int) -> int:
    total = 0
    for day in range(start // 86_400, (end - 1) // 86_400 + 1):
        opens = day * 86_400
        until, since = min(end - opens, 86_400), max(start - opens, 0)
        total += market._traded(listing, day, until) - market._traded(listing, day, since)
    return total


@lru_cache(maxsize=65_536)
def _observation(market: Market, facts: Series, day: date) -> float | None:
    if day < market.first_day or not starts_period(facts.frequency, day):
        return None
    if facts.frequency == "D" and is_holiday(day):
        return None
    return market._made(facts, day)


def _second(at: datetime) -> int:
    if at.tzinfo is None:
        raise ValueError("the market needs an aware datetime")
    return math.floor(at.timestamp())


def _tick(value: float, digits: int, second: int) -> float:
    """The value in its last decimals, marked so that neighbouring seconds and minutes differ."""
    mark = (second & 1) + 2 * (second // 60 & 1)
    scale = 10.0**digits
    fours = max(0, round((value * scale - mark) / 4))
    return round((4 * fours + mark) / scale, digits)


def _rate_digits(value: float) -> int:
    return 4 if value >= 0.1 else 6 if value >= 0.001 else 8


def _digits(listing: Listing, value: float) -> int:
    return _rate_digits(value) if listing.kind is Kind.CURRENCY else listing.digits


def _volatility(listing: Listing) -> float:
    return 2 * CURRENCY_VOLATILITY if listing.kind is Kind.CURRENCY else listing.volatility
