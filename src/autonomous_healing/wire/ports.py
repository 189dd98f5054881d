"""Ports that somebody else may have already."""

import asyncio
import errno
from collections.abc import Iterator
from contextlib import contextmanager


class PortTaken(OSError):
    """Another program listens there already."""

    def __init__(self, port: int) -> None:
        super().__init__(errno.EADDRINUSE, f"port {port} is taken")
        self.port = port

    def __str__(self) -> str:
        return str(self.strerror)


@contextmanager
def taking(port: int) -> Iterator[None]:
    """Around whatever binds a port. Raises `PortTaken`, and other faults as they are."""
    try:
        yield
    except OSError as fault:
        if fault.errno == errno.EADDRINUSE:
            raise PortTaken(port) from None
        raise


async def require_free(host: str, port: int) -> None:
    """Who shares a port would join any other program of the same account there. Raises `PortTaken`."""
    with taking(port):
        listening = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)
    listening.close()
    await listening.wait_closed()
