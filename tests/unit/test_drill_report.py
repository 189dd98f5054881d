"""The figures of a drill, counted by hand beside them."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from autonomous_healing.commands.demo_report import missed_targets, show
from autonomous_healing.drills import Answer, DrillReport, Judged, Planned, Verdict, questions, write_report
from autonomous_healing.drills.judge import Claim, Met
from autonomous_healing.drills.report import ErrorTypeRow
from autonomous_healing.drills.twins import Fault, FaultKind
from autonomous_healing.endpoint_healing.store import HealedEvent

NOON = datetime(2026, 3, 11, 12, 0, 7, tzinfo=UTC)
QUESTION = questions(NOON)[0]


def one(
    verdict: Verdict = Verdict.TRUE,
    kind: FaultKind | None = None,
    *,
    level: str = "exact",
    healable: bool = True,
    false_heal: bool = False,
    met: Met | None = None,
) -> Judged:
    """A judged answer; without a kind, no fault was met."""
    return Judged(
        answer=Answer(
            planned=Planned(id="one", at=0.0, question=QUESTION, allow=None),
            sent_at=NOON,
            received_at=NOON,
            seconds=0.0,
            status=200,
            headers={},
            body=b"",
        ),
        claim=Claim(level, None, "", kind is not None),
        met=met or (Met.FAULT if kind else Met.NOTHING),
        fault=Fault(kind=kind, source="yahoo_finance") if kind else None,
        healable=kind is not None and healable,
        verdict=verdict,
        false_heal=false_heal,
    )


def report_of(*judged: Judged, healings: tuple[HealedEvent, ...] = (), **more: Any) -> DrillReport:
    counts = {"events_emitted": 0, "events_stored": 0, "overhead_p50_ms": None, **more}
    return write_report(judged, healings, **counts)


RESET, STALE, HANG = FaultKind.RESET, FaultKind.STALE, FaultKind.HANG


def test_counts_what_was_asked_what_failed_and_what_was_healed() -> None:
    report = report_of(
        one(),
        one(),
        one(Verdict.TRUE, RESET),
        one(Verdict.TRUE, RESET, level="stale"),
        one(Verdict.TRUE, STALE),
        one(Verdict.ERROR, STALE),
        one(Verdict.ERROR, HANG, healable=False),
    )

    assert (report.requests, report.faults_injected, report.healable, report.healed) == (7, 5, 4, 3)
    assert report.healing_success == 0.75
    assert report.user_facing_errors == 1  # of those that could have been healed
    assert report.by_fidelity == {"exact": 2, "stale": 1}
    assert report.stale_share == pytest.approx(1 / 3)


def test_what_is_wrong_unlabelled_or_healed_without_need_counts_wherever_it_is() -> None:
    report = report_of(
        one(Verdict.WRONG),
        one(Verdict.WRONG, RESET),
        one(Verdict.WRONG, HANG, healable=False),
        one(Verdict.UNLABELLED),
        one(false_heal=True),
        one(),
    )
    assert (report.wrong_answers, report.unlabelled_substitutes, report.false_heals) == (3, 1, 1)
    assert (report.healed, report.user_facing_errors) == (0, 0)


def test_an_aftermath_is_counted_by_itself_and_an_error_of_a_control_too() -> None:
    report = report_of(
        one(Verdict.TRUE, RESET, met=Met.AFTERMATH, healable=False),
        one(Verdict.ERROR, RESET, met=Met.AFTERMATH, healable=False),
        one(Verdict.ERROR),
        one(Verdict.TRUE, RESET),
    )
    assert (report.faults_injected, report.healed, report.aftermath) == (1, 1, 2)
    assert (report.errors_without_fault, report.user_facing_errors) == (1, 0)


def test_each_error_type_has_its_own_figures() -> None:
    healings = (
        HealedEvent("network_error", 0.1, 0.5),
        HealedEvent("network_error", 0.3, None),
        HealedEvent("timeout", 1.0, 0.2),
    )
    report = report_of(
        one(Verdict.TRUE, RESET),
        one(Verdict.TRUE, FaultKind.CUT),
        one(Verdict.ERROR, FaultKind.OUTAGE),
        one(Verdict.TRUE, HANG),
        one(Verdict.ERROR, STALE, healable=False),
        healings=healings,
    )

    assert report.by_error_type == {
        "network_error": ErrorTypeRow(faults=3, healed=2, detection_p95_s=0.3, mean_s=0.5),
        "stale_data": ErrorTypeRow(faults=1, healed=0, detection_p95_s=None, mean_s=None),
        "timeout": ErrorTypeRow(faults=1, healed=1, detection_p95_s=1.0, mean_s=0.2),
    }


def test_times_are_means_and_95th_percentiles_of_what_was_measured() -> None:
    healings = tuple(HealedEvent("timeout", n / 100, n / 10) for n in range(1, 101))
    report = report_of(healings=(*healings, HealedEvent("timeout", 50.0, None)))

    assert report.healing_mean_s == pytest.approx(5.05)
    assert report.healing_p95_s == pytest.approx(9.6)
    assert report.detection_mean_s == pytest.approx((50.5 + 50.0) / 101)
    assert report.detection_p95_s == pytest.approx(0.96)


def test_where_there_is_nothing_to_compute_from_there_is_no_figure() -> None:
    report = report_of()
    assert report.healing_success is None
    assert report.stale_share is None
    assert report.detection_p95_s is None
    assert report.healing_mean_s is None
    assert report.overhead_p50_ms is None
    assert report.by_error_type == {}


def test_as_json_it_is_flat_and_rounded_and_reads_back() -> None:
    report = report_of(one(Verdict.TRUE, RESET), healings=(HealedEvent("network_error", 1 / 3, 2 / 3),))
    document = json.loads(json.dumps(report.to_json()))

    assert document["detection_mean_s"] == 0.3333
    assert document["by_fidelity"] == {"exact": 1}
    assert document["by_error_type"]["network_error"] == {
        "faults": 1,
        "healed": 1,
        "detection_p95_s": 0.3333,
        "mean_s": 0.6667,
    }
    assert document["overhead_p50_ms"] is None


ROW = ErrorTypeRow(faults=10, healed=10, detection_p95_s=0.1, mean_s=0.1)
GOOD = DrillReport(
    requests=2400,
    faults_injected=500,
    healable=450,
    healed=440,
    healing_success=0.98,
    detection_mean_s=0.1,
    detection_p95_s=1.0,
    healing_mean_s=0.1,
    healing_p95_s=1.0,
    user_facing_errors=10,
    by_fidelity={"exact": 440},
    stale_share=0.1,
    wrong_answers=0,
    unlabelled_substitutes=0,
    false_heals=0,
    events_emitted=500,
    events_stored=500,
    by_error_type={f"type{n}": ROW for n in range(10)},
    overhead_p50_ms=3.0,
    aftermath=40,
    errors_without_fault=0,
)


def test_a_good_drill_misses_no_target() -> None:
    assert missed_targets(GOOD) == []


@pytest.mark.parametrize(
    ("change", "target"),
    [
        ({"healing_success": 0.89}, "healing_success >= 0.90"),
        ({"healing_success": None}, "healing_success >= 0.90"),
        ({"stale_share": 0.61}, "stale_share <= 0.6"),
        ({"detection_mean_s": 5.0}, "detection_mean_s < 5"),
        ({"detection_mean_s": None}, "detection_mean_s < 5"),
        ({"healing_mean_s": 3.0}, "healing_mean_s < 3"),
        ({"healing_mean_s": None}, "healing_mean_s < 3"),
        ({"wrong_answers": 1}, "wrong_answers 0"),
        ({"unlabelled_substitutes": 1}, "unlabelled_substitutes 0"),
        ({"false_heals": 1}, "false_heals 0"),
        ({"errors_without_fault": 1}, "errors_without_fault 0"),
        ({"events_stored": 499}, "events_stored == events_emitted"),
        ({"events_stored": 501}, "events_stored == events_emitted"),
        (
            {"by_error_type": {**GOOD.by_error_type, "type3": replace(ROW, faults=9)}},
            "10 faults of each of 10 error types",
        ),
        ({"by_error_type": {f"type{n}": ROW for n in range(9)}}, "10 faults of each of 10 error types"),
    ],
)
def test_each_target_can_be_missed_and_is_named(change: dict[str, Any], target: str) -> None:
    assert missed_targets(replace(GOOD, **change)) == [target]


def test_shows_every_figure_and_says_where_there_is_none() -> None:
    console = Console(record=True, width=200, file=io.StringIO())
    show(replace(GOOD, overhead_p50_ms=None), console)

    shown = console.export_text()
    for name in GOOD.to_json().keys() - {"by_error_type"}:
        assert name in shown
    assert "no data" in shown
    assert "type9" in shown
    assert "440 exact" in shown
