"""What an operator does by hand, for a while or once: circuits, keys, copies."""

from collections.abc import Sequence

from autonomous_healing.endpoint_healing.assembly import EndpointParts
from autonomous_healing.endpoint_healing.caching.memory import Memory
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.kept_copies import KeptCopies
from autonomous_healing.endpoint_healing.keys import KeyRing
from autonomous_healing.resilience import Force


class UnknownTarget(LookupError):
    """No source, endpoint or key of that name."""


class Controls:
    """Each act is carried out at once; who may do it, and that it is written down, is decided elsewhere."""

    def __init__(self, parts: EndpointParts, raw: Memory, kept: KeptCopies | None) -> None:
        """`raw`: answers of raw sources; `kept`: the second layer, where there is one."""
        self._endpoints = parts.endpoints
        self._admission = parts.admission
        self._cache = parts.cache
        self._raw = raw
        self._kept = kept

    def force(
        self,
        source: str,
        endpoint: str,
        kind: Force,
        *,
        seconds: float,
        reason: str,
        by: str,
        host: str | None,
    ) -> None:
        """Hold circuits as they should be, for so many seconds; at one host, or at all.

        Raises `UnknownTarget`.
        """
        target = self._endpoint(source, endpoint)
        try:
            self._admission.circuits.force(target, kind, seconds=seconds, reason=reason, by=by, host=host)
        except ValueError as wrong:
            raise UnknownTarget(str(wrong)) from None

    def unforce(self, source: str, endpoint: str, host: str | None) -> None:
        """Leave circuits to their calls again. Raises `UnknownTarget`."""
        target = self._endpoint(source, endpoint)
        if host is not None and host not in target.source.hosts:
            raise UnknownTarget(f"{host} is no host of {source}")
        self._admission.circuits.unforce(target, host)

    def quarantine(self, source: str, alias: str, reason: str) -> None:
        """Take a key out of use until it is released. Raises `UnknownTarget`."""
        self._ring(source, alias).quarantine(alias, reason)

    def release(self, source: str, alias: str) -> None:
        """Put a quarantined key back. Raises `UnknownTarget`, and `IllegalMove` for one that is not."""
        self._ring(source, alias).release(alias)

    async def forget_copies(
        self, *, key: str | None = None, source: str | None = None, endpoint: str | None = None
    ) -> int:
        """Copies of one question (as trails and tables spell it), of a source, an endpoint, or all.

        How many were in memory. Raises `UnknownTarget` and `DatabaseAway`.
        """
        if key is not None:
            if self._kept is not None:
                await self._kept.forget(key)
            return int(self._cache.forget(key))
        if endpoint is not None and source is None:
            raise UnknownTarget("an endpoint is named with its source")
        if endpoint is not None and source is not None:
            chosen: Sequence[Endpoint] = (self._endpoint(source, endpoint),)
        else:
            if source is not None:
                self._source(source)
            chosen = [one for one in self._endpoints if source in (None, one.source.id)]
        count = self._forget(chosen)
        if self._kept is not None:
            await self._kept.forget_endpoints(chosen)
            self._forget(chosen)  # what was brought back while that lasted
        return count

    def _forget(self, endpoints: Sequence[Endpoint]) -> int:
        return sum(
            self._cache.forget_all(place=one.place) + self._raw.forget_place(one.place) for one in endpoints
        )

    def _endpoint(self, source: str, name: str) -> Endpoint:
        self._source(source)
        for one in self._endpoints:
            if one.source.id == source and one.name.lstrip("/") == name.lstrip("/"):
                return one
        known = ", ".join(one.name for one in self._endpoints if one.source.id == source)
        raise UnknownTarget(f"{source} has no endpoint {name!r}; known are {known}")

    def _source(self, source: str) -> None:
        known = dict.fromkeys(one.source.id for one in self._endpoints)
        if source not in known:
            raise UnknownTarget(f"no source {source!r}; known are {', '.join(known)}")

    def _ring(self, source: str, alias: str) -> KeyRing:
        self._source(source)
        found = next(one.source for one in self._endpoints if one.source.id == source)
        ring = self._admission.limits(found).keys
        if ring.find(alias) is None:
            raise UnknownTarget(f"{source} has no key {alias!r}")
        return ring
