"""Settings that are each fine by themselves but cannot stand together."""

from collections.abc import Iterator, Mapping

from autonomous_healing.agents.monitoring import TODAY
from autonomous_healing.endpoint_healing.catalog import build_endpoints, default_sources, endpoint_names
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.strategies import CASCADE
from autonomous_healing.safety.hosts import is_loopback
from autonomous_healing.settings.faults import Fault, unknown
from autonomous_healing.settings.model import Settings
from autonomous_healing.settings.quotas import quota_faults
from autonomous_healing.settings.sources import source_faults


def contradictions(settings: Settings) -> list[Fault]:
    """All of them, each with its path."""
    return [
        *source_faults(settings),
        *quota_faults(settings),
        *_targets(settings),
        *_healing(settings),
        *_server(settings),
        *_auth(settings),
    ]


def _targets(settings: Settings) -> Iterator[Fault]:
    known, watching = endpoint_names(), settings.monitoring
    endpoints = {(one.source.id, one.name): one for one in build_endpoints(default_sources())}
    raw = {source for source, one in settings.sources.items() if one.kind == "raw"} - set(known)
    low, high = watching.interval_min, watching.interval_max
    if low > high:
        yield Fault("monitoring.interval_min", f"{low} is above interval_max {high}")
    for n, target in enumerate(watching.endpoints):
        path = f"monitoring.endpoints.{n}"
        if target.source in raw:
            yield Fault(f"{path}.source", f"{target.source} is raw, and what is raw is not probed")
        elif target.source not in known:
            yield Fault(f"{path}.source", unknown("source", target.source, known))
        elif target.endpoint not in known[target.source]:
            yield Fault(f"{path}.endpoint", unknown("endpoint", target.endpoint, known[target.source]))
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
    if not healing.concurrency.min <= healing.concurrency.start <= healing.concurrency.max:
        path = "healing.concurrency.start"
        yield Fault(path, f"{healing.concurrency.start} is not between min and max")
    if healing.local_reserve >= healing.request_budget:
        yield Fault("healing.local_reserve", "leaves nothing of request_budget")
    if not healing.window.degraded < healing.window.critical < healing.window.failed:
        yield Fault("healing.window", "degraded, critical and failed must rise")
    if healing.plausibility.min_price >= healing.plausibility.max_price:
        yield Fault("healing.plausibility.min_price", "is not below max_price")
    strategies = {name for row in CASCADE.values() for names in row.values() for name in names}
    for name in healing.strategies:
        if name not in strategies:
            yield Fault(f"healing.strategies.{name}", unknown("strategy", name, strategies))


def _server(settings: Settings) -> Iterator[Fault]:
    server = settings.server
    if server.proxy_port == server.dashboard_port != 0:
        yield Fault("server.dashboard_port", f"{server.dashboard_port} is the proxy's port too")


def _auth(settings: Settings) -> Iterator[Fault]:
    host, auth = settings.server.host, settings.auth
    if auth.tokens:
        return
    wanted = "make a token with `autonomous-healing token create`"
    if not is_loopback(host):
        yield Fault("server.host", f"{host!r} is open to other machines, and nobody has a token: {wanted}")
    if not auth.loopback_read:
        yield Fault("auth.loopback_read", f"leaves nobody who may read: {wanted}")
