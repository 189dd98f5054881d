"""What an operator may set about how many calls go to a source at once, and which go at all.

Defaults: spec, endpoint healing, section 13.
"""

from pydantic import Field

from autonomous_healing.resilience import Options


class ConcurrencySettings(Options):
    """Of each host of a source, in each process."""

    start: int = Field(8, ge=1, le=10_000, description="Calls at once before anything was learned.")
    min: int = Field(1, ge=1, le=10_000, description="Calls at once in the worst case.")
    max: int = Field(64, ge=1, le=10_000, description="Calls at once in the best case.")
    queue: int = Field(
        100, ge=0, le=10_000, description="Calls to one source that may wait until others have ended."
    )
    wait_share: float = Field(
        0.25, ge=0, le=1, description="Share of the time until its deadline that a call may wait."
    )


class AdmissionSettings(Options):
    """Of each source, over all of its endpoints and hosts."""

    success: float = Field(
        0.95, gt=0, le=1, description="Share of good calls below which some are no longer made."
    )
    window: float = Field(30.0, gt=0, le=600, description="Seconds over which the share is taken.")
    min_calls: int = Field(10, ge=1, le=10_000, description="Calls in the window before the share counts.")
    max_refused: float = Field(
        0.8, ge=0, lt=1, description="Share of calls that is not made in the worst case."
    )


class HedgingSettings(Options):
    enabled: bool = Field(
        True, description="Whether a slow question is put to another host before the first has answered."
    )
    share: float = Field(
        0.05,
        gt=0,
        le=0.5,
        description="Such calls at most, as a share of first calls in the retry budget's window.",
    )
