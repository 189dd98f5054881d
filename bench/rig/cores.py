"""Which core does what: one for the load and its upstream, one for the proxy under test alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.rig.faults import CannotMeasure


@dataclass(frozen=True, slots=True)
class Cores:
    load: int
    proxy: int


def two_cores() -> Cores:
    """The first two that this process may use."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise CannotMeasure("two cores are needed: one for the load, one for the proxy alone")
    return Cores(load=allowed[0], proxy=allowed[1])


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """This process, and all that it starts meanwhile without saying otherwise."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pinned(core: int, command: tuple[str, ...]) -> tuple[str, ...]:
    """A command line that runs on that core; `taskset` gives its pid to the command."""
    return ("taskset", "--cpu-list", str(core), *command)
