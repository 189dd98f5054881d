"""Where users' requests come in. Knows HTTP and headers, not how anything is healed."""

from autonomous_healing.proxy.healing_proxy import HealingProxy, Request
from autonomous_healing.proxy.passthrough import Passthrough
from autonomous_healing.proxy.raw_sources import RawSources, build_shared_cache
from autonomous_healing.proxy.server import Door, ProxyServer, Ways

__all__ = [
    "Door",
    "HealingProxy",
    "Passthrough",
    "ProxyServer",
    "RawSources",
    "Request",
    "Ways",
    "build_shared_cache",
]
