"""`autonomous-healing demo` as its users run it."""

import json
import sys
from pathlib import Path

from tests.integration.product import run_to_end

FIELDS = {
    "requests",
    "faults_injected",
    "healable",
    "healed",
    "healing_success",
    "detection_mean_s",
    "detection_p95_s",
    "healing_mean_s",
    "healing_p95_s",
    "user_facing_errors",
    "by_fidelity",
    "stale_share",
    "wrong_answers",
    "unlabelled_substitutes",
    "false_heals",
    "events_emitted",
    "events_stored",
    "by_error_type",
    "overhead_p50_ms",
    "aftermath",
    "errors_without_fault",
}
FIELDS_OF_A_TYPE = {"faults", "healed", "detection_p95_s", "mean_s"}

#: What twelve seconds are too short for.
NOT_ENOUGH_FAULTS = "missed: 10 faults of each of 10 error types"


async def test_a_short_demo_says_nothing_wrong_loses_nothing_and_reports_in_known_fields(
    tmp_path: Path,
) -> None:
    command = str(Path(sys.executable).with_name("autonomous-healing"))
    file = tmp_path / "report.json"
    ports = ("--proxy-port", "0", "--dashboard-port", "0")

    code, said = await run_to_end(
        command, "demo", "--duration", "12", "--rate", "25", *ports, "--json", str(file)
    )

    missed = [line.strip() for line in said.splitlines() if line.startswith("missed")]
    assert missed in ([], [NOT_ENOUGH_FAULTS]), said
    assert code == len(missed)
    report = json.loads(file.read_text())
    assert set(report) == FIELDS
    assert report["requests"] == 300
    assert report["faults_injected"] >= report["healable"] >= report["healed"] > 50
    assert (report["wrong_answers"], report["unlabelled_substitutes"], report["false_heals"]) == (0, 0, 0)
    assert report["events_stored"] == report["events_emitted"] > 50
    assert sum(report["by_fidelity"].values()) == report["healed"]
    assert sum(row["faults"] for row in report["by_error_type"].values()) == report["faults_injected"]
    assert report["errors_without_fault"] == 0
    assert {frozenset(row) for row in report["by_error_type"].values()} == {frozenset(FIELDS_OF_A_TYPE)}


async def test_a_demo_that_is_too_short_is_refused() -> None:
    command = str(Path(sys.executable).with_name("autonomous-healing"))

    code, said = await run_to_end(command, "demo", "--duration", "5")

    assert code == 1
    assert "--duration takes 10 seconds or more" in said
