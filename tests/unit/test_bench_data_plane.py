"""The measurements of the data plane, as far as they can be wrong without any proxy."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from bench.__main__ import known
from bench.data_plane import CASES, turns
from bench.overhead import Wait, figures_of
from bench.rig import report, tools
from bench.rig.asking import Got
from bench.rig.bodies import chart
from bench.rig.faults import CannotMeasure, WrongAnswer
from bench.rig.figures import Figure, over_rounds, per_ten_thousand, percentile, ratio, rotated
from bench.rig.load import Load
from bench.rig.load import parse as parse_load
from bench.rig.machine import this_machine
from bench.rig.measuring import Run, complaint_about, complaint_about_asking
from bench.rig.product import Place, configuration
from bench.rig.report import Findings
from bench.rig.sides import Door, Side
from bench.rig.stage import positive
from bench.rig.targets import FIRST, Target, verdicts
from hypothesis import given
from hypothesis import strategies as some

from autonomous_healing.endpoint_healing.call import Call
from autonomous_healing.endpoint_healing.catalog import build_endpoints, default_sources
from autonomous_healing.endpoint_healing.fidelity import Policy, parse_levels
from autonomous_healing.endpoint_healing.freshness import AlwaysOpen, Freshness
from autonomous_healing.endpoint_healing.options import FreshnessSettings, PlausibilitySettings
from autonomous_healing.endpoint_healing.plausibility import Plausibility
from autonomous_healing.endpoint_healing.validators import yahoo_finance
from autonomous_healing.resilience import Deadline, SystemClock
from autonomous_healing.settings import load_settings

CLOCK = SystemClock()
[CHART] = [one for one in build_endpoints(default_sources()) if one.place == "yahoo_finance/chart"]
ASKED = Call(
    id=UUID(int=1),
    endpoint=CHART,
    params=CHART.asked({"symbol": "SPY"}),
    policy=Policy(parse_levels(["exact"])),
    deadline=Deadline.after(CLOCK, 1.0),
)


def test_measurements_are_called_by_name_and_what_they_stand_on_is_none() -> None:
    assert {"data_plane", "overhead"} <= set(known())
    assert "rig" not in known()


def test_a_figure_is_the_median_of_its_rounds_with_the_least_and_the_most() -> None:
    assert over_rounds([1.5, 9.0, 1.2]) == Figure(1.5, 1.2, 9.0)
    assert over_rounds([]) is None


def test_a_ratio_is_taken_round_by_round_before_the_median() -> None:
    ours, other = {0: 2.0, 1: 30.0, 2: 3.0}, {0: 1.0, 1: 10.0, 2: 2.0}
    assert ratio(ours, other) == Figure(2.0, 1.5, 3.0)


def test_only_rounds_that_have_both_count() -> None:
    assert ratio({0: 2.0, 1: 9.0, 3: 4.0}, {0: 1.0, 2: 1.0, 3: 0.0}) == Figure(2.0, 2.0, 2.0)
    assert ratio({0: 2.0}, {}) is None


def test_costs_are_of_ten_thousand_requests() -> None:
    assert per_ten_thousand(0.9, 30_000) == pytest.approx(0.3)


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_a_percentile_is_a_value_that_was_there(share: float, value: float) -> None:
    assert percentile([float(one) for one in range(100, 0, -1)], share) == value


def test_another_one_begins_each_time() -> None:
    assert [rotated(["a", "b", "c"], by) for by in (0, 1, 5)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
    ]
    assert rotated([], 3) == []


@pytest.mark.parametrize(
    ("target", "value", "reached"),
    [
        (Target("a", 1.6), 1.6, True),
        (Target("a", 1.6), 1.61, False),
        (Target("a", 1.0, inclusive=False), 1.0, False),
        (Target("a", 1.0, inclusive=False), 0.99, True),
        (Target("a", 1.6), None, None),
        (Target("a", 0.9, least=True), 0.9, True),
        (Target("a", 0.9, least=True), 0.89, False),
        (Target("a", 0.9, least=True), 0.95, True),
        (Target("a", 0.9, inclusive=False, least=True), 0.9, False),
    ],
)
def test_a_target_is_reached_missed_or_not_measured(
    target: Target, value: float | None, reached: bool | None
) -> None:
    assert target.reached(value) is reached


def test_every_target_is_told_with_what_was_found() -> None:
    told = verdicts({"rss_mb": 121.0, "cpu_ratio_nginx_1k_c16": 1.5, "cpu_ratio_envoy_1k_c16": None})
    assert [one.figure for one in told] == [target.figure for target in FIRST]
    assert {one.figure: one.reached for one in told if one.value is not None} == {
        "rss_mb": False,
        "cpu_ratio_nginx_1k_c16": True,
    }


def test_a_target_says_on_which_side_of_its_bound_is_good() -> None:
    assert str(Target("a", 1.6)) == "a <= 1.6"
    assert str(Target("a", 1.0, inclusive=False)) == "a < 1"
    assert str(Target("a", 0.9, least=True)) == "a >= 0.9"


@pytest.mark.parametrize(
    ("answers", "asked", "door", "wrong"),
    [
        (1000, 1000, Door("", 1), False),
        (1000, 991, Door("", 1), False),
        (1000, 980, Door("", 1), True),
        (1000, 0, Door("", 1, heals=True), False),
        (1000, 1000, Door("", 1, heals=True), False),
        (1000, 1, Door("", 1, remembers=True), False),
        (1000, 20, Door("", 1, remembers=True), True),
    ],
)
def test_answers_must_come_from_where_they_are_measured_to_come_from(
    answers: int, asked: int, door: Door, wrong: bool
) -> None:
    assert (complaint_about_asking(answers, asked, door) is not None) is wrong


FIGURES = {"requests": 5000, "bytes": 6_000_000, "microseconds": 2_000_000, "refused": 0, "broken": 0}


def output(**changes: object) -> str:
    figures = {**FIGURES, "p50": 410, "p99": 2500, **changes}
    return f"Running 2s test\n  1 threads and 16 connections\nfigures {json.dumps(figures)}\n"


def test_reads_what_the_load_generator_tells() -> None:
    assert parse_load(output()) == Load(
        requests=5000, bytes_each=1200.0, per_second=2500.0, p50_ms=0.41, p99_ms=2.5, refused=0, broken=0
    )


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "unable to connect to 127.0.0.1:1 Connection refused\n",
        "figures {\n",
        "figures []\n",
        'figures {"requests": 5}\n',
        output(microseconds=0),
        output() + output(),
    ],
)
def test_without_figures_there_is_no_measurement(bad: str) -> None:
    with pytest.raises(CannotMeasure, match="wrk told no figures"):
        parse_load(bad)


def test_a_run_in_which_all_is_well_passes() -> None:
    for said in (output(), output(bytes=5000 * 1024)):
        load = parse_load(said)
        load.check("ours", 1024)
        assert (load.requests, load.refused, load.broken) == (5000, 0, 0)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"requests": 0, "bytes": 0}, "answered nothing"),
        ({"refused": 1}, "1 bad answers"),
        ({"broken": 2}, "2 broken"),
        ({"bytes": 5000 * 1023}, "1023 bytes an answer"),
        ({"bytes": 5000 * 3100}, "3100 bytes an answer"),
    ],
)
def test_a_run_with_one_wrong_answer_means_nothing(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(WrongAnswer, match=complaint):
        parse_load(output(**changes)).check("ours", 1024)


@pytest.mark.parametrize(
    ("got", "heals", "complaint"),
    [
        (Got(200, {}, b"one"), False, None),
        (Got(200, {}, b"two"), False, None),
        (Got(200, {"healing-status": "healed"}, b"one"), True, None),
        (Got(503, {}, b"one"), False, "status 503"),
        (Got(503, {"healing-status": "healed"}, b"one"), True, "status 503"),
        (Got(200, {}, b"three"), False, "does not have"),
        (Got(200, {"healing-status": "healed"}, b"one"), False, "although the upstream is well"),
        (Got(200, {}, b"one"), True, "although the upstream fails"),
    ],
)
def test_an_answer_must_be_the_upstreams_or_healed_from_it(
    got: Got, heals: bool, complaint: str | None
) -> None:
    found = complaint_about(got, [b"one", b"two"], heals=heals)
    assert (found is None) if complaint is None else (found is not None and complaint in found)


@given(
    minutes=some.integers(0, 60 * 24 * 365),
    size=some.sampled_from([1024, 2000, 10_240]),
    seed=some.integers(0, 50),
)
def test_charts_have_their_size_and_no_validator_complains(minutes: int, size: int, seed: int) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    body = chart("SPY", size, now, seed)
    assert len(body) == size
    bars = yahoo_finance.chart(json.loads(body), {"symbol": "SPY", "interval": "1d"})
    assert Plausibility(PlausibilitySettings()).judge(bars, {}, now) is None
    assert Freshness(FreshnessSettings(), AlwaysOpen()).judge(bars, ASKED, now) is None


def test_a_long_chart_is_full_of_bars() -> None:
    bars = yahoo_finance.chart(
        json.loads(chart("QQQ", 102_400, datetime(2026, 7, 4, tzinfo=UTC))), {"symbol": "QQQ"}
    )
    assert len(bars.rows) > 1000
    assert bars.rows[-1].t.date() == datetime(2026, 7, 3, tzinfo=UTC).date()


def test_each_seed_gives_another_chart() -> None:
    now = datetime(2026, 7, 4, tzinfo=UTC)
    assert len({chart("IWM", 1024, now, seed) for seed in range(50)}) == 50


def test_a_chart_needs_some_room() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        chart("SPY", 100, datetime(2026, 7, 4, tzinfo=UTC))


def test_latency_is_what_a_proxy_adds_in_the_same_round() -> None:
    rounds = [
        {"ours": Wait({"p50": base, "p99": base + 1}, {"p50": base + 0.2, "p99": base + 3})}
        for base in (0.1, 0.5, 9.0)
    ]
    figures = figures_of(rounds)
    assert figures["added_latency_p50_ms"] == Figure(0.2, 0.2, 0.2)
    assert figures["added_latency_p99_ms"] == Figure(2.0, 2.0, 2.0)
    assert figures["direct_latency_p50_ms"] == Figure(0.5, 0.1, 9.0)


def side(name: str, *kinds: str) -> Side:
    return Side(name, {kind: Door(f"http://127.0.0.1:1/{kind}", 1) for kind in kinds})


def test_what_is_compared_is_measured_side_by_side_in_changing_order() -> None:
    every = tuple({case.kind for case in CASES})
    healthy = [kind for kind in every if kind != "failing"]
    sides = [side("nginx", *healthy), side("haproxy", *healthy), side("ours", *every)]
    more = [side("envoy", *healthy), side("ours_raw", "1k", "100k", "tls", "cached")]
    more += [side("before", "1k", "100k", "changing"), side("before_raw", "1k"), side("nginx_open", "cached")]
    first, second = (
        [(one.name, case.name) for one, case in turns(sides, number) if case.name.endswith("c16")]
        for number in (0, 1)
    )
    assert first[:3] == [("nginx", "1k_c16"), ("haproxy", "1k_c16"), ("ours", "1k_c16")]
    assert second[:3] == [("haproxy", "1k_c16"), ("ours", "1k_c16"), ("nginx", "1k_c16")]
    assert sorted(first) == sorted(second)
    compared = {place for pair in report.RATIOS.values() for place in pair}
    assert compared <= {(one.name, case.name) for one, case in turns([*sides, *more], 0)}


def run(cpu: float, **changes: float) -> Run:
    figures = {"per_second": 1000.0, "p50_ms": 1.0, "p99_ms": 2.0, "rss_mb": 90.0, **changes}
    return Run(requests=1000, cpu=cpu, database_cpu=0.0, asked_upstream=1.0, quiet=cpu < 9, **figures)


FOUND = Findings(
    runs={
        ("nginx", "1k_c16"): {0: run(1.0), 1: run(2.0)},
        ("ours", "1k_c16"): {0: run(2.0), 1: run(2.0, rss_mb=130.0)},
        ("ours", "failing_c16"): {0: run(9.0, rss_mb=500.0)},
    },
    latency={"added_latency_p50_ms": Figure(0.2, 0.1, 0.3)},
    versions={"nginx": "nginx 1"},
    machine=this_machine(),
    took=12.0,
)


def test_the_file_holds_figures_spreads_and_verdicts() -> None:
    document = json.loads(json.dumps(report.document(FOUND, rounds=2)))
    assert document["cpu_ratio_nginx_1k_c16"] == 1.5
    assert document["spread"]["cpu_ratio_nginx_1k_c16"] == [1.0, 2.0]
    assert document["cpu_ratio_nginx_fail_c16"] == 9.0
    assert document["cpu_ratio_own_fail_c16"] == 4.5
    assert document["cpu_ratio_envoy_1k_c16"] is None
    assert document["rss_mb"] == 110.0
    assert document["sides"]["ours"]["1k_c16"]["cpu_s_per_10000"] == 2.0
    assert document["unquiet_runs"] == 1
    assert document["plan"] == {"rounds": 2}
    reached = {one["figure"]: one["reached"] for one in document["reached"]}
    assert reached["cpu_ratio_nginx_1k_c16"] is True
    assert reached["cpu_ratio_own_fail_c16"] is False
    assert reached["cpu_ratio_envoy_1k_c64"] is None


def test_another_checkout_is_judged_only_where_it_took_part() -> None:
    assert not any(one.figure.startswith("cpu_ratio_before") for one in report.verdicts_of(FOUND))
    beside = replace(FOUND, runs={**FOUND.runs, ("before", "1k_c16"): {0: run(1.8), 1: run(1.9)}})
    judged = {one.figure: one.reached for one in report.verdicts_of(beside)}
    assert judged["cpu_ratio_before_1k_c16"] is False
    assert judged["cpu_ratio_before_1k_c64"] is None
    dearer = replace(FOUND, runs={**FOUND.runs, ("before", "1k_c16"): {0: run(2.0), 1: run(1.95)}})
    assert {one.figure: one.reached for one in report.verdicts_of(dearer)}["cpu_ratio_before_1k_c16"] is True


def test_the_file_has_every_figure_even_where_nothing_was_measured() -> None:
    document = report.document(Findings({}, figures_of([]), {}, this_machine(), 0.0))
    assert document["cpu_ratio_nginx_1k_c1"] is None
    assert document["rss_mb"] is None


def test_people_see_sides_figures_and_targets() -> None:
    lines = list(report.table(FOUND))
    assert any(line.startswith("ours       1k_c16") and "2.000" in line for line in lines)
    assert "reached      cpu_ratio_nginx_1k_c16 <= 1.6\n" in lines
    assert "missed       cpu_ratio_own_fail_c16 <= 1.5\n" in lines
    assert "not measured cpu_ratio_envoy_1k_c16 < 1\n" in lines


def test_the_product_accepts_its_configuration(tmp_path: Path) -> None:
    place = Place("ours", tmp_path, "http://127.0.0.1:1", core=1, spare_core=0)
    file = tmp_path / "healing_config.yaml"
    file.write_text(json.dumps(configuration(place, None)))
    settings = load_settings(file, {})
    enabled = {name: source for name, source in settings.sources.items() if source.enabled}
    assert {name: source.hosts for name, source in enabled.items()} == {
        "yahoo_finance": ("http://127.0.0.1:1",)
    }
    assert enabled["yahoo_finance"].quota == ()
    assert settings.monitoring.endpoints == ()
    assert settings.database.data_dir == str(tmp_path / "postgres")


def test_what_is_missing_is_named_with_what_brings_it() -> None:
    assert tools.advice(["wrk", "nginx"]) == (
        "missing: nginx, wrk; as root: apt-get install --no-install-recommends nginx-light wrk"
    )


@pytest.mark.parametrize("bad", ["0", "-1", "1.5", "many"])
def test_rounds_and_seconds_are_whole_numbers_above_zero(bad: str) -> None:
    assert positive("3") == 3
    with pytest.raises(ValueError):
        positive(bad)


def test_charts_of_any_day_end_on_a_weekday_that_has_begun() -> None:
    for hours in range(0, 24 * 8, 7):
        now = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(hours=hours)
        last = yahoo_finance.chart(json.loads(chart("SPY", 1024, now)), {"symbol": "SPY"}).rows[-1].t
        assert last <= now
        assert last.weekday() < 5
