"""Where users' requests come in. Knows HTTP and headers, not how anything is healed."""

from autonomous_healing.proxy.healing_proxy import HealingProxy, Request
from autonomous_healing.proxy.server import PortTaken, ProxyServer

__all__ = ["HealingProxy", "PortTaken", "ProxyServer", "Request"]
