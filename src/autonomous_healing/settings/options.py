"""What an operator may set about logs."""

from typing import Literal

from pydantic import Field

from autonomous_healing.resilience import Options


class LoggingSettings(Options):
    """Section `logging` of the configuration."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least that is logged."
    )
    format: Literal["auto", "json", "text"] = Field(
        "auto", description="Text on a terminal, JSON elsewhere, or always one of them."
    )
    dir: str = Field("", description="Directory for rotated log files; none when empty.")
    rotate_mb: int = Field(50, ge=1, le=10240, description="Megabytes after which a log file is rotated.")
    keep: int = Field(10, ge=1, le=1000, description="Rotated log files that are kept.")
