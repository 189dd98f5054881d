"""Puts the raw sources together: those that are passed on as they are, and those behind the shared cache."""

from dataclasses import dataclass

from autonomous_healing.endpoint_healing.assembly import EndpointParts
from autonomous_healing.endpoint_healing.caching.reuse import Windows as CacheWindows
from autonomous_healing.endpoint_healing.caching.shared import Behind, Bounds, SharedCache
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.options import CacheSettings
from autonomous_healing.proxy.cached_passthrough import CachedPassthrough
from autonomous_healing.proxy.passthrough import Passthrough, Windows
from autonomous_healing.resilience import Clock


@dataclass(frozen=True, slots=True)
class RawSources:
    """What all of them have in common."""

    parts: EndpointParts
    windows: Windows
    clock: Clock
    cache: SharedCache
    deadline: float  #: seconds for a whole exchange
    buffer_bytes: int  #: of a body that are held

    def build(self) -> list[Passthrough]:
        """One for each that is raw; to be called once there are connections."""
        return [self._build(one) for one in self.parts.endpoints if one.source.kind == "raw"]

    def _build(self, endpoint: Endpoint) -> Passthrough:
        if endpoint.source.cache == "shared":
            return CachedPassthrough(
                endpoint,
                self.parts.upstream,
                self.windows,
                self.clock,
                deadline=self.deadline,
                buffer_bytes=self.buffer_bytes,
                cache=self.cache,
            )
        return Passthrough(
            endpoint,
            self.parts.upstream,
            self.windows,
            self.clock,
            deadline=self.deadline,
            buffer_bytes=self.buffer_bytes,
        )


def build_shared_cache(settings: CacheSettings, clock: Clock, behind: Behind | None = None) -> SharedCache:
    """One for all raw sources of a process; `behind`: the layer that outlives it."""
    bounds = Bounds(
        entries=settings.max_entries,
        total_bytes=settings.max_mb * 1_048_576,
        body_bytes=settings.max_body_mb * 1_048_576,
    )
    kind = settings.kinds.other
    windows = CacheWindows(while_revalidate=kind.while_revalidate, if_error=kind.if_error)
    return SharedCache(bounds, clock, behind, windows)
