"""Waiting for what other tasks and processes bring about."""

import inspect
from collections.abc import Awaitable, Callable

from autonomous_healing.resilience import SystemClock

CLOCK = SystemClock()


async def eventually(condition: Callable[[], object | Awaitable[object]], seconds: float = 10.0) -> None:
    """Until the condition is true, asked again and again; `AssertionError` if that takes too long."""
    deadline = CLOCK.monotonic() + seconds
    while not (value := await _value_of(condition)):
        if CLOCK.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s; at last it was {value!r}")
        await CLOCK.sleep(0.02)


async def _value_of(condition: Callable[[], object | Awaitable[object]]) -> object:
    value = condition()
    return await value if inspect.isawaitable(value) else value
