"""What is measured side by side: each has a door for every kind of answer that it can be asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Door:
    """Where to ask, and whose account the work goes to."""

    url: str
    pid: int
    heals: bool = False  #: answers come from the last good copy, for the upstream fails
    remembers: bool = False  #: answers come from its own memory, for they are still fresh
    database: Callable[[], int | None] = lambda: None  #: pid of the PostgreSQL beside it, accounted apart


@dataclass(frozen=True, slots=True)
class Side:
    """One proxy, or one way of ours to be one."""

    name: str
    doors: Mapping[str, Door]  #: by kind
