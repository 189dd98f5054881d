"""What the first step of the data plane has to reach, and whether it does. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on one figure."""

    figure: str
    bound: float
    inclusive: bool = True

    def reached(self, value: float | None) -> bool | None:
        """None where nothing was measured."""
        if value is None:
            return None
        return value <= self.bound if self.inclusive else value < self.bound

    def __str__(self) -> str:
        return f"{self.figure} {'<=' if self.inclusive else '<'} {self.bound:g}"


#: Bounds on ratios of CPU per request, on milliseconds and on megabytes.
FIRST = (
    Target("cpu_ratio_nginx_1k_c16", 1.6),
    Target("cpu_ratio_nginx_1k_c64", 1.6),
    Target("cpu_ratio_envoy_1k_c16", 1.0, inclusive=False),
    Target("cpu_ratio_envoy_1k_c64", 1.0, inclusive=False),
    Target("cpu_ratio_nginx_100k_c16", 1.4),
    Target("cpu_ratio_nginx_100k_c64", 1.4),
    Target("cpu_ratio_own_fail_c16", 1.5),
    Target("cpu_ratio_nginx_tls_c16", 1.7),
    Target("cpu_ratio_nginx_cached_c16", 0.9),  # no case yet: hits in our memory next to nginx's own cache
    Target("added_latency_p50_ms", 0.2),
    Target("added_latency_p99_ms", 2.0),
    Target("rss_mb", 120.0),  # meant for 10 000 endpoints; here there is one source under load
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target with what was found."""

    figure: str
    target: str
    value: float | None
    reached: bool | None


def verdicts(figures: Mapping[str, float | None]) -> list[Verdict]:
    """All targets of the first step, in their order."""
    return [
        Verdict(target.figure, str(target), value, target.reached(value))
        for target in FIRST
        for value in (figures.get(target.figure),)
    ]
