"""What can be set about alerts."""

from pydantic import Field

from autonomous_healing.resilience import Options


class AlertSettings(Options):
    """When an alert is over, and how many may be open."""

    auto_resolve: float = Field(
        5.0, ge=0, le=300, description="Seconds in which an alert ends after two truthful answers in a row."
    )
    resolve_timeout: float = Field(
        300.0, gt=0, le=86_400, description="Seconds without its fault after which an alert ends anyway."
    )
    max_open: int = Field(
        1000, ge=1, le=100_000, description="Open alerts beyond which new ones are grouped by source."
    )
