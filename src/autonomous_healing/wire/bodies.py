"""Where a body ends: by its length, by chunks, or with the connection. The same readers on both sides."""

import re
from enum import Enum, auto
from typing import Protocol

from autonomous_healing.wire.errors import Malformed
from autonomous_healing.wire.message import Head

#: A size in hexadecimal digits, and extensions that hold no control character.
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t -~\x80-\xff]{0,255})?")
_SIZE_SO_FAR = re.compile(rb"(?:[0-9A-Fa-f]{1,15}(?:;[\t -~\x80-\xff]{0,255})?\r?)?")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*")
_TRAILER_SO_FAR = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]*(?::[\t -~\x80-\xff]*)?\r?")

#: Bytes that a line with a size, and all trailers together, may have.
_LONGEST_SIZE, _LONGEST_TRAILERS = 300, 4096

#: From so many chunks on each must bring so many bytes on average: smaller ones cost more than they bring.
_MANY, _SMALL = 16_384, 8


class _Step(Enum):
    SIZE = auto()
    CHUNK = auto()
    CHUNK_END = auto()
    TRAILERS = auto()


class BodyReader(Protocol):
    """Takes what comes and gives back what belongs to the body."""

    done: bool
    rest: bytes  #: what came behind the end

    def feed(self, piece: bytes) -> bytes:
        """Raises `Malformed`."""

    def ends(self) -> bool:
        """Whether the end of the connection is an end of the body, too."""


class SizedBody:
    """As many bytes as `Content-Length` says."""

    __slots__ = ("done", "left", "rest")

    def __init__(self, length: int) -> None:
        self.left = length
        self.done = length == 0
        self.rest = b""

    def feed(self, piece: bytes) -> bytes:
        size = len(piece)
        if size > self.left:
            self.rest = piece[self.left :]
            piece = piece[: self.left]
            size = self.left
        self.left -= size
        self.done = self.left == 0
        return piece

    def ends(self) -> bool:
        return self.done


class UntilClose:
    """Everything until the connection ends; only answers may do so."""

    __slots__ = ("done", "rest")

    def __init__(self) -> None:
        self.done = False
        self.rest = b""

    def feed(self, piece: bytes) -> bytes:
        return piece

    def ends(self) -> bool:
        return True


class ChunkedBody:
    """Chunks by the letter; extensions and trailers are dropped (RFC 9112, section 7.1)."""

    __slots__ = ("_bytes", "_chunks", "_held", "_left", "_step", "_trailers", "done", "rest")

    def __init__(self) -> None:
        self.done = False
        self.rest = b""
        self._step = _Step.SIZE
        self._held = b""  #: a line, or a line end, that is not whole yet
        self._left = 0  #: bytes of the chunk that are still to come
        self._chunks = self._bytes = self._trailers = 0

    def feed(self, piece: bytes) -> bytes:
        """Raises `Malformed`."""
        if self._held:
            piece, self._held = self._held + piece, b""
        parts: list[bytes] = []
        at = 0
        while not self.done:
            if self._step is _Step.CHUNK:
                part = piece[at : at + self._left]
                parts.append(part)
                at += len(part)
                self._left -= len(part)
                if self._left:
                    break
                self._step = _Step.CHUNK_END
            end = piece.find(b"\r\n", at)
            if end < 0:
                self._hold(piece[at:])
                break
            self._take_line(piece[at:end])
            at = end + 2
        if self.done:
            self.rest = piece[at:]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def ends(self) -> bool:
        return self.done

    def _take_line(self, line: bytes) -> None:
        match self._step:
            case _Step.SIZE:
                self._begin_chunk(line)
            case _Step.CHUNK_END if line:
                raise Malformed("a chunk is longer than its size says")
            case _Step.CHUNK_END:
                self._step = _Step.SIZE
            case _ if line:
                self._trailers += len(line)
                if self._trailers > _LONGEST_TRAILERS or not _TRAILER.fullmatch(line):
                    raise Malformed("a trailer is malformed, or the trailers are too long")
            case _:
                self.done = True

    def _begin_chunk(self, line: bytes) -> None:
        found = _SIZE.fullmatch(line)
        if found is None:
            raise Malformed("the size of a chunk is malformed")
        self._left = int(found[1], 16)
        self._step = _Step.CHUNK if self._left else _Step.TRAILERS
        self._chunks += 1
        self._bytes += self._left
        if self._chunks > _MANY and self._bytes < _SMALL * self._chunks:
            raise Malformed("too many chunks of next to nothing")

    def _hold(self, beginning: bytes) -> None:
        """Keep half a line, if it can still become a good one: a wrong one is told as soon as it is seen."""
        match self._step:
            case _Step.SIZE:
                good = _SIZE_SO_FAR.fullmatch(beginning) and len(beginning) <= _LONGEST_SIZE
            case _Step.CHUNK_END:
                good = beginning in (b"", b"\r")
            case _:
                good = (
                    _TRAILER_SO_FAR.fullmatch(beginning) and len(beginning.rstrip(b"\r")) <= _LONGEST_TRAILERS
                )
        if not good:
            raise Malformed("the framing of a chunk is malformed")
        self._held = beginning


def body_of_request(head: Head) -> BodyReader:
    """The reader for what follows a request's head."""
    return ChunkedBody() if head.chunked else SizedBody(head.length or 0)


def body_of_answer(head: Head) -> BodyReader:
    """The reader for what follows an answer's head, where the status allows a body."""
    if head.chunked:
        return ChunkedBody()
    return UntilClose() if head.length is None else SizedBody(head.length)
