"""What an operator may set about patience, and what all settings have in common."""

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """Frozen, strict about types, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class BreakerSettings(Options):
    """When a circuit opens, for how long, and what closes it. Defaults: spec, endpoint healing, section 7."""

    consecutive: int = Field(5, ge=1, le=1000, description="Failures in a row that open the circuit.")
    ratio: float = Field(
        0.5, gt=0, le=1, description="Share of failed calls, or of slow ones, that opens the circuit."
    )
    min_calls: int = Field(10, ge=1, le=10000, description="Calls in the window before the share counts.")
    window: float = Field(60.0, gt=0, le=3600, description="Window of the share in seconds.")
    slow_factor: float = Field(
        3.0, ge=1, le=100, description="A call is slow above this multiple of the usual p95."
    )
    slow_calls: int = Field(20, ge=2, le=1000, description="So many last calls tell whether it is slow.")
    open_base: float = Field(
        30.0, gt=0, le=3600, description="Seconds the circuit stays open the first time."
    )
    open_cap: float = Field(300.0, gt=0, le=86400, description="Longest time the circuit stays open.")
    jitter: float = Field(0.1, ge=0, le=0.5, description="Random share by which the open time varies.")
    reset_cap: float = Field(
        86400.0, gt=0, le=2678400, description="Longest time it stays open on the upstream's own word."
    )
    half_open_successes: int = Field(2, ge=1, le=100, description="Good trials that close the circuit.")
    last_resort_interval: float = Field(
        30.0,
        gt=0,
        le=3600,
        description="Seconds between trials before their time, where all circuits of an endpoint are open.",
    )
    slow_start: float = Field(
        60.0,
        ge=0,
        le=3600,
        description="Seconds in which a closed circuit gets its calls back, if another host takes them.",
    )
    calm: float = Field(300.0, gt=0, le=86400, description="Closed seconds that make up for one opening.")


class RetryBudgetSettings(Options):
    """How many calls may be added to what callers asked for."""

    ratio: float = Field(0.10, ge=0, le=1, description="Extra calls as a share of first calls in the window.")
    window: float = Field(10.0, gt=0, le=600, description="Length of the window in seconds.")
    floor: int = Field(
        3,
        ge=0,
        le=100,
        description="Extra calls that a window stays below, however few first calls there are.",
    )
