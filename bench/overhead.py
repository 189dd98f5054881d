"""What a request waits longer for going through the proxy, at a constant 300 requests/s.

The upstream is asked directly and through a proxy, in turn, in the same run; so for ours and for nginx.
The figures are p50 and p99 of the proxied requests less those of the direct ones, medians over the rounds.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.rig.figures import Figure, over_rounds, percentile
from bench.rig.machine import this_machine
from bench.rig.ours import ours_alone
from bench.rig.peers import peers
from bench.rig.processes import CLOCK
from bench.rig.stage import Stage, play, positive, stage
from bench.rig.steady import at_rate
from bench.rig.tools import gather
from bench.rig.upstream import path_of

RATE = 300.0  #: requests a second, to each of them

_SHARES = {"p50": 0.5, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Wait:
    """Milliseconds of one round with one proxy, by `p50` and `p99`."""

    direct: Mapping[str, float]
    proxied: Mapping[str, float]


async def one_round(direct: str, proxied: Mapping[str, str], seconds: float) -> dict[str, Wait]:
    """Each proxy next to the direct way, one proxy after the other: two would disturb each other."""
    waits = {}
    for name, url in proxied.items():
        taken = await at_rate({"direct": direct, "proxied": url}, RATE, seconds)
        waits[name] = Wait(_percentiles(taken["direct"]), _percentiles(taken["proxied"]))
    return waits


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    return {label: percentile(seconds, share) * 1000 for label, share in _SHARES.items()}


def figures_of(rounds: Sequence[Mapping[str, Wait]]) -> dict[str, Figure | None]:
    """Ours without a prefix, every other with its name before it."""
    figures: dict[str, Figure | None] = {}
    for name in sorted({name for waits in rounds for name in waits}, key=lambda name: (name != "ours", name)):
        prefix = "" if name == "ours" else f"{name}_"
        waits = [one[name] for one in rounds if name in one]
        for label in _SHARES:
            added = [wait.proxied[label] - wait.direct[label] for wait in waits]
            figures[f"{prefix}added_latency_{label}_ms"] = over_rounds(added)
    straight = [wait.direct for one in rounds for wait in one.values()]
    for label in _SHARES:
        figures[f"direct_latency_{label}_ms"] = over_rounds([direct[label] for direct in straight])
    return figures


async def measure(on: Stage, rounds: int, seconds: float) -> list[dict[str, Wait]]:
    """With two proxies of its own: ours and nginx."""
    async with AsyncExitStack() as stack:
        others = await stack.enter_async_context(peers(on, "nginx"))
        own = await stack.enter_async_context(ours_alone(on))
        urls = {side.name: side.doors["1k"].url for side in (own, *others)}
        await CLOCK.sleep(1.0)  # whatever a start leaves to be done
        direct = on.upstream.host + path_of("1k")
        return [await one_round(direct, urls, seconds) for _ in range(rounds)]


async def _run(arguments: argparse.Namespace) -> dict[str, object]:
    tools = gather(envoy=False)
    async with stage(tools) as on:
        waits = await measure(on, arguments.rounds, arguments.seconds)
    found = figures_of(waits)
    return {
        **{name: figure.value if figure else None for name, figure in found.items()},
        "spread": {name: [figure.least, figure.most] for name, figure in found.items() if figure},
        "rate": RATE,
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "machine": asdict(this_machine()),
        "versions": tools.versions(),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.overhead", description=__doc__)
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--seconds", type=positive, default=2, help="of one round with one proxy")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args(argv)
    figures = play(_run(arguments))
    if figures is None:
        return 1
    sys.stdout.writelines(f"{name:28} {value}\n" for name, value in figures.items())
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
