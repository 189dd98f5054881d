"""UUIDv7: identifiers that sort by birth, made where a thing is born (RFC 9562, section 5.7)."""

import os
from collections.abc import Callable
from uuid import UUID

from autonomous_healing.resilience.clock import Clock

NewId = Callable[[], UUID]


def uuid7_from(clock: Clock, random_bytes: Callable[[int], bytes] = os.urandom) -> NewId:
    """A maker of UUIDv7s that dates them by `clock`, in milliseconds since 1970."""

    def new_id() -> UUID:
        milliseconds = int(clock.now().timestamp() * 1000) & 0xFFFF_FFFF_FFFF
        noise = int.from_bytes(random_bytes(10), "big")
        value = (
            milliseconds << 80 | 0x7 << 76 | (noise >> 66 & 0xFFF) << 64 | 0b10 << 62 | noise & (1 << 62) - 1
        )
        return UUID(int=value)

    return new_id
