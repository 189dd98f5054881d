"""The end of a demo: its figures as a table, and which targets they miss."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from autonomous_healing.drills import DrillReport

#: The ten error types, each of which must have been met this often.
ERROR_TYPES, LEAST_FAULTS = 10, 10


def show(report: DrillReport, console: Console) -> None:
    figures = Table("figure", "value", title="what the clients got", title_justify="left")
    for name, value in report.to_json().items():
        if not isinstance(value, dict):
            figures.add_row(name, "no data" if value is None else str(value))
    fidelity = ", ".join(f"{count} {level}" for level, count in sorted(report.by_fidelity.items()))
    figures.add_row("by_fidelity", fidelity or "no data")
    console.print(figures)
    kinds = Table("error type", "faults", "healed", "detection p95 s", "healing mean s")
    for name, row in report.by_error_type.items():
        kinds.add_row(
            name, str(row.faults), str(row.healed), _seconds(row.detection_p95_s), _seconds(row.mean_s)
        )
    console.print(kinds)


def _seconds(value: float | None) -> str:
    return "no data" if value is None else f"{value:.3f}"


def missed_targets(report: DrillReport) -> list[str]:
    """In words; empty when all are met."""
    return [words for words, met in _targets(report) if not met]


def _targets(report: DrillReport) -> Iterator[tuple[str, bool]]:
    yield "healing_success >= 0.90", (report.healing_success or 0.0) >= 0.90
    yield "stale_share <= 0.6", (report.stale_share or 0.0) <= 0.6
    yield "detection_mean_s < 5", report.detection_mean_s is not None and report.detection_mean_s < 5
    yield "healing_mean_s < 3", report.healing_mean_s is not None and report.healing_mean_s < 3
    yield "wrong_answers 0", report.wrong_answers == 0
    yield "unlabelled_substitutes 0", report.unlabelled_substitutes == 0
    yield "false_heals 0", report.false_heals == 0
    yield "errors_without_fault 0", report.errors_without_fault == 0
    yield "events_stored == events_emitted", report.events_stored == report.events_emitted
    often = [row for row in report.by_error_type.values() if row.faults >= LEAST_FAULTS]
    yield f"{LEAST_FAULTS} faults of each of {ERROR_TYPES} error types", len(often) == ERROR_TYPES
