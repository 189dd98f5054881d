"""What endpoint healing knows beyond a restart: health, circuits, and counts by the minute."""

from collections.abc import Sequence

from autonomous_healing.endpoint_healing.admission import Admission
from autonomous_healing.endpoint_healing.circuit_store import CircuitStore
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.rollups import Rollups
from autonomous_healing.endpoint_healing.store import EndpointStore


class Remembrance:
    """Between the live objects and their stores. All methods raise `DatabaseAway`."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        admission: Admission,
        health: EndpointStore,
        circuits: CircuitStore,
        rollups: Rollups,
    ) -> None:
        self.rollups = rollups
        self._endpoints = tuple(endpoints)
        self._admission = admission
        self._health = health
        self._circuits = circuits
        self._loaded = False

    async def load(self) -> None:
        """Take up what was known before the last stop; once, however often it is asked for."""
        if self._loaded:
            return
        health, circuits = await self._health.load_health(), await self._circuits.load()
        for endpoint in self._endpoints:
            if known := health.get((endpoint.source.id, endpoint.name)):
                self._admission.window(endpoint).restore(known)
        self._admission.circuits.restore(circuits, self._endpoints)
        self._loaded = True

    async def save_health(self) -> None:
        """Of endpoints that were ever called."""
        windows = [(one, self._admission.window(one)) for one in self._endpoints]
        await self._health.save_health((one, window.read()) for one, window in windows if window.seen)

    async def save_circuits(self) -> None:
        """Of circuits that were ever worth remembering."""
        await self._circuits.save(self._admission.circuits.memories())
