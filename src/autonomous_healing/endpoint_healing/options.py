"""What an operator may set about endpoint healing, each with a sentence. Frozen once read."""

from typing import Annotated, Literal

from pydantic import Field

from autonomous_healing.endpoint_healing.caching.options import CacheMode
from autonomous_healing.endpoint_healing.endpoints import DataKind, SourceKind
from autonomous_healing.endpoint_healing.flow_options import (
    AdmissionSettings,
    ConcurrencySettings,
    HedgingSettings,
)
from autonomous_healing.endpoint_healing.key_options import KeyPlaceSettings, KeySettings
from autonomous_healing.endpoint_healing.quotas.options import QuotaSettings, QuotaWindowSettings
from autonomous_healing.resilience import BreakerSettings, Options, RetryBudgetSettings

#: A name, so that no key itself can stand in the file.
ENVIRONMENT_NAME = r"^[A-Z][A-Z0-9_]{2,63}$"

Level = Literal["exact", "equivalent", "stale", "reduced", "substitute"]


class SoftTimeoutSettings(Options):
    factor: float = Field(1.5, gt=0, le=10, description="Soft timeout as a multiple of the learned p95.")
    min: float = Field(1.0, gt=0, le=60, description="Never sooner than this, in seconds.")
    max: float = Field(5.0, gt=0, le=60, description="Never later than this, in seconds.")


class WindowSettings(Options):
    hold_down: float = Field(60.0, ge=0, le=3600, description="Seconds a worse status is kept at least.")
    degraded: float = Field(0.05, gt=0, lt=1, description="Error rate from which an endpoint is degraded.")
    critical: float = Field(0.20, gt=0, lt=1, description="Error rate from which an endpoint is critical.")
    failed: float = Field(0.50, gt=0, lt=1, description="Error rate from which an endpoint has failed.")
    few_samples: int = Field(10, ge=1, le=1000, description="Below this many calls, failures in a row count.")
    few_critical: int = Field(3, ge=1, le=100, description="Failures in a row for critical with few calls.")
    few_failed: int = Field(5, ge=1, le=100, description="Failures in a row for failed with few calls.")
    quiet_below: int = Field(5, ge=1, le=1000, description="Below this many calls the last hour is used.")
    quiet_calls: int = Field(20, ge=1, le=1000, description="How many calls of the last hour are used then.")


class KindLifetimes(Options):
    fresh: float = Field(ge=0, le=86400, description="Seconds in which a copy counts as the answer itself.")
    while_revalidate: float = Field(
        ge=0,
        le=2592000,
        description="Seconds after that in which it may be given, as stale, while a new one is fetched; "
        "only where its source has `while_revalidate`.",
    )
    if_error: float = Field(
        ge=0, le=2592000, description="Seconds after that in which it may heal, as stale."
    )


def _lifetimes(fresh: float, while_revalidate: float, if_error: float) -> KindLifetimes:
    return KindLifetimes(fresh=fresh, while_revalidate=while_revalidate, if_error=if_error)


class KindsSettings(Options):
    """Starting values: spec, endpoint healing, section 12."""

    quote: KindLifetimes = Field(_lifetimes(5.0, 30.0, 60.0), description="Copies of quotes.")
    intraday: KindLifetimes = Field(
        _lifetimes(30.0, 300.0, 900.0), description="Copies of bars shorter than a day."
    )
    daily: KindLifetimes = Field(_lifetimes(900.0, 3600.0, 129_600.0), description="Copies of daily bars.")
    macro: KindLifetimes = Field(
        _lifetimes(3600.0, 86_400.0, 604_800.0), description="Copies of economic series."
    )
    fx: KindLifetimes = Field(_lifetimes(900.0, 900.0, 86_400.0), description="Copies of exchange rates.")
    reference: KindLifetimes = Field(
        _lifetimes(900.0, 3600.0, 86_400.0), description="Copies of descriptions."
    )
    other: KindLifetimes = Field(_lifetimes(900.0, 3600.0, 86_400.0), description="Copies of anything else.")

    def of(self, kind: DataKind) -> KindLifetimes:
        """The lifetimes of copies of this kind."""
        found: KindLifetimes = getattr(self, kind.value)
        return found


class CacheSettings(Options):
    max_entries: int = Field(10000, ge=1, le=10_000_000, description="Last good copies held at most.")
    max_mb: int = Field(64, ge=1, le=65536, description="Megabytes of copies held at most.")
    max_body_mb: int = Field(5, ge=1, le=64, description="Megabytes above which an answer is not kept.")
    kinds: KindsSettings = Field(KindsSettings(), description="Lifetimes of copies by kind of data.")
    serve_fresh: bool = Field(
        True, description="Whether a copy that is still fresh answers without its source being asked."
    )
    coalesce: bool = Field(
        True, description="Whether those who ask the same at the same time share one call to its source."
    )
    persist: bool = Field(True, description="Whether copies are kept in the database, too.")
    prefetch: bool = Field(
        True, description="Whether what is asked for often is fetched anew before its copy is over."
    )


class PlausibilitySettings(Options):
    min_price: float = Field(0.001, ge=0, description="A price at or below this is impossible.")
    max_price: float = Field(1e8, gt=0, description="A price above this is impossible.")
    max_change: float = Field(
        0.5, gt=0, le=10, description="A larger change in a day is delivered as suspect."
    )
    max_age_days: int = Field(7, ge=1, le=365, description="A quote older than this is impossible.")


class FreshnessSettings(Options):
    quote_seconds: float = Field(
        3600.0, gt=0, description="Open-market seconds after which a quote is stale."
    )
    frozen_polls: int = Field(
        20, ge=2, le=10000, description="Equal answers in a row before a value may be frozen."
    )
    frozen_seconds: float = Field(1800.0, gt=0, description="Seconds of open market they must span.")


class StrategyOptions(Options):
    enabled: bool = Field(True, description="Whether the strategy may be used at all.")


class HealingSettings(Options):
    """Section `healing` of the configuration."""

    enable_auto_healing: bool = Field(True, description="Off: the proxy passes answers and errors through.")
    in_request_retries: int = Field(2, ge=0, le=10, description="Retries inside one request at most.")
    in_request_backoff_base: float = Field(
        0.2, gt=0, le=60, description="Longest wait before the first retry, seconds."
    )
    in_request_backoff_cap: float = Field(
        5.0, gt=0, le=60, description="Longest wait before any retry, seconds."
    )
    max_retry_attempts: int = Field(
        3,
        ge=0,
        le=10,
        description="Retries at most after the caller has its answer, to have a good copy again.",
    )
    exponential_backoff_base: float = Field(
        1.0, gt=0, le=3600, description="Seconds before the first of these."
    )
    backoff_factor: float = Field(
        2.0, ge=1, le=10, description="How many times longer the wait before each further one is."
    )
    retry_after_cap: float = Field(
        86400.0, gt=0, le=2678400, description="Longest rest of a source, whatever it says itself, seconds."
    )
    request_budget: float = Field(
        3.0, gt=0, le=60, description="Seconds from the diagnosis to the cure at most."
    )
    local_reserve: float = Field(
        0.2, ge=0, le=10, description="Seconds of the budget kept for local answers."
    )
    request_deadline: float = Field(15.0, gt=0, le=300, description="Seconds for one request in all.")
    soft_timeout: SoftTimeoutSettings = Field(
        default_factory=SoftTimeoutSettings,
        description="When healing starts although an answer may still come.",
    )
    slow_response: float = Field(
        5.0, gt=0, le=60, description="Seconds from which an answer counts as slow, whatever is usual."
    )
    allow: tuple[Level, ...] = Field(
        ("exact", "equivalent", "stale"), description="Fidelity levels given where a request does not say."
    )
    allow_max: tuple[Level, ...] = Field(
        ("exact", "equivalent", "stale", "reduced", "substitute"), description="Levels a request may ask for."
    )
    on_exhausted: Literal["upstream", "problem"] = Field(
        "upstream", description="Pass on the upstream's own error, or always a problem document."
    )
    max_answer_mb: int = Field(16, ge=1, le=256, description="Megabytes above which an answer is refused.")
    user_agent: str = Field(
        "autonomous-healing/0.1", min_length=1, description="How we name ourselves upstream."
    )
    connect_timeout: float = Field(
        2.0,
        gt=0,
        le=60,
        description="Seconds for name and connection to a source, and as many again for TLS.",
    )
    connections_per_host: int = Field(
        64, ge=1, le=10_000, description="Connections to one host of a source at most."
    )
    waiting_per_host: int = Field(
        1024, ge=0, le=100_000, description="Requests that may wait for a connection to one host."
    )
    retry_budget: RetryBudgetSettings = Field(
        default_factory=RetryBudgetSettings, description="Bound on extra calls to one source."
    )
    concurrency: ConcurrencySettings = Field(
        default_factory=ConcurrencySettings,
        description="How many calls a host gets at once, in each process.",
    )
    hedging: HedgingSettings = Field(
        default_factory=HedgingSettings,
        description="Second calls for questions that are slow to be answered.",
    )
    admission: AdmissionSettings = Field(
        default_factory=AdmissionSettings,
        description="Calls not made while a source as a whole is in trouble.",
    )
    breaker: BreakerSettings = Field(
        default_factory=BreakerSettings, description="Circuit breaker of a target."
    )
    window: WindowSettings = Field(
        default_factory=WindowSettings, description="Health windows and their bands."
    )
    cache: CacheSettings = Field(default_factory=CacheSettings, description="Last good copies.")
    quota: QuotaSettings = Field(
        default_factory=QuotaSettings, description="Who may use how much of a quota."
    )
    fallback_share_max: float = Field(
        0.5, gt=0, le=1, description="Share of what is left of a source's quota for calls in place of others."
    )
    plausibility: PlausibilitySettings = Field(
        default_factory=PlausibilitySettings, description="Bounds of believable values."
    )
    freshness: FreshnessSettings = Field(
        default_factory=FreshnessSettings, description="How old data may be, and when it counts as frozen."
    )
    keys: KeySettings = Field(default_factory=KeySettings, description="How long keys rest.")
    strategies: dict[str, StrategyOptions] = Field(
        default_factory=dict, description="Switches by strategy name."
    )


class SourceSettings(Options):
    """One entry of section `sources`."""

    enabled: bool = Field(True, description="Whether the source is offered and watched.")
    kind: SourceKind = Field(
        "data", description="Data is judged and healed; raw passes any request on to its one host, as it is."
    )
    hosts: tuple[str, ...] = Field(min_length=1, description="Base URLs in order of preference.")
    allow_private: bool = Field(
        False, description="Whether its hosts may have addresses of this machine or of private networks."
    )
    ca_file: str = Field(
        "",
        description="File with a certificate authority that is trusted beside the system's; none if empty.",
    )
    mount: str = Field(
        "", description="Raw only: path on the proxy below which it answers; /api/<id> with - for _ if empty."
    )
    port: int | None = Field(
        None, ge=0, le=65535, description="Raw only: a port of its own for it; 0 takes a free one."
    )
    auth: KeyPlaceSettings = Field(KeyPlaceSettings(), description="How the provider wants its key.")
    keys: tuple[Annotated[str, Field(pattern=ENVIRONMENT_NAME)], ...] = Field(
        (), description="Names of environment variables that hold keys."
    )
    rotate_on: tuple[Literal["limited", "drained", "invalid"], ...] = Field(
        ("invalid",), description="Key states in which another key may be used."
    )
    terms_allow_rotation: bool = Field(
        False, description="Whether the provider's terms let one go round the limits of a key by another."
    )
    expected_response: float = Field(2.0, gt=0, le=60, description="Usual response time in seconds.")
    retry_delay: float = Field(
        2.0, gt=0, le=3600, description="Rest after a throttle that names none, seconds."
    )
    quota_rest: float = Field(
        3600.0, gt=0, le=2678400, description="Rest after a spent quota that names none, seconds."
    )
    timeout: float = Field(10.0, gt=0, le=60, description="Seconds for one attempt.")
    while_revalidate: bool = Field(
        False,
        description="Whether a copy that has just expired answers, as stale, while a new one is fetched.",
    )
    cache: CacheMode = Field(
        "off", description="Raw only: shared keeps answers as HTTP allows it, and gives them to all callers."
    )
    stale_if_error: bool = Field(
        False,
        description="With a shared cache only: whether what it keeps stands in, as stale, where the source "
        "fails.",
    )
    quota: tuple[QuotaWindowSettings, ...] = Field((), description="Known limits, counted before each call.")
