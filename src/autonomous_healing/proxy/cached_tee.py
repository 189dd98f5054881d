"""An answer that streams: to one client at once, and beside that into the cache for as long as it fits."""

from collections.abc import Callable

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.caching.shared import Room


class Tee:
    """The client is not kept waiting for the cache, and those who wait for the cache not for the client."""

    __slots__ = (
        "_behind",
        "_exchange",
        "_flow",
        "_given_up",
        "_held_back",
        "_pieces",
        "_room",
        "_size",
        "_whole",
    )

    def __init__(
        self,
        exchange: wire.Exchange | None,
        flow: wire.Flow,
        room: Room | None,
        *,
        whole: Callable[[bytes | None], None],
        given_up: Callable[[], None],
    ) -> None:
        """`exchange`: of the client, where there is one; `room`: for the cache, where it is to be kept.

        `whole` is told the body at the end, None where it was not kept; `given_up` that it cannot be kept.
        """
        self._exchange = exchange
        self._flow = flow
        self._room = room
        self._whole = whole
        self._given_up = given_up
        self._pieces: list[bytes] = []
        self._size = 0
        self._behind = self._held_back = False
        if exchange is not None:
            exchange.flow = self

    def take(self, piece: bytes) -> None:
        """The next bytes."""
        if self._exchange is not None:
            self._exchange.write(piece)
        if self._room is None:
            return
        self._size += len(piece)
        self._pieces.append(piece)
        if not self._room.take(len(piece), self._size):
            self.close()
            self._given_up()
            if self._behind:
                self._hold_back()

    def end(self) -> None:
        """It is whole."""
        body = None if self._room is None else b"".join(self._pieces)
        self.close()
        if self._exchange is not None:
            self._exchange.finish()
        self._whole(body)

    def pause(self) -> None:
        """The client is behind. What is put together for others is not held up by it: that is bounded."""
        self._behind = True
        if self._room is None:
            self._hold_back()

    def resume(self) -> None:
        """The client has caught up."""
        self._behind = False
        if self._held_back:
            self._held_back = False
            self._flow.resume()

    def close(self) -> None:
        """Nothing more is put together for the cache."""
        if self._room is not None:
            self._room.give_back(self._size)
            self._room, self._pieces, self._size = None, [], 0

    def _hold_back(self) -> None:
        self._held_back = True
        self._flow.pause()
