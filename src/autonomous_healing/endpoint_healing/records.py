"""What an answer says, in the same words for every provider. A field the origin did not give is None."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Quote:
    """The price of one symbol at one moment."""

    symbol: str
    price: float
    change: float | None = None
    change_pct: float | None = None  #: percent
    volume: float | None = None
    currency: str | None = None
    as_of: datetime | None = None
    as_of_day: bool = False  #: `as_of` tells only the trading day
    delayed: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """Open, high, low, close and volume of one interval that starts at `t`."""

    t: datetime
    o: float | None
    h: float | None
    l: float | None  # noqa: E741  the field's own letter
    c: float | None
    v: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Bars:
    """Bars of one symbol, in the order in which they came."""

    symbol: str
    interval: float | None  #: seconds of one bar; None when the answer does not tell
    rows: tuple[Bar, ...]
    newest_first: bool = False
    delayed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """Dated values; None where the publisher has none for that day."""

    id: str
    observations: tuple[tuple[date, float | None], ...]
    published: date | None = None  #: the day of which the publisher speaks


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """Units of each currency for one unit of `base`."""

    base: str
    as_of: datetime | None
    next_update: datetime | None
    rates: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """What a series is, without its values."""

    id: str
    published: date | None  #: the day of which the publisher speaks
    updated: date | None  #: when its values last changed


Record = Quote | Bars | Series | Description | Rates
