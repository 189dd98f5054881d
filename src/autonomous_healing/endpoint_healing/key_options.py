"""What an operator may set about keys: where a provider wants its own, and how long one rests."""

from typing import Literal

from pydantic import ConfigDict, Field

from autonomous_healing.resilience import Options


class KeyPlaceSettings(Options):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    place: Literal["none", "query", "path", "header"] = Field(
        "none",
        validation_alias="in",
        serialization_alias="in",
        description="Where the provider wants its key; none where it wants no key.",
    )
    name: str = Field(
        "",
        description="Of the parameter or the header; one called Authorization carries `Bearer` and the key.",
    )


class KeySettings(Options):
    invalid_rest: float = Field(
        3600.0, gt=0, le=604800, description="Seconds before a rejected key is tried again."
    )
    invalid_again: float = Field(
        86400.0, gt=0, le=604800, description="Seconds before each further try, once that one has failed too."
    )
    check_spacing: float = Field(
        60.0,
        ge=1,
        le=3600,
        description="Seconds between two such tries of one source, whatever comes of them.",
    )
    plan_rest: float = Field(
        86400.0, gt=0, le=604800, description="Seconds a plan that lacks an endpoint is left alone."
    )
    rest_cap: float = Field(
        86400.0, gt=0, le=2678400, description="Longest rest of a key, whatever the provider says."
    )
    quarantine_after: int = Field(
        3, ge=2, le=4, description="Different refusals in the window that take a key out of use."
    )
    quarantine_window: float = Field(600.0, gt=0, le=86400, description="Seconds in which they are counted.")
