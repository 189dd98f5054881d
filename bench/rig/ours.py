"""Our own sides, with proof before anything is measured that answers are judged and copies are kept.

A side of another checkout, where one is given, carries what is well: what a change costs shows next to it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bench.rig.asking import answers, ask
from bench.rig.faults import WrongAnswer
from bench.rig.processes import CLOCK
from bench.rig.product import Place, Product, product
from bench.rig.sides import Door, Side
from bench.rig.stage import Stage
from bench.rig.upstream import SYMBOLS, Upstream, path_of

#: Retries, and the breaker that ends them, come before the first copy.
_HEAL_SECONDS = 30.0
_HEALED_IN_A_ROW = 20

_ASKED_AGAIN = 5


@asynccontextmanager
async def ours(on: Stage, before: Path | None = None) -> AsyncIterator[list[Side]]:
    """Three products: a breaker that has seen the failing upstream would keep the healthy one away.

    `before` is the other checkout, with one product more.
    """
    upstream = on.upstream
    places = [
        _place(on, "ours", upstream.host),
        _place(on, "ours-tls", upstream.tls_host, on.certificates.authority),
        _place(on, "ours-failing", upstream.failing_host),
    ]
    if before is not None:
        places.append(_place(on, "before", upstream.host, tree=before))
    async with AsyncExitStack() as stack:
        products = [await stack.enter_async_context(product(place)) for place in places]
        await asyncio.gather(*(one.come_up() for one in products))
        well, encrypted, failing, *earlier = products
        await see_it_judge(failing)
        await see_it_heal(failing, upstream)
        remembering = await remembers(well.url(SYMBOLS["cached"]), upstream)
        sides = _sides(well, encrypted, failing, remembering=remembering)
        yield [*sides, *(side for one in earlier for side in _sides_before(one))]


@asynccontextmanager
async def ours_alone(on: Stage) -> AsyncIterator[Side]:
    """One product, before the upstream that is well."""
    async with product(_place(on, "ours", on.upstream.host)) as one:
        await one.come_up()
        yield Side("ours", {"1k": _door(one, "1k")})


def _place(on: Stage, name: str, host: str, authority: Path | None = None, tree: Path | None = None) -> Place:
    return Place(name, on.home / name, host, on.cores.proxy, on.cores.load, authority, tree)


def _sides(well: Product, encrypted: Product, failing: Product, *, remembering: bool) -> list[Side]:
    doors = {kind: _door(well, kind) for kind in ("1k", "100k", "changing")}
    doors["tls"] = _door(encrypted, "tls")
    doors["failing"] = _door(failing, "failing", heals=True)
    if remembering:
        doors["cached"] = _door(well, "cached", remembers=True)
    sides = [Side("ours", doors)]
    if well.raw_port is not None:
        raw = {kind: _raw_door(well, kind) for kind in ("1k", "100k")}
        raw["tls"] = _raw_door(encrypted, "tls")
        if well.cached_port is not None:
            url = f"http://127.0.0.1:{well.cached_port}{path_of('cached')}"
            raw["cached"] = Door(url, well.program.pid, remembers=True, database=well.database)
        sides.append(Side("ours_raw", raw))
    return sides


def _sides_before(one: Product) -> list[Side]:
    doors = {kind: _door(one, kind) for kind in ("1k", "100k", "changing")}
    return [Side("before", doors), Side("before_raw", {"1k": _raw_door(one, "1k")})]


def _door(one: Product, kind: str, *, heals: bool = False, remembers: bool = False) -> Door:
    return Door(one.url(SYMBOLS[kind]), one.program.pid, heals, remembers, one.database)


def _raw_door(one: Product, kind: str) -> Door:
    return Door(f"http://127.0.0.1:{one.raw_port}{path_of(kind)}", one.program.pid, database=one.database)


async def remembers(url: str, upstream: Upstream) -> bool:
    """Whether an answer that is still fresh is given again without the upstream being asked."""
    before = await upstream.requests()
    for _ in range(_ASKED_AGAIN):
        await ask(url)
    return await upstream.requests() - before - 1 == 1


async def see_it_judge(one: Product) -> None:
    """Raises `WrongAnswer` where it passes on a chart that no validator could like."""
    got = await ask(one.url(SYMBOLS["spoiled"]))
    if got.status == 200:
        raise WrongAnswer("ours passes on a spoiled chart: its answers are not judged")


async def see_it_heal(one: Product, upstream: Upstream) -> None:
    """Let its upstream fail for good once it has a good copy, and wait until it answers from that."""
    url = one.url(SYMBOLS["failing"])
    if not await answers(url):
        raise WrongAnswer("ours has no answer before its upstream fails")
    upstream.fail()
    deadline = CLOCK.monotonic() + _HEAL_SECONDS
    healed = 0
    while healed < _HEALED_IN_A_ROW:
        got = await ask(url)
        healed = healed + 1 if got.headers.get("healing-status") == "healed" else 0
        if CLOCK.monotonic() > deadline:
            raise WrongAnswer(f"ours does not heal a failing upstream: {got.status} {dict(got.headers)}")
