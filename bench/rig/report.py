"""What was found, as figures for a file and as tables for people."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from bench.rig.figures import Figure, over_rounds, ratio
from bench.rig.machine import Machine
from bench.rig.measuring import Run
from bench.rig.targets import FIRST, UNCHANGED, Verdict, verdicts

#: By side and case, by round.
Runs = Mapping[tuple[str, str], Mapping[int, Run]]

#: figure -> (side, case) above and below the line, all of CPU per request.
RATIOS = {
    "cpu_ratio_nginx_1k_c1": (("ours", "1k_c1"), ("nginx", "1k_c1")),
    "cpu_ratio_nginx_1k_c16": (("ours", "1k_c16"), ("nginx", "1k_c16")),
    "cpu_ratio_nginx_1k_c64": (("ours", "1k_c64"), ("nginx", "1k_c64")),
    "cpu_ratio_nginx_1k_c16_changing": (("ours", "changing_c16"), ("nginx", "changing_c16")),
    "cpu_ratio_nginx_100k_c16": (("ours", "100k_c16"), ("nginx", "100k_c16")),
    "cpu_ratio_nginx_100k_c64": (("ours", "100k_c64"), ("nginx", "100k_c64")),
    "cpu_ratio_nginx_tls_c16": (("ours", "tls_c16"), ("nginx", "tls_c16")),
    "cpu_ratio_nginx_fail_c16": (("ours", "failing_c16"), ("nginx", "1k_c16")),
    "cpu_ratio_own_fail_c16": (("ours", "failing_c16"), ("ours", "1k_c16")),
    "cpu_ratio_envoy_1k_c16": (("ours", "1k_c16"), ("envoy", "1k_c16")),
    "cpu_ratio_envoy_1k_c64": (("ours", "1k_c64"), ("envoy", "1k_c64")),
    "cpu_ratio_haproxy_1k_c16": (("ours", "1k_c16"), ("haproxy", "1k_c16")),
    "cpu_ratio_haproxy_1k_c64": (("ours", "1k_c64"), ("haproxy", "1k_c64")),
    "cpu_ratio_nginx_cache_c16": (("ours", "cached_c16"), ("nginx", "cached_c16")),
    "cpu_ratio_nginx_cache_c64": (("ours", "cached_c64"), ("nginx", "cached_c64")),
    "cpu_ratio_nginx_open_cache_c16": (("ours", "cached_c16"), ("nginx_open", "cached_c16")),
    "cpu_ratio_nginx_open_cache_c64": (("ours", "cached_c64"), ("nginx_open", "cached_c64")),
    "cpu_ratio_nginx_raw_cache_c16": (("ours_raw", "cached_c16"), ("nginx", "cached_c16")),
    "cpu_ratio_nginx_raw_cache_c64": (("ours_raw", "cached_c64"), ("nginx", "cached_c64")),
    "cpu_ratio_nginx_raw_1k_c16": (("ours_raw", "1k_c16"), ("nginx", "1k_c16")),
    "cpu_ratio_nginx_raw_1k_c64": (("ours_raw", "1k_c64"), ("nginx", "1k_c64")),
    "cpu_ratio_nginx_raw_100k_c16": (("ours_raw", "100k_c16"), ("nginx", "100k_c16")),
    "cpu_ratio_nginx_raw_tls_c16": (("ours_raw", "tls_c16"), ("nginx", "tls_c16")),
    "cpu_ratio_before_1k_c16": (("ours", "1k_c16"), ("before", "1k_c16")),
    "cpu_ratio_before_1k_c64": (("ours", "1k_c64"), ("before", "1k_c64")),
    "cpu_ratio_before_1k_c16_changing": (("ours", "changing_c16"), ("before", "changing_c16")),
    "cpu_ratio_before_100k_c16": (("ours", "100k_c16"), ("before", "100k_c16")),
    "cpu_ratio_before_raw_1k_c16": (("ours_raw", "1k_c16"), ("before_raw", "1k_c16")),
}


@dataclass(frozen=True, slots=True)
class Absolute:
    """What one side needed in one case: medians over the rounds."""

    cpu_s_per_10000: float
    database_cpu_s_per_10000: float
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    rss_mb: float
    asked_upstream: float


@dataclass(frozen=True, slots=True)
class Findings:
    """What a whole measurement has found."""

    runs: Runs
    latency: Mapping[str, Figure | None]
    versions: Mapping[str, str]
    machine: Machine
    took: float  #: seconds


def figures_of(found: Findings) -> dict[str, Figure | None]:
    """All figures by name; None for what could not be compared."""
    costs = {
        place: {number: run.cpu for number, run in rounds.items()} for place, rounds in found.runs.items()
    }
    ratios = {
        name: ratio(costs.get(above, {}), costs.get(below, {})) for name, (above, below) in RATIOS.items()
    }
    return {**ratios, **found.latency, "rss_mb": _memory(found.runs)}


def _memory(runs: Runs) -> Figure | None:
    """Of our process before the healthy upstream, the most of all its cases in a round."""
    most: dict[int, float] = {}
    for (side, case), rounds in runs.items():
        if side == "ours" and case.startswith(("1k", "100k", "changing")):
            for number, run in rounds.items():
                most[number] = max(most.get(number, 0.0), run.rss_mb)
    return over_rounds(list(most.values()), digits=1)


def absolutes_of(runs: Runs) -> dict[str, dict[str, Absolute]]:
    """By side, by case."""
    found: dict[str, dict[str, Absolute]] = {}
    for (side, case), rounds in sorted(runs.items()):
        found.setdefault(side, {})[case] = _absolute(list(rounds.values()))
    return found


def _absolute(runs: Sequence[Run]) -> Absolute:
    return Absolute(
        cpu_s_per_10000=round(median(run.cpu for run in runs), 4),
        database_cpu_s_per_10000=round(median(run.database_cpu for run in runs), 4),
        requests_per_s=round(median(run.per_second for run in runs)),
        p50_ms=round(median(run.p50_ms for run in runs), 3),
        p99_ms=round(median(run.p99_ms for run in runs), 3),
        rss_mb=round(median(run.rss_mb for run in runs), 1),
        asked_upstream=round(median(run.asked_upstream for run in runs), 3),
    )


def values_of(figures: Mapping[str, Figure | None]) -> dict[str, float | None]:
    return {name: figure.value if figure else None for name, figure in figures.items()}


def verdicts_of(found: Findings) -> list[Verdict]:
    """Of another checkout only where one took part."""
    beside = any(side == "before" for side, _ in found.runs)
    return verdicts(values_of(figures_of(found)), (*FIRST, *UNCHANGED) if beside else FIRST)


def document(found: Findings, **plan: object) -> dict[str, object]:
    """For a file: the figures at the top, then all that they rest on."""
    figures = figures_of(found)
    values = values_of(figures)
    return {
        **values,
        "spread": {name: [figure.least, figure.most] for name, figure in figures.items() if figure},
        "reached": [asdict(verdict) for verdict in verdicts_of(found)],
        "sides": {
            side: {case: asdict(absolute) for case, absolute in cases.items()}
            for side, cases in absolutes_of(found.runs).items()
        },
        "unquiet_runs": sum(not run.quiet for rounds in found.runs.values() for run in rounds.values()),
        "machine": asdict(found.machine),
        "versions": dict(found.versions),
        "plan": plan,
        "took_s": round(found.took, 1),
    }


def table(found: Findings) -> Iterator[str]:
    """For people, line by line."""
    yield "side       case            CPU s/10k  requests/s   p50 ms   p99 ms  RSS MB\n"
    for side, cases in absolutes_of(found.runs).items():
        for case, one in cases.items():
            yield (
                f"{side:10} {case:14} {one.cpu_s_per_10000:10.3f} {one.requests_per_s:11.0f}"
                f" {one.p50_ms:8.2f} {one.p99_ms:8.2f} {one.rss_mb:7.0f}\n"
            )
    figures = figures_of(found)
    yield f"\n{'figure':36} {'median':>8}  least to most\n"
    for name, figure in figures.items():
        if figure is not None:
            yield f"{name:36} {figure.value:8.3f}  {figure.least:.3f} to {figure.most:.3f}\n"
    yield "\n"
    for verdict in verdicts_of(found):
        word = {True: "reached", False: "missed", None: "not measured"}[verdict.reached]
        yield f"{word:12} {verdict.target}\n"
