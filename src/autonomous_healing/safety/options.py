"""What an operator may set about what the product does by itself."""

from enum import StrEnum

from pydantic import Field

from autonomous_healing.resilience import Options


class Mode(StrEnum):
    """The fail-safe modes, from everything to nothing."""

    NORMAL = "normal"
    RULES_ONLY = "rules_only"
    ANSWERS_ONLY = "answers_only"
    OBSERVE_ONLY = "observe_only"


class SafetySettings(Options):
    """Section `safety` of the configuration."""

    mode: Mode = Field(Mode.NORMAL, strict=False, description="Fail-safe mode at start.")
    human_approval_threshold: float = Field(
        0.80, ge=0, le=1, description="Below this confidence a person is asked; single answers aside."
    )
    approval_risk: int = Field(7, ge=1, le=10, description="From this risk on a person is asked.")
    allowed_domains: tuple[str, ...] = Field(
        ("endpoint",), description="Where the product may act by itself."
    )
    deny: tuple[str, ...] = Field((), description="Names of strategies that may never act.")
