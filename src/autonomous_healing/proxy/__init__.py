"""Where users' requests come in. Knows HTTP and headers, not how anything is healed."""

from autonomous_healing.proxy.healing_proxy import HealingProxy, Request
from autonomous_healing.proxy.passthrough import Passthrough
from autonomous_healing.proxy.server import Door, ProxyServer, Ways

__all__ = ["Door", "HealingProxy", "Passthrough", "ProxyServer", "Request", "Ways"]
