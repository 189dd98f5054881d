"""Reading a decoded JSON document without trusting any of it."""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from autonomous_healing.endpoint_healing.call import Finding
from autonomous_healing.endpoint_healing.codes import INVALID, MISSING

#: Unix seconds of the year 2200: a larger number is not a time.
LAST_TIME = 7_258_118_400

#: JSON knows whole numbers that no float can hold.
LARGEST = sys.float_info.max


#: What a number in JSON can become; a bool is none.
_NUMBERS = frozenset({int, float, type(None)})


class Wrong(Exception):
    """A document is not what it should be; carries the finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def missing(what: str) -> Wrong:
    return Wrong(Finding(MISSING, f"no {what} in the answer"))


def invalid(what: str) -> Wrong:
    return Wrong(Finding(INVALID, what))


def mapping(value: Any, what: str) -> Mapping[str, Any]:
    """An object that must be there. Raises `Wrong`."""
    if value is None:
        raise missing(what)
    if not isinstance(value, dict):
        raise invalid(f"{what} is not an object")
    return value


def rows(value: Any, what: str) -> Sequence[Any]:
    """A list that must be there and hold something. Raises `Wrong`."""
    if value is None:
        raise missing(what)
    if not isinstance(value, list):
        raise invalid(f"{what} is not a list")
    if not value:
        raise missing(what)
    return value


def number(value: Any, what: str, *, text: bool = False) -> float:
    """A finite number, also as text where the provider writes numbers so. Raises `Wrong`."""
    if value is None or value == "":
        raise missing(what)
    if text and isinstance(value, str):
        try:
            value = float(value.strip().removesuffix("%"))
        except ValueError:
            raise invalid(f"{what} is not a number") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST <= value <= LARGEST:
        raise invalid(f"{what} is not a number")
    return float(value)


def optional_number(value: Any, what: str, *, text: bool = False) -> float | None:
    return None if value is None else number(value, what, text=text)


def optional_numbers(values: Sequence[Any], what: str) -> list[float | None]:
    """A column of finite numbers with gaps, looked at as a whole. Raises `Wrong`."""
    if not _NUMBERS.issuperset(map(type, values)):
        raise invalid(f"{what} is not a number")
    present = [value for value in values if value is not None]
    if present and not (min(present) >= -LARGEST and max(present) <= LARGEST):
        raise invalid(f"{what} is not a number")
    return [None if value is None else float(value) for value in values]


def unix_times(values: Sequence[Any], what: str) -> list[datetime]:
    """A column of seconds since 1970, without gaps. Raises `Wrong`."""
    if None in values:
        raise missing(what)
    seconds = [second for second in optional_numbers(values, what) if second is not None]
    if seconds and not (min(seconds) >= 0 and max(seconds) <= LAST_TIME):
        raise invalid(f"{what} is not a time")
    return [datetime.fromtimestamp(second, UTC) for second in seconds]


def unix_time(value: Any, what: str, *, milliseconds: bool = False) -> datetime:
    """Seconds or milliseconds since 1970. Raises `Wrong`."""
    seconds = number(value, what) / (1000 if milliseconds else 1)
    if not 0 <= seconds <= LAST_TIME:
        raise invalid(f"{what} is not a time")
    return datetime.fromtimestamp(seconds, UTC)


def iso_date(value: Any, what: str) -> date:
    """A calendar day as text. Raises `Wrong`."""
    if not isinstance(value, str):
        raise invalid(f"{what} is not a date")
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        raise invalid(f"{what} is not a date") from None


def named(said: Any, asked: str | None, what: str) -> str:
    """What the answer says it is of; raises `Wrong` where that is not what was asked for.

    Case does not count, nor how the parts of a name are joined (BRK.B, BRK-B), nor the dollar that Yahoo
    leaves out of its pairs (USDJPY=X, JPY=X). An answer that names nothing is believed.
    """
    name = said if isinstance(said, str) else ""
    if name and asked and _plain(name) != _plain(asked):
        raise invalid(f"{what} is {name[:40]!r}, asked was {asked[:40]!r}")
    return name


def _plain(name: str) -> str:
    plain = name.strip().upper().translate(_JOINTS)
    return plain.removeprefix("USD") if plain.endswith("=X") and len(plain) == len("USDJPY=X") else plain


_JOINTS = str.maketrans("./ _", "----")


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
