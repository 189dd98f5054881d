"""What an operator may set about what the product does by itself, and about who may ask it to."""

from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime, Field, model_validator

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


class Scope(StrEnum):
    """What a token allows; `safety.access` says which of them includes which."""

    READ = "read"
    OPERATE = "operate"
    APPROVE = "approve"
    ADMIN = "admin"


class TokenSettings(Options):
    """One bearer token, known by its hash alone."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_.-]{0,40}$", description="Whose it is; the audit names this as the actor."
    )
    hash: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="Its SHA-256, as `autonomous-healing token create` prints it."
    )
    scopes: tuple[Scope, ...] = Field(
        min_length=1, description="What it allows: `admin` holds all, each of the others holds `read`."
    )
    expires_at: AwareDatetime | None = Field(
        None, description="When it ends, with its time zone; never where nothing is set."
    )


class AuthSettings(Options):
    """Section `auth` of the configuration."""

    tokens: tuple[TokenSettings, ...] = Field(
        (), description="Who has a bearer token; `HEALING_API_TOKEN_<SCOPE>` adds one from the environment."
    )
    loopback_read: bool = Field(
        True, description="Whether this machine itself may read without a token; no more than that."
    )
    rate_limit_per_minute: int = Field(
        300,
        ge=1,
        le=1_000_000,
        description="Requests a minute from one address at most, to the dashboard's port; one more is 429.",
    )

    @model_validator(mode="after")
    def _without_doubles(self) -> Self:
        for what in ("name", "hash"):
            values = [getattr(one, what) for one in self.tokens]
            if len(set(values)) < len(values):
                raise ValueError(f"two tokens have the same {what}")
        return self
