"""Tells people of a network that is down, and of its end."""

import math
from datetime import datetime

from autonomous_healing.agents.agent import Worker
from autonomous_healing.agents.alerting import LOOK_SECONDS
from autonomous_healing.alerts import AlertManager, Felt, TroubleSeen, Truthful
from autonomous_healing.endpoint_healing.circuits import Circuits
from autonomous_healing.resilience import Clock

#: Whose alert it is; no source has that name.
NETWORK = "network"

#: While it lasts it is said again, so that the alert does not end for want of news.
RENEW_SECONDS = 30.0


def network_down(sources: tuple[str, ...], at: datetime) -> TroubleSeen:
    """Sources that have nothing to do with each other are not reached: nobody is served anything new."""
    return TroubleSeen(
        source=NETWORK,
        source_name="Network",
        endpoint=NETWORK,
        code="SYS.NETWORK_DOWN",
        cluster=f"SYS.NETWORK_DOWN:{NETWORK}",
        health_status="failed",
        error_rate=None,
        felt=Felt(error=1.0),
        healed=False,
        attempted=False,
        strategy=None,
        tried=(),
        message=f"not reached: {', '.join(sources)}",
        origin="live",
        at=at,
        affected_endpoints=(),
        source_endpoints=1,
    )


class NetworkAlert(Worker):
    """One alert from the first news to the first answer of anybody."""

    def __init__(self, alerts: AlertManager, circuits: Circuits, clock: Clock) -> None:
        super().__init__("network_alert", clock)
        self._alerts = alerts
        self._circuits = circuits
        self._told_at = -math.inf

    async def run(self) -> None:
        while True:
            self.look()
            await self._clock.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Say what is new. An alert of before a restart ends with the first answer as well."""
        network, now = self._circuits.network, self._clock.monotonic()
        if network.is_down:
            if now - self._told_at >= RENEW_SECONDS:
                self._alerts.see(network_down(network.missing(), self._clock.now()))
                self._told_at = now
        elif self._is_open() and self._circuits.reached_at() > self._told_at:
            self._alerts.truthful(Truthful(source=NETWORK, endpoint=NETWORK, at=self._clock.now()))
        else:
            self._told_at = -math.inf
        self.succeeded()

    def _is_open(self) -> bool:
        return any(alert.source == NETWORK for alert in self._alerts.open())
