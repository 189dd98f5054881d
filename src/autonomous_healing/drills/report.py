"""What a drill showed, in numbers."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autonomous_healing.drills.judge import Judged, Met, Verdict
from autonomous_healing.endpoint_healing.store import HealedEvent


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorTypeRow:
    """One of the ten error types."""

    faults: int
    healed: int
    detection_p95_s: float | None
    mean_s: float | None  #: diagnosis to cure


@dataclass(frozen=True, kw_only=True, slots=True)
class DrillReport:
    """The figures; None where there is nothing to compute one from."""

    requests: int
    faults_injected: int
    healable: int
    healed: int
    healing_success: float | None
    detection_mean_s: float | None
    detection_p95_s: float | None
    healing_mean_s: float | None
    healing_p95_s: float | None
    user_facing_errors: int
    by_fidelity: Mapping[str, int]
    stale_share: float | None
    wrong_answers: int
    unlabelled_substitutes: int
    false_heals: int
    events_emitted: int
    events_stored: int
    by_error_type: Mapping[str, ErrorTypeRow]
    overhead_p50_ms: float | None
    aftermath: int  #: requests that met no fault, but a key at rest or a circuit that one had opened
    errors_without_fault: int  #: requests that met nothing at all and were answered with an error

    def to_json(self) -> dict[str, Any]:
        """Flat but for the two tables; seconds with four decimals."""
        rows = {
            name: {
                "faults": row.faults,
                "healed": row.healed,
                "detection_p95_s": _rounded(row.detection_p95_s),
                "mean_s": _rounded(row.mean_s),
            }
            for name, row in self.by_error_type.items()
        }
        names = [name for name in self.__slots__ if name not in ("by_error_type", "by_fidelity")]
        flat = {name: _rounded(getattr(self, name)) for name in names}
        return {**flat, "by_fidelity": dict(self.by_fidelity), "by_error_type": rows}


def write_report(
    judged: Sequence[Judged],
    healings: Sequence[HealedEvent],
    *,
    events_emitted: int,
    events_stored: int,
    overhead_p50_ms: float | None,
) -> DrillReport:
    """`healings`: those of clients' requests; probes are not among them."""
    faulted = [one for one in judged if one.met is Met.FAULT]
    controls = [one for one in judged if one.met is Met.NOTHING]
    healable = [one for one in faulted if one.healable]
    cured = [one for one in healable if one.verdict is Verdict.TRUE]
    fidelity = Counter(one.claim.level for one in cured)
    cures = [one.heal_seconds for one in healings if one.heal_seconds is not None]
    detections = [one.detect_seconds for one in healings]
    return DrillReport(
        requests=len(judged),
        faults_injected=len(faulted),
        healable=len(healable),
        healed=len(cured),
        healing_success=_share(len(cured), len(healable)),
        detection_mean_s=_mean(detections),
        detection_p95_s=_p95(detections),
        healing_mean_s=_mean(cures),
        healing_p95_s=_p95(cures),
        user_facing_errors=sum(one.verdict is Verdict.ERROR for one in healable),
        by_fidelity=dict(fidelity),
        stale_share=_share(fidelity["stale"], len(cured)),
        wrong_answers=sum(one.verdict is Verdict.WRONG for one in judged),
        unlabelled_substitutes=sum(one.verdict is Verdict.UNLABELLED for one in judged),
        false_heals=sum(one.false_heal for one in judged),
        events_emitted=events_emitted,
        events_stored=events_stored,
        by_error_type=_by_error_type(faulted, healings),
        overhead_p50_ms=overhead_p50_ms,
        aftermath=sum(one.met is Met.AFTERMATH for one in judged),
        errors_without_fault=sum(one.verdict is Verdict.ERROR for one in controls),
    )


def _by_error_type(faulted: Sequence[Judged], healings: Sequence[HealedEvent]) -> dict[str, ErrorTypeRow]:
    faults: Counter[str] = Counter()
    healed: Counter[str] = Counter()
    for one in faulted:
        if one.fault:
            faults[one.fault.kind.error_type] += 1
            healed[one.fault.kind.error_type] += one.healable and one.verdict is Verdict.TRUE
    found: dict[str, list[HealedEvent]] = defaultdict(list)
    for healing in healings:
        found[healing.error_type].append(healing)
    return {
        name: ErrorTypeRow(
            faults=faults[name],
            healed=healed[name],
            detection_p95_s=_p95([one.detect_seconds for one in found[name]]),
            mean_s=_mean([one.heal_seconds for one in found[name] if one.heal_seconds is not None]),
        )
        for name in sorted(faults)
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: Sequence[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _p95(values: Sequence[float]) -> float | None:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))] if ordered else None


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value
