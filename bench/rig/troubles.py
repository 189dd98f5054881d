"""The troubles that a proxy must protect its callers and its origin from, each as one trial on one way."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import islice, product
from string import ascii_uppercase

from bench.rig.callers import Callers, Way
from bench.rig.counting import (
    Moments,
    amplification,
    asked_between,
    between,
    growth_of_p99,
    most_at_once,
    most_for_one,
    p99_seconds,
    success,
    through_outage,
)
from bench.rig.flaky import Manner, always, first, half_fail, with_share
from bench.rig.processes import CLOCK

Figures = dict[str, float]

#: Seconds that callers wait: the product's own deadline, and some more to see it missed.
PATIENCE = 18.0

#: Seconds that callers give in the trial of slow answers, one in three of which takes longer than that.
DEADLINE = 2.0

_USUAL, _SLOW, _SHARE = 0.3, 3.0, 0.3
_FAILING = 0.2  #: seconds that an error takes in an outage, so that errors at the same time can be seen
_HERD, _HERDING = 200, 0.5  #: callers, and seconds until the answer
_LOOKS = 0.1
_FRESH = 1.5  #: seconds after which nobody takes a copy for fresh
_ATTEMPTS = 3

NO_HEADERS: dict[str, str] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Amounts:
    """How much there is of each trouble, and how fast the product is set to go through it."""

    seed: int
    questions: int  #: asked once each, where three attempts are all there is
    rate: float  #: questions a second on a way in the other trials
    seconds: float  #: of a trial, unless told otherwise
    outage: float  #: seconds
    pause: float  #: seconds between two trials of an open circuit, at first: `breaker.open_base`
    window: float  #: seconds: `retry_budget.window`
    herds: int  #: of each kind

    @property
    def most_recovery(self) -> float:
        """Seconds until a circuit has to be closed again: two of its pauses."""
        return 2 * self.pause


def keys(rate: float) -> list[str]:
    """As many as are asked for in three seconds, each of three capital letters."""
    letters = ("".join(three) for three in product(ascii_uppercase, repeat=3))
    return list(islice(letters, int(3 * rate)))


async def three_attempts(way: Way, amounts: Amounts) -> Figures:
    """Every attempt fails by a chance of one half, and there is no copy of anything."""
    callers = Callers(way, patience=PATIENCE, headers={"Healing-Allow": "exact"})
    way.origin.begin(half_fail(amounts.seed, _ATTEMPTS))
    await callers.in_turn((f"T{number:05}" for number in range(amounts.questions)), 32)
    callers.close()
    return {
        "success_three_attempts": success(callers.taken),
        "amplification_three_attempts": amplification(way.origin.visits, callers.taken),
        "most_calls_for_one_question": most_for_one(way.origin.visits),
    }


async def random_errors(way: Way, amounts: Amounts) -> Figures:
    """Half of all answers are errors; there is a good copy of each."""
    callers = await _warmed(way, keys(amounts.rate))
    way.origin.begin(with_share(amounts.seed, 0.5, Manner(well=False), Manner()))
    async with callers.steadily(keys(amounts.rate), amounts.rate):
        await CLOCK.sleep(amounts.seconds)
    callers.close()
    return {
        "success_random_5xx": success(callers.taken),
        "amplification_random_5xx": amplification(way.origin.visits, callers.taken),
        "p99_random_5xx_s": p99_seconds(callers.taken),
    }


#: Whether the circuit of the way is closed, as far as that can be asked.
IsClosed = Callable[[], Awaitable[bool]]


async def outage(way: Way, amounts: Amounts, is_closed: IsClosed | None = None) -> Figures:
    """Everything fails for a while, under load that goes on, and then all is well again.

    Of a circuit that never opened there is nothing to tell but how long it was waited for.
    """
    loop = asyncio.get_running_loop()
    callers, origin = await _warmed(way, keys(amounts.rate)), way.origin
    origin.begin(always(Manner()))
    found: Figures = {}
    async with callers.steadily(keys(amounts.rate), amounts.rate):
        began = loop.time()
        await CLOCK.sleep(amounts.seconds)
        down, origin.mood = loop.time(), always(Manner(well=False, seconds=_FAILING))
        opened_in = amounts.outage
        if is_closed is not None:
            opened_in = found["breaker_open_s"] = await _until(is_closed, False, amounts.outage)
        await CLOCK.sleep(down + amounts.outage - loop.time())
        back, origin.mood = loop.time(), always(Manner())
        if is_closed is not None and opened_in < amounts.outage:
            found["recovery_s"] = await _until(is_closed, True, 1.5 * amounts.most_recovery)
            # What was under way when the circuit opened had been let through before.
            trials = between(origin.visits, down + opened_in + 1.0, back)
            found["trials_at_once"] = most_at_once(trials)
        await CLOCK.sleep(min(amounts.seconds, 5.0))
    callers.close()
    return found | through_outage(origin.visits, callers.taken, Moments(began, down, back))


async def _until(is_closed: IsClosed, wanted: bool, most: float) -> float:
    """Seconds until the circuit is as wanted; `most` where it does not come to that."""
    began = CLOCK.monotonic()
    while await is_closed() is not wanted and CLOCK.monotonic() - began < most:
        await CLOCK.sleep(_LOOKS)
    return CLOCK.monotonic() - began


async def budget_alone(way: Way, amounts: Amounts) -> Figures:
    """As an outage, where no circuit opens and no copy will do: a budget alone bounds what is asked again.

    Counted over one window of the budget, from half a window after the beginning.
    """
    loop = asyncio.get_running_loop()
    callers, origin = await _warmed(way, keys(amounts.rate), {"Healing-Allow": "exact"}), way.origin
    origin.begin(always(Manner()))
    async with callers.steadily(keys(amounts.rate), amounts.rate):
        await CLOCK.sleep(amounts.window)
        begin, origin.mood = loop.time() + amounts.window / 2, always(Manner(well=False))
        await CLOCK.sleep(1.5 * amounts.window)
    callers.close()
    end = begin + amounts.window
    visits, taken = between(origin.visits, begin, end), asked_between(callers.taken, begin, end)
    return {"amplification_budget_alone": amplification(visits, taken)}


async def slow_third(way: Way, amounts: Amounts, *others: Way) -> Figures:
    """Nearly a third of the answers take ten times as long, longer than callers can wait.

    `others` are sources of the same proxy that are well.
    """
    loop = asyncio.get_running_loop()
    rate = amounts.rate * 0.4  # so that what is under way finds a connection
    headers = {"Healing-Deadline": f"{DEADLINE:g}"}
    callers, *beside = await asyncio.gather(
        _warmed(way, keys(rate), headers), *(_warmed(other, keys(amounts.rate)) for other in others)
    )
    way.origin.begin(with_share(amounts.seed, _SHARE, Manner(seconds=_SLOW), Manner(seconds=_USUAL)))
    async with AsyncExitStack() as stack:
        for one in beside:
            await stack.enter_async_context(one.steadily(keys(amounts.rate), amounts.rate))
        await CLOCK.sleep(amounts.seconds / 2 if beside else 0)
        began = loop.time()
        async with callers.steadily(keys(rate), rate):
            await CLOCK.sleep(amounts.seconds)
        ended = loop.time()
    for one in (callers, *beside):
        one.close()
    grown = [growth_of_p99(one.taken, began, ended) for one in beside]
    return {
        "p99_slow_third_s": p99_seconds(callers.taken),
        "success_slow_third": success(callers.taken),
        "amplification_slow_third": amplification(way.origin.visits, callers.taken),
        **({"p99_other_growth_s": max(grown)} if grown else {}),
    }


async def herd(way: Way, amounts: Amounts) -> Figures:
    """Very many ask for the same at once, of which there is no copy; then again, and the first call fails.

    The product may ask again only a few times in a row: with more than two herds of the second kind its
    callers would get what its budget left over, not what a herd does.
    """
    callers = Callers(way, patience=PATIENCE, headers=NO_HEADERS)
    found: Figures = {}
    well = Manner(seconds=_HERDING, fresh=3600)
    for end, mood in (
        ("", always(well)),
        ("_leader_fails", first(Manner(well=False, seconds=_HERDING), well)),
    ):
        callers.taken.clear()
        calls = 0
        for number in range(amounts.herds):
            way.origin.begin(mood)
            await callers.herd(f"H{end[1:2].upper()}{number}", _HERD)
            await CLOCK.sleep(_HERDING)  # whatever is still asked for behind the callers' backs
            calls = max(calls, len(way.origin.visits))
        found |= {f"upstream_calls_herd{end}": calls, f"success_herd{end}": success(callers.taken)}
    callers.close()
    return found


async def _warmed(way: Way, wanted: Sequence[str], headers: dict[str, str] = NO_HEADERS) -> Callers:
    """Callers of a proxy that has a good copy of everything."""
    callers = Callers(way, patience=PATIENCE, headers=headers)
    way.origin.begin(always(Manner()))
    await callers.warm(wanted)
    await CLOCK.sleep(_FRESH)
    return callers
