"""Seeded noise that can be asked for any moment without walking there."""

import math
from functools import lru_cache
from hashlib import blake2b

#: Period in seconds and size (as a share of the level) of each wave, longest first.
_WAVES = (
    (97 * 86_400.0, 0.06),
    (23 * 86_400.0, 0.03),
    (5.3 * 86_400.0, 0.015),
    (1.1 * 86_400.0, 0.007),
    (5.7 * 3600.0, 0.003),
    (41 * 60.0, 0.001),
)
_TICK = 0.0002  #: how far one second may jump from the waves, as a share of the level
_MASK = (1 << 64) - 1


@lru_cache(maxsize=4096)
def stream(seed: int, *names: str) -> int:
    """The number of one noise stream: equal inputs give the same stream on every machine."""
    return int.from_bytes(blake2b(f"{seed}|{'|'.join(names)}".encode(), digest_size=8).digest(), "big")


def uniform(key: int, index: int) -> float:
    """A number in [0, 1) for this index of the stream (the mixing steps of splitmix64)."""
    mixed = (key + index * 0x9E37_79B9_7F4A_7C15) & _MASK
    mixed = ((mixed ^ mixed >> 30) * 0xBF58_476D_1CE4_E5B9) & _MASK
    mixed = ((mixed ^ mixed >> 27) * 0x94D0_49BB_1331_11EB) & _MASK
    return ((mixed ^ mixed >> 31) >> 11) / (1 << 53)


def drift(key: int, second: int) -> float:
    """How far the level has wandered from its anchor at that second, as a logarithm."""
    waves = sum(
        size * math.sin(math.tau * second / period + phase)
        for (period, size), phase in zip(_WAVES, _phases(key), strict=True)
    )
    return waves + _TICK * (2 * uniform(key, second) - 1)


def reach(step: float) -> float:
    """The most `drift` can stray, within `step` seconds, from the nearer of both ends."""
    return sum(size * min(2.0, math.pi * step / period) for period, size in _WAVES) + 2 * _TICK


@lru_cache(maxsize=4096)
def _phases(key: int) -> tuple[float, ...]:
    return tuple(math.tau * uniform(key, -1 - number) for number in range(len(_WAVES)))
