"""The body of an answer that streams: in chunks, by its length, or to the end of the connection."""


class StreamedBody:
    """How its pieces go out, and how many bytes are still owed."""

    __slots__ = ("_left", "chunked")

    def __init__(self, length: int | None, minor: int) -> None:
        """`length`: None when nobody knows it; `minor` version of the client."""
        self._left = length
        self.chunked = length is None and minor == 1

    @property
    def has_own_end(self) -> bool:
        """Whether the connection may go on behind it."""
        return self.chunked or self._left is not None

    @property
    def is_owed(self) -> bool:
        """Whether less has come than was promised."""
        return bool(self._left)

    def framed(self, piece: bytes) -> tuple[bytes, ...] | None:
        """A piece, not empty, as it goes out; None where it is more than was promised."""
        if self._left is not None:
            self._left -= len(piece)
            if self._left < 0:
                return None
        return (b"%x\r\n" % len(piece), piece, b"\r\n") if self.chunked else (piece,)
