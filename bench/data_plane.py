"""What a request costs in CPU going through the proxy, next to nginx, HAProxy and Envoy in the same run.

The upstream and the load generator share one core; the proxy under test has another to itself, with one
worker. All sides take turns in every round, in another order each time. A ratio is the median of the
rounds' own ratios. Every answer is checked, and that it came from the upstream, or from memory where it must.
The exit code is 1 where a target is missed; one short round (`--quick`) judges nothing.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench.overhead import Wait, figures_of, one_round
from bench.rig.figures import rotated
from bench.rig.machine import this_machine
from bench.rig.measuring import Case, Meter, Run
from bench.rig.ours import ours
from bench.rig.peers import peers
from bench.rig.processes import CLOCK
from bench.rig.report import Findings, document, table, verdicts_of
from bench.rig.sides import Side
from bench.rig.stage import play, positive, stage
from bench.rig.tools import gather
from bench.rig.upstream import path_of

#: In this order in every round: what is compared lies close together.
CASES = (
    Case("1k", 1),
    Case("1k", 16),
    Case("failing", 16),
    Case("changing", 16),
    Case("1k", 64),
    Case("cached", 16),
    Case("cached", 64),
    Case("100k", 16),
    Case("100k", 64),
    Case("tls", 16),
)

#: What is asked of sides that no target is about.
_FEW = frozenset({"1k_c16", "1k_c64", "100k_c16", "tls_c16", "cached_c16", "cached_c64"})
_ALL = frozenset(case.name for case in CASES)
_WANTED = {
    "nginx": _ALL,
    "ours": _ALL,
    "envoy": _ALL - {"changing_c16"},
    "before": _FEW | {"changing_c16"},
    "before_raw": frozenset({"1k_c16"}),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how often, next to whom."""

    rounds: int
    seconds: int  #: of a run
    steady_seconds: float  #: of constant rate, for each of two proxies in every round
    envoy: bool
    before: Path | None  #: another checkout, to measure next to this one


async def measure(plan: Plan) -> Findings:
    """Everything, once. Raises `CannotMeasure` and `WrongAnswer`."""
    tools = gather(envoy=plan.envoy)
    names = ("nginx", "haproxy", "envoy") if plan.envoy else ("nginx", "haproxy")
    runs: dict[tuple[str, str], dict[int, Run]] = defaultdict(dict)
    waits: list[dict[str, Wait]] = []
    began = CLOCK.monotonic()
    async with stage(tools) as on, AsyncExitStack() as stack:
        _tell("starting the upstream and the proxies")
        sides = [
            *await stack.enter_async_context(peers(on, *names)),
            *await stack.enter_async_context(ours(on, plan.before)),
        ]
        if not any("cached" in side.doors for side in sides if side.name == "ours"):
            _tell("ours asks its upstream for what is fresh: no figures of fresh hits")
        meter = Meter(on.wrk, on.upstream, sides)
        await meter.settle()
        for number in range(plan.rounds):
            _tell(f"round {number + 1} of {plan.rounds}")
            for side, case in turns(sides, number):
                runs[side.name, case.name][number] = await meter.run(side, case, plan.seconds)
            waits.append(
                await one_round(on.upstream.host + path_of("1k"), _doors(sides), plan.steady_seconds)
            )
    return Findings(runs, figures_of(waits), tools.versions(), this_machine(), took=CLOCK.monotonic() - began)


def turns(sides: Sequence[Side], number: int) -> list[tuple[Side, Case]]:
    """Case by case; another side begins in every round."""
    named = {side.name: side for side in sides}
    return [
        (named[name], case)
        for case in CASES
        for name in rotated(list(named), number)
        if case.kind in named[name].doors and case.name in _WANTED.get(name, _FEW)
    ]


def _doors(sides: Sequence[Side]) -> Mapping[str, str]:
    return {side.name: side.doors["1k"].url for side in sides if side.name in ("nginx", "ours")}


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.data_plane", description=__doc__)
    parser.add_argument("--peers", action="store_true", help="next to Envoy too")
    parser.add_argument("--against", type=Path, help="next to the product of this other checkout")
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--seconds", type=positive, default=2, help="of one run of one side")
    parser.add_argument("--quick", action="store_true", help="one round of short runs: is everything there?")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args(argv)
    plan = Plan(arguments.rounds, arguments.seconds, 2.0, arguments.peers, arguments.against)
    if arguments.quick:
        plan = replace(plan, rounds=1, seconds=1)
    found = play(measure(plan))
    if found is None:
        return 1
    sys.stdout.writelines(table(found))
    if arguments.json:
        told = asdict(plan) | {"before": plan.before and str(plan.before)}
        figures = document(found, **told, quick=arguments.quick)
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    missed = any(one.reached is False for one in verdicts_of(found))
    return 1 if missed and not arguments.quick else 0


if __name__ == "__main__":
    sys.exit(main())
