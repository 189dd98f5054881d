"""What callers get and what an origin is asked while things go wrong, beside nginx and HAProxy.

The whole product runs as a process of its own, with its PostgreSQL, before origins that fail by a seed:
every try by a chance of one half, all of them for a while, slowly, or under a herd. nginx keeps copies for
bad times and lets one ask for all, HAProxy asks up to three times; each has an origin of its own in the
same mood at the same time. A month of a small quota passes on a clock of its own. The exit code is 1 where
a target is missed or was not measured.
"""

import argparse
import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from autonomous_healing.endpoint_healing.options import HealingSettings
from bench.rig.asking import ask
from bench.rig.bodies import chart, rates
from bench.rig.callers import Way
from bench.rig.cores import on_core, two_cores
from bench.rig.faults import CannotMeasure
from bench.rig.flaky import FlakyOrigin, flaky
from bench.rig.machine import this_machine
from bench.rig.processes import CLOCK
from bench.rig.product import Place, Product, configuration, known, product
from bench.rig.protecting import protectors
from bench.rig.quota_month import thirty_days
from bench.rig.stage import end_on_signals, home_of_a_run, play
from bench.rig.targets import Target, Verdict, protection, verdicts
from bench.rig.tools import gather
from bench.rig.troubles import (
    DEADLINE,
    Amounts,
    Figures,
    IsClosed,
    budget_alone,
    herd,
    outage,
    random_errors,
    slow_third,
    three_attempts,
)

_DEFAULTS = HealingSettings()
_PAUSE, _WINDOW = _DEFAULTS.breaker.open_base, _DEFAULTS.retry_budget.window

_SEED = 20260301

#: Ours, in all figures; the rest go by their names.
OURS = "ours"

_CHART, _RATES = "/api/yahoo/chart/{}?range=5d&interval=1d", "/api/exchange-rate/latest/{}"
_KEY = "EXCHANGERATE_API_KEY"
_STAND_IN = "STANDIN"
_CIRCUIT = 'healing_breaker_state{endpoint="/chart",source="yahoo_finance"}'


def full(seed: int) -> Amounts:
    """With the product's own times."""
    return Amounts(
        seed=seed,
        questions=4000,
        rate=50.0,
        seconds=20.0,
        outage=60.0,
        pause=_PAUSE,
        window=_WINDOW,
        herds=2,
    )


def quick(seed: int) -> Amounts:
    """With times a tenth and a fifth as long."""
    return Amounts(
        seed=seed,
        questions=400,
        rate=50.0,
        seconds=3.0,
        outage=6.0,
        pause=_PAUSE / 10,
        window=_WINDOW / 5,
        herds=1,
    )


@dataclass(frozen=True, slots=True)
class Ground:
    """The ways on which the trials take place."""

    ours: Way
    beside: Way  #: another source of the same product
    tries: Way  #: ours, where neither budget nor circuit holds back
    budgeted: Way  #: ours, where no circuit does
    others: Sequence[Way]
    is_closed: IsClosed  #: the circuit of `ours`


@asynccontextmanager
async def ground(amounts: Amounts) -> AsyncIterator[Ground]:
    """Three products and two peers are up, each before origins of its own."""
    end_on_signals()
    tools, cores, now = gather(envoy=False), two_cores(), CLOCK.now()
    chart_of = charts(now)
    with on_core(cores.load), home_of_a_run() as home:
        async with AsyncExitStack() as stack:
            others = await stack.enter_async_context(protectors(tools, home, cores, DEADLINE, chart_of))
            origins = [await stack.enter_async_context(flaky(chart_of)) for _ in range(3)]
            tables = await stack.enter_async_context(flaky(lambda base: rates(base, now)))
            products = []
            for (name, healing), origin in zip(healings(amounts).items(), origins, strict=True):
                place = Place(name, home / name, _host(origin), cores.proxy, cores.load)
                sections = {"sources": sources(place, tables), "healing": healing}
                opened = product(place, sections=sections, secrets={_KEY: "of-no-worth"})
                products.append(await stack.enter_async_context(opened))
            await asyncio.gather(*(one.come_up() for one in products))
            ours, tries, budgeted = (
                Way(OURS, one.port, _CHART, origin) for one, origin in zip(products, origins, strict=True)
            )
            beside = Way(OURS, ours.port, _RATES, tables)
            yield Ground(ours, beside, tries, budgeted, others, lambda: circuit_is_closed(products[0]))


def charts(now: datetime) -> Callable[[str], bytes]:
    """The chart of any symbol: all alike but for its name."""
    whole = chart(_STAND_IN, 1024, now)
    return lambda symbol: whole.replace(_STAND_IN.encode(), symbol.encode())


def sources(place: Place, tables: FlakyOrigin) -> dict[str, object]:
    """Charts from the host of the place, and exchange rates; neither has a quota."""
    default = configuration(place, None)["sources"]
    assert isinstance(default, dict)
    rates_of = {**known(hosts=[_host(tables)], allow_private=True, keys=[_KEY]), "quota": []}
    return {**default, "exchange_rate_api": rates_of}


def healings(amounts: Amounts) -> dict[str, dict[str, object]]:
    """Section `healing` of each product: as it comes, with nothing that holds back, with a budget alone.

    Where nothing holds back, nothing is tried behind the callers' backs either.
    """
    pace = {"open_base": amounts.pause} if amounts.pause != _PAUSE else {}
    window = {"window": amounts.window} if amounts.window != _WINDOW else {}
    all_are_let_through = {
        "breaker": {"consecutive": 1000, "ratio": 1.0, "min_calls": 10_000},
        "admission": {"max_refused": 0.0},
    }
    no_budget = {"ratio": 1.0, "floor": 100}
    return {
        "ours": {"breaker": pace, "retry_budget": window},
        "tries": {**all_are_let_through, "retry_budget": no_budget, "max_retry_attempts": 0},
        "budgeted": {**all_are_let_through, "retry_budget": window},
    }


def _host(origin: FlakyOrigin) -> str:
    return f"http://127.0.0.1:{origin.port}"


async def circuit_is_closed(one: Product) -> bool:
    """As its metrics tell."""
    page = await ask(f"http://127.0.0.1:{one.dashboard_port}/metrics")
    return level_of(page.body.decode()) == 0


def level_of(metrics: str) -> float:
    """Of the circuit of the charts: 0 where it is closed. `CannotMeasure` where it is not told of."""
    told = [line for line in metrics.splitlines() if line.startswith(_CIRCUIT)]
    if len(told) != 1:
        raise CannotMeasure(f"metrics tell {len(told)} times of {_CIRCUIT}")
    return float(told[0].rpartition(" ")[2])


async def measure(amounts: Amounts) -> dict[str, Figures]:
    """All figures, by who was measured. Raises `CannotMeasure`."""
    found: defaultdict[str, Figures] = defaultdict(dict)

    async def together(what: str, *trials: tuple[Way, Awaitable[Figures]]) -> None:
        _tell(what)
        told = await asyncio.gather(*(trial for _, trial in trials))
        for (way, _), figures in zip(trials, told, strict=True):
            found[way.name].update(figures)

    _tell("starting the products and their peers")
    async with ground(amounts) as on:
        every = (on.ours, *on.others)
        await together("herds", *((way, herd(way, amounts)) for way in every))
        await together(
            "slow answers",
            (on.ours, slow_third(on.ours, amounts, on.beside)),
            *((way, slow_third(way, amounts)) for way in on.others),
        )
        erring = (on.beside, *on.others)
        await together("random errors", *((way, random_errors(way, amounts)) for way in erring))
        await together(
            "an outage",
            (on.ours, outage(on.ours, amounts, on.is_closed)),
            (on.budgeted, budget_alone(on.budgeted, amounts)),
            *((way, outage(way, amounts)) for way in on.others),
        )
        trying = (on.tries, *on.others)
        await together("three attempts", *((way, three_attempts(way, amounts)) for way in trying))
    _tell("a month of a quota")
    found[OURS] |= thirty_days(amounts.seed)
    return dict(found)


def document(found: Mapping[str, Figures], judged: Iterable[Verdict], **told: object) -> dict[str, object]:
    """For a file: ours without a prefix, every other with its name before it."""
    values = {
        name if side == OURS else f"{side}_{name}": round(value, 4)
        for side, figures in found.items()
        for name, value in figures.items()
    }
    return {**values, "reached": [asdict(one) for one in judged], **told, "machine": asdict(this_machine())}


def table(found: Mapping[str, Figures], targets: Sequence[Target]) -> Iterator[str]:
    """For people: a line for each figure, with what is asked of ours."""
    asked = {target.figure: target for target in targets}
    sides = [OURS, *(side for side in found if side != OURS)]
    names = [name for name in found[OURS] if name in asked] + [
        name for name in found[OURS] if name not in asked
    ]
    yield f"{'figure':34}{''.join(f'{side:>10}' for side in sides)}  target of ours\n"
    for name in (*names, *(name for name in asked if name not in found[OURS])):
        values = (found[side].get(name) for side in sides)
        shown = "".join(f"{'' if value is None else f'{value:.3f}':>10}" for value in values)
        yield f"{name:34}{shown}  {_word(asked.get(name), found[OURS].get(name))}\n"


def _word(target: Target | None, value: float | None) -> str:
    if target is None:
        return ""
    word = {True: "reached", False: "MISSED", None: "NOT MEASURED"}[target.reached(value)]
    return f"{target.bounds}, {word}"


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.protection", description=__doc__)
    parser.add_argument("--seed", type=int, default=_SEED)
    parser.add_argument("--quick", action="store_true", help="less of everything, at a faster pace")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args(argv)
    amounts = (quick if arguments.quick else full)(arguments.seed)
    began = CLOCK.monotonic()
    found = play(measure(amounts))
    if found is None:
        return 1
    took = round(CLOCK.monotonic() - began, 1)
    targets = protection(amounts.most_recovery, DEADLINE)
    judged = verdicts(found[OURS], targets)
    sys.stdout.writelines(table(found, targets))
    sys.stdout.write(f"\nseed {arguments.seed}, {took:g} s\n")
    if arguments.json:
        told = {"plan": asdict(amounts), "quick": arguments.quick, "took_s": took}
        figures = document(found, judged, **told, versions=gather(envoy=False).versions())
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0 if all(one.reached for one in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
