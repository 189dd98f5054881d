"""What an operator may set about watching endpoints, each with a sentence."""

from typing import Literal

from pydantic import Field

from autonomous_healing.resilience import Options

Mode = Literal["active", "passive"]
Priority = Literal["critical", "high", "medium", "low"]


class Intervals(Options):
    critical: float = Field(30.0, gt=0, le=86400, description="Seconds between probes of critical targets.")
    high: float = Field(
        60.0, gt=0, le=86400, description="Seconds between probes of targets of high priority."
    )
    medium: float = Field(300.0, gt=0, le=86400, description="Seconds between probes of medium priority.")
    low: float = Field(600.0, gt=0, le=86400, description="Seconds between probes of low priority.")


class TargetSettings(Options):
    source: str = Field(description="Id of the source.")
    endpoint: str = Field(description="Name of its endpoint.")
    params: dict[str, str] = Field(default_factory=dict, description="Parameters of the question asked.")
    priority: Priority = Field("medium", description="How much it matters; sets the interval.")
    check_interval: float | None = Field(None, gt=0, le=86400, description="Own interval in seconds.")
    timeout: float = Field(10.0, gt=0, le=60, description="Seconds for one probe.")
    probe_mode: Mode = Field(
        "active",
        description="Passive: not probed while live traffic shows how it is.",
    )


def _targets() -> tuple[TargetSettings, ...]:
    """The targets of the shipped configuration (spec: provider facts, section 9)."""
    aggs = {"ticker": "AAPL", "multiplier": "1", "timespan": "day", "from": "{today-5}", "to": "{today}"}
    newest = {"series_id": "DGS10", "limit": "10", "sort_order": "desc"}
    ibm = {"function": "GLOBAL_QUOTE", "symbol": "IBM"}
    rows: tuple[
        tuple[str, str, dict[str, str], Priority, float, float, Literal["active", "passive"]], ...
    ] = (
        ("yahoo_finance", "/quote", {"symbol": "SPY"}, "high", 30.0, 10.0, "active"),
        ("yahoo_finance", "/chart", {"symbol": "SPY"}, "medium", 60.0, 10.0, "active"),
        ("fred_api", "/series", {"series_id": "DGS10"}, "high", 120.0, 10.0, "active"),
        ("fred_api", "/observations", newest, "medium", 300.0, 10.0, "active"),
        ("polygon_io", "/v2/aggs", aggs, "high", 60.0, 5.0, "active"),
        ("polygon_io", "/v2/prev", {"ticker": "AAPL"}, "low", 300.0, 5.0, "active"),
        ("alpha_vantage", "/query", ibm, "low", 600.0, 15.0, "passive"),
        ("exchange_rate_api", "/latest", {"base": "USD"}, "medium", 300.0, 10.0, "active"),
    )
    return tuple(
        TargetSettings(
            source=source,
            endpoint=endpoint,
            params=params,
            priority=priority,
            check_interval=interval,
            timeout=timeout,
            probe_mode=mode,
        )
        for source, endpoint, params, priority, interval, timeout, mode in rows
    )


class MonitoringSettings(Options):
    """Section `monitoring` of the configuration."""

    intervals_by_priority: Intervals = Field(
        default_factory=Intervals, description="Where a target has no interval of its own."
    )
    interval_min: float = Field(
        30.0, gt=0, le=600, description="The shortest interval that may be set, seconds."
    )
    interval_max: float = Field(
        600.0, gt=0, le=86400, description="The longest interval that may be set, seconds."
    )
    jitter: float = Field(0.15, ge=0, le=0.5, description="Share by which each interval varies.")
    concurrency: int = Field(32, ge=1, le=1000, description="Probes in flight at most.")
    edge_reprobe: float = Field(
        5.0, gt=0, le=60, description="Seconds to a second look after a first failure."
    )
    market_calendar: str = Field("XNYS", description="Exchange whose hours count, or always_open.")
    endpoints: tuple[TargetSettings, ...] = Field(default_factory=_targets, description="What is watched.")


class SupervisionSettings(Options):
    """Section `supervision` of the configuration."""

    max_restarts: int = Field(
        5, ge=1, le=1000, description="Restarts in the window before an agent has failed."
    )
    window: float = Field(600.0, gt=0, le=86400, description="Seconds in which they are counted.")
    heartbeat: float = Field(
        10.0, gt=0, le=300, description="Seconds between two writings of the agents' states."
    )
