"""What an operator may set about quotas: the windows of a source, and who may use how much of them."""

import re
from datetime import time
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from autonomous_healing.resilience import Options

Word = Literal["second", "minute", "hour", "day", "month"]

#: Seconds of a window that is called by a word; of a month the longest, so that a sliding one holds for each.
LENGTHS: dict[str, float] = {
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86_400.0,
    "month": 2_678_400.0,
}

#: What one call may cost.
MOST_COST = 1_000_000

#: Windows that begin anew on a date, at a place.
DATED = frozenset({"day", "month"})

_RESET = re.compile(r"(?:(?P<day>[1-9]|[12][0-9]|3[01]) )?(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])")


class QuotaWindowSettings(Options):
    window: Word | float = Field(description="Its length: second, minute, hour, day, month, or seconds.")
    limit: int = Field(ge=1, le=1_000_000_000, description="Calls allowed in it.")
    kind: Literal["sliding", "fixed"] = Field(
        "sliding", description="Sliding holds in any such span of time; fixed begins anew at certain moments."
    )
    reset: str = Field(
        "00:00",
        description="When a fixed day begins anew; of a month with its day, as in `15 00:00`, else the 1st.",
    )
    zone: str = Field("UTC", description="The time zone of that, as in `America/New_York`.")
    weight: dict[str, int | str] = Field(
        default_factory=dict,
        description="What calls cost, by endpoint: a number, or the parameter that lists what costs 1 each.",
    )

    @field_validator("window", mode="before")
    @classmethod
    def _is_a_length(cls, said: object) -> object:
        match said:
            case str() if said in LENGTHS:
                return said
            case bool() | str():
                pass
            case int() | float() if 0 < said <= LENGTHS["month"]:
                return float(said)
        raise ValueError(f"is none of {', '.join(LENGTHS)}, nor seconds up to {LENGTHS['month']:.0f}")

    @field_validator("weight", mode="before")
    @classmethod
    def _are_costs(cls, said: object) -> object:
        for cost in said.values() if isinstance(said, dict) else ():
            match cost:
                case str() if cost:
                    continue
                case int() if not isinstance(cost, bool) and 1 <= cost <= MOST_COST:
                    continue
            raise ValueError(f"a cost is a number from 1 to {MOST_COST}, or the name of a parameter")
        return said

    @field_validator("reset")
    @classmethod
    def _is_a_moment(cls, said: str) -> str:
        if _RESET.fullmatch(said) is None:
            raise ValueError("is no time of day like 00:00, or day of the month with one like 15 00:00")
        return said

    @field_validator("zone")
    @classmethod
    def _is_a_zone(cls, said: str) -> str:
        try:
            ZoneInfo(said)
        except (LookupError, ValueError, OSError):
            raise ValueError("is no time zone like America/New_York") from None
        return said

    @property
    def name(self) -> str:
        """ "day", "90s": the same for no other window of a source."""
        return self.window if isinstance(self.window, str) else f"{self.window:g}s"

    @property
    def seconds(self) -> float:
        """Its length; of a month the longest."""
        return LENGTHS[self.window] if isinstance(self.window, str) else self.window

    @property
    def reset_day(self) -> int:
        """Of the month; in a shorter month its last day stands for one that is not there."""
        return int(self._reset()["day"] or 1)

    @property
    def reset_time(self) -> time:
        """Of the day."""
        said = self._reset()
        return time(int(said["hour"]), int(said["minute"]))

    def _reset(self) -> re.Match[str]:
        found = _RESET.fullmatch(self.reset)
        assert found is not None, "was checked when it was read"
        return found


def name_of(seconds: float) -> str:
    """How a window of that length is called."""
    return next((word for word, length in LENGTHS.items() if length == seconds), f"{seconds:g}s")


def length_of(name: str) -> float | None:
    """Seconds of a window that is called so; None where none is."""
    if name in LENGTHS:
        return LENGTHS[name]
    number = name.removesuffix("s")
    return float(number) if number.replace(".", "", 1).isdecimal() and number.isascii() else None


class QuotaSettings(Options):
    """Shares of a window that must not be used up yet for calls of a kind to be made; healing may use all."""

    background: float = Field(
        0.80, gt=0, le=1, description="For probes, prefetching, shadow traffic and drills."
    )
    batch: float = Field(0.90, gt=0, le=1, description="For callers who can wait.")
    first: float = Field(0.95, gt=0, le=1, description="For first attempts; what is left is for healing.")
    probes: float = Field(0.05, gt=0, le=1, description="Share of a window that probes may use in all.")
