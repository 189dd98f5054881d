"""What a transport does not offer, asked of the socket below it."""

import asyncio
import fcntl
import select
import socket
import struct
import sys
import termios
from contextlib import suppress


def end_by_reset(transport: asyncio.BaseTransport) -> None:
    """Closing it will tell the other side that something is missing; a mere end may be taken for a body's."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):  # closed already
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def is_over(transport: asyncio.BaseTransport) -> bool:
    """Whether the other side has ended or broken the connection, though it is not read from."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return False
    looking = select.poll()
    looking.register(connection.fileno(), getattr(select, "POLLRDHUP", 0))
    return bool(looking.poll(0))


def not_taken(transport: asyncio.WriteTransport) -> int:
    """Bytes that were written and the other side has not yet taken, in our hands and in the kernel's."""
    connection = transport.get_extra_info("socket")
    count = bytearray(4)
    if connection is not None:
        with suppress(OSError):  # closed already
            fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, count)
    return transport.get_write_buffer_size() + int.from_bytes(count, sys.byteorder)
