"""Where an answer ends, for a client that asks for one thing at a time. Pure."""

from bench.rig.faults import WrongAnswer


class Framing:
    """Takes the bytes of one connection; understands only answers with a content-length."""

    def __init__(self) -> None:
        self._kept = b""

    def feed(self, piece: bytes) -> int | None:
        """The status of an answer that is now whole, else None. Raises `WrongAnswer`."""
        self._kept += piece
        head, found, body = self._kept.partition(b"\r\n\r\n")
        if not found:
            return None
        length = _length(head)
        if len(body) < length:
            return None
        if len(body) > length:
            raise WrongAnswer("bytes beyond the end of an answer")
        self._kept = b""
        return int(head[9:12])


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    raise WrongAnswer(f"an answer without a length: {head[:200]!r}")
