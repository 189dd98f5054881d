"""The `database` section of the configuration."""

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator


class DatabaseSettings(BaseModel):
    """Where PostgreSQL is and how patient we are with it; the password comes from `HEALING_DB_PASSWORD`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    mode: Literal["embedded", "external"] = Field(
        "embedded", description="Whether the product starts its own PostgreSQL or uses a given one."
    )
    dsn: str = Field("", description="Address of the external PostgreSQL, without a password in it.")
    schema_name: str = Field(
        "healing",
        validation_alias="schema",
        serialization_alias="schema",
        pattern=r"^[a-z_][a-z0-9_]{0,62}$",
        description="The schema that holds all tables of the product.",
    )
    data_dir: str = Field(
        "var/postgres", min_length=1, description="Directory of the embedded PostgreSQL's files."
    )
    spool_dir: str = Field(
        "var/spool", min_length=1, description="Directory that keeps rows while PostgreSQL is away."
    )
    spool_max_mb: int = Field(
        256, ge=1, le=65536, description="Megabytes of spool beyond which trails are dropped first."
    )
    pool_min: int = Field(1, ge=0, le=100, description="Connections that are kept open at least.")
    pool_max: int = Field(8, ge=1, le=100, description="Connections that are open at most.")
    connect_timeout: float = Field(
        5.0, gt=0, le=60, description="Seconds in which a connection must be made or lent out."
    )
    statement_timeout_ms: int = Field(
        2000, ge=10, le=600_000, description="Milliseconds after which PostgreSQL gives up a statement."
    )
    require_at_start: bool = Field(
        False, description="Whether the product refuses to start without its database."
    )
    start_wait: float = Field(
        30.0, gt=0, le=600, description="Seconds to wait for the database at start where it is required."
    )
    queue_max: int = Field(
        10_000, ge=1, le=1_000_000, description="Rows that wait in memory before they go to the spool."
    )
    retention_days: int = Field(
        30, ge=1, le=3650, description="Days after which a daily partition is dropped."
    )

    @model_validator(mode="after")
    def _without_contradictions(self) -> Self:
        if self.mode == "external" and not self.dsn:
            raise ValueError("mode external needs a dsn")
        if self.mode == "embedded" and self.dsn:
            raise ValueError("dsn has no effect in mode embedded")
        if self.dsn and urlsplit(self.dsn).password:
            raise ValueError("the password belongs in HEALING_DB_PASSWORD, not in dsn")
        if self.pool_min > self.pool_max:
            raise ValueError("pool_min is above pool_max")
        return self
