"""Answers as providers give them, fresh, so that no validator has a complaint; charts of an exact size."""

import json
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

_OPENING = time(14, 30, tzinfo=UTC)  #: of New York's session in winter: the stamp of a daily bar
_LEAST_BARS = 2


def chart(symbol: str, size: int, now: datetime, seed: int = 1) -> bytes:
    """Daily bars up to the last weekday, as many as fit, and a long name that fills the rest."""
    fewest, most = _LEAST_BARS, size // 40
    while fewest < most:
        middle = (fewest + most + 1) // 2
        if len(_document(symbol, middle, now, seed, "")) <= size:
            fewest = middle
        else:
            most = middle - 1
    short = _document(symbol, fewest, now, seed, "")
    if len(short) > size:
        raise ValueError(f"a chart does not fit into {size} bytes")
    return _document(symbol, fewest, now, seed, "x" * (size - len(short)))


def rates(base: str, now: datetime) -> bytes:
    """A table as the Exchange Rate API gives it, of this day."""
    midnight = datetime.combine(now.date(), time(tzinfo=UTC))
    document = {
        "result": "success",
        "time_last_update_unix": int(midnight.timestamp()),
        "time_next_update_unix": int((midnight + timedelta(days=1)).timestamp()),
        "base_code": base,
        "conversion_rates": {base: 1, "EUR": 0.9012, "GBP": 0.7811, "JPY": 150.23, "CHF": 0.8844},
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _document(symbol: str, count: int, now: datetime, seed: int, name: str) -> bytes:
    rng = random.Random(seed)
    days = _weekdays(count, now)
    closes = [round(rng.uniform(400, 500), 2) for _ in days]
    opens = [round(close + rng.uniform(-3, 3), 2) for close in closes]
    pairs = list(zip(opens, closes, strict=True))
    columns = {
        "open": opens,
        "high": [round(max(pair) + 1.25, 2) for pair in pairs],
        "low": [round(min(pair) - 1.25, 2) for pair in pairs],
        "close": closes,
        "volume": [rng.randint(40_000_000, 90_000_000) for _ in days],
    }
    meta = {
        "currency": "USD",
        "symbol": symbol,
        "exchangeName": "PCX",
        "instrumentType": "ETF",
        "regularMarketTime": _stamp(days[-1]),
        "gmtoffset": -18000,
        "timezone": "EST",
        "exchangeTimezoneName": "America/New_York",
        "regularMarketPrice": closes[-1],
        "chartPreviousClose": closes[0],
        "dataGranularity": "1d",
        "longName": name,
    }
    result = {
        "meta": meta,
        "timestamp": [_stamp(day) for day in days],
        "indicators": {"quote": [columns], "adjclose": [{"adjclose": closes}]},
    }
    document = {"chart": {"result": [result], "error": None}}
    return json.dumps(document, separators=(",", ":")).encode()


def _weekdays(count: int, now: datetime) -> Sequence[date]:
    """The last ones whose session has begun, oldest first."""
    day = now.date() if now.timetz() >= _OPENING else now.date() - timedelta(days=1)
    days: list[date] = []
    while len(days) < count:
        if day.weekday() < 5:
            days.append(day)
        day -= timedelta(days=1)
    return days[::-1]


def _stamp(day: date) -> int:
    return int(datetime.combine(day, _OPENING).timestamp())
