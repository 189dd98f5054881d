"""Settings that are each fine by themselves but cannot stand together."""

import difflib
from collections.abc import Iterable, Iterator, Mapping

from autonomous_healing.agents.monitoring import TODAY
from autonomous_healing.endpoint_healing.catalog import (
    SOURCE_IDS,
    build_endpoints,
    default_sources,
    endpoint_names,
)
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.strategies import CASCADE
from autonomous_healing.settings.faults import Fault
from autonomous_healing.settings.model import Settings


def contradictions(settings: Settings) -> list[Fault]:
    """All of them, each with its path."""
    return [*_sources(settings), *_targets(settings), *_healing(settings), *_server(settings)]


def _sources(settings: Settings) -> Iterator[Fault]:
    for source in settings.sources:
        if source not in SOURCE_IDS:
            yield Fault(f"sources.{source}", _unknown("source", source, SOURCE_IDS))


def _targets(settings: Settings) -> Iterator[Fault]:
    known, watching = endpoint_names(), settings.monitoring
    endpoints = {(one.source.id, one.name): one for one in build_endpoints(default_sources())}
    low, high = watching.interval_min, watching.interval_max
    if low > high:
        yield Fault("monitoring.interval_min", f"{low} is above interval_max {high}")
    for n, target in enumerate(watching.endpoints):
        path = f"monitoring.endpoints.{n}"
        if target.source not in known:
            yield Fault(f"{path}.source", _unknown("source", target.source, known))
        elif target.endpoint not in known[target.source]:
            yield Fault(f"{path}.endpoint", _unknown("endpoint", target.endpoint, known[target.source]))
        else:
            yield from _params(f"{path}.params", target.params, endpoints[target.source, target.endpoint])
        interval = target.check_interval
        if interval is not None and not low <= interval <= high:
            yield Fault(f"{path}.check_interval", f"{interval} is outside {low} to {high}")
    for priority, interval in watching.intervals_by_priority.model_dump().items():
        if not low <= interval <= high:
            path = f"monitoring.intervals_by_priority.{priority}"
            yield Fault(path, f"{interval} is outside {low} to {high}")


def _params(path: str, params: Mapping[str, str], endpoint: Endpoint) -> Iterator[Fault]:
    """A question that cannot be asked would bring its agent down at every turn."""
    for name in sorted(endpoint.path_params):
        if not (params.get(name) or endpoint.defaults.get(name)):
            yield Fault(path, f"the parameter {name!r} is missing")
    for name, value in params.items():
        if value.startswith("{today") and not TODAY.fullmatch(value):
            yield Fault(f"{path}.{name}", f"{value!r} is no day; {{today}} and {{today-5}} are")


def _healing(settings: Settings) -> Iterator[Fault]:
    healing = settings.healing
    if above := [level for level in healing.allow if level not in healing.allow_max]:
        yield Fault("healing.allow", f"{above[0]!r} is not in allow_max")
    if healing.soft_timeout.min > healing.soft_timeout.max:
        yield Fault("healing.soft_timeout.min", f"{healing.soft_timeout.min} is above max")
    if healing.breaker.open_base > healing.breaker.open_cap:
        yield Fault("healing.breaker.open_base", f"{healing.breaker.open_base} is above open_cap")
    if healing.local_reserve >= healing.request_budget:
        yield Fault("healing.local_reserve", "leaves nothing of request_budget")
    if not healing.window.degraded < healing.window.critical < healing.window.failed:
        yield Fault("healing.window", "degraded, critical and failed must rise")
    if healing.plausibility.min_price >= healing.plausibility.max_price:
        yield Fault("healing.plausibility.min_price", "is not below max_price")
    strategies = {name for row in CASCADE.values() for names in row.values() for name in names}
    for name in healing.strategies:
        if name not in strategies:
            yield Fault(f"healing.strategies.{name}", _unknown("strategy", name, strategies))


def _server(settings: Settings) -> Iterator[Fault]:
    server = settings.server
    if server.proxy_port == server.dashboard_port != 0:
        yield Fault("server.dashboard_port", f"{server.dashboard_port} is the proxy's port too")


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"unknown {what}; " + (f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}")
