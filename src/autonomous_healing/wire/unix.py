"""New connections to a process on this machine that listens on a socket in the file system."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from autonomous_healing.wire.errors import Phase, WireError
from autonomous_healing.wire.origin import Origin

ProtocolT = TypeVar("ProtocolT", bound=asyncio.BaseProtocol)

#: A process that does not accept for so long does not work.
_CONNECT_SECONDS = 2.0

#: What stands in `Host` where a request that is handed on had none: HTTP/1.0 allows that.
NEIGHBOUR = Origin("http", "localhost", 80)


class UnixDialer:
    """Makes connections to one path."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def dial(self, new_protocol: Callable[[], ProtocolT]) -> tuple[ProtocolT, str]:
        """A connected protocol and the path. Raises `WireError`."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                _, protocol = await loop.create_unix_connection(new_protocol, self._path)
        except TimeoutError:
            raise WireError(Phase.CONNECT, "no answer", timed_out=True) from None
        except OSError:
            raise WireError(Phase.CONNECT, "nobody listens") from None
        return protocol, self._path

    async def look_again(self) -> frozenset[str]:
        """A path does not move."""
        return frozenset()
