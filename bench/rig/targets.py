"""What the measurements have to reach, and whether they do. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on one figure."""

    figure: str
    bound: float
    inclusive: bool = True
    least: bool = False  #: a good figure lies above the bound

    def reached(self, value: float | None) -> bool | None:
        """None where nothing was measured."""
        if value is None:
            return None
        beyond = value > self.bound if self.least else value < self.bound
        return beyond or (self.inclusive and value == self.bound)

    @property
    def bounds(self) -> str:
        """The bound with its sign, as in `<= 1.6`."""
        return f"{'>' if self.least else '<'}{'=' if self.inclusive else ''} {self.bound:g}"

    def __str__(self) -> str:
        return f"{self.figure} {self.bounds}"


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
    Target("cpu_ratio_nginx_cache_c16", 0.9),
    Target("cpu_ratio_nginx_cache_c64", 0.9),
    Target("added_latency_p50_ms", 0.2),
    Target("added_latency_p99_ms", 2.0),
    Target("rss_mb", 120.0),  # meant for 10 000 endpoints; here there is one source under load
)

#: What a change may cost on the way of what is well, next to another checkout in the same run.
UNCHANGED = (
    Target("cpu_ratio_before_1k_c16", 1.05),
    Target("cpu_ratio_before_1k_c64", 1.05),
    Target("cpu_ratio_before_100k_c16", 1.05),
)


def protection(most_recovery: float, deadline: float) -> tuple[Target, ...]:
    """What callers and origins are owed while things go wrong: seconds, shares, and calls.

    `most_recovery` until a circuit has closed again, `deadline` as callers gave it where answers are slow.
    """
    return (
        Target("success_three_attempts", 0.87, least=True),  # 1 - 0.5 ** 3, less a little
        Target("most_calls_for_one_question", 3),
        Target("success_random_5xx", 0.999, least=True),
        Target("amplification_random_5xx", 1.1),
        Target("success_outage", 0.999, least=True),
        Target("amplification_outage", 1.2),
        Target("amplification_budget_alone", 1.11),  # a tenth, and a call at each end of the window
        Target("breaker_open_s", 2.0),
        Target("recovery_s", most_recovery),
        Target("trials_at_once", 1),
        Target("burst_after_outage", 2.0),
        Target("success_slow_third", 0.99, least=True),
        Target("p99_slow_third_s", deadline),
        Target("p99_other_growth_s", 0.1),  # of an origin that answers at once
        Target("upstream_calls_herd", 1),
        Target("success_herd", 1.0, least=True),
        Target("upstream_calls_herd_leader_fails", 3),
        Target("quota_overruns_30_days", 0),
        Target("quota_use_at_reset", 0.9, least=True),
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target with what was found."""

    figure: str
    target: str
    value: float | None
    reached: bool | None


def verdicts(figures: Mapping[str, float | None], targets: Iterable[Target] = FIRST) -> list[Verdict]:
    """All targets with what was found, in their order."""
    return [
        Verdict(target.figure, str(target), value, target.reached(value))
        for target in targets
        for value in (figures.get(target.figure),)
    ]
