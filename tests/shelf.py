"""A second layer of copies, in memory."""

from autonomous_healing.endpoint_healing.caching.rows import CacheRow
from tests.eventually import CLOCK


class Shelf:
    """A second layer that holds what it is given."""

    def __init__(self) -> None:
        self.rows: dict[bytes, CacheRow] = {}
        self.looks = 0
        self.turns = 0  #: of the event loop that it takes to find something

    async def find(self, resource: bytes) -> CacheRow | None:
        self.looks += 1
        for _ in range(self.turns):
            await CLOCK.sleep(0.0)
        return self.rows.get(resource)

    def put(self, row: CacheRow) -> None:
        self.rows[row.resource] = row

    def remove(self, resource: bytes) -> None:
        self.rows.pop(resource, None)

    async def forget_source(self, source: str, endpoint: str | None = None) -> None:
        self.rows = {
            key: row for key, row in self.rows.items() if (row.source, row.endpoint) != (source, endpoint)
        }
