"""Tells the alert manager what the journal and the health windows say."""

from collections.abc import Sequence
from datetime import datetime

from autonomous_healing.agents.agent import Agent, AgentStatus, Worker
from autonomous_healing.alerts import AlertManager, Felt, TroubleSeen, Truthful
from autonomous_healing.endpoint_healing.admission import Admission
from autonomous_healing.endpoint_healing.call import FailedCall
from autonomous_healing.endpoint_healing.codes import Blame
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.health import Health
from autonomous_healing.healing import Follower, Report
from autonomous_healing.resilience import Clock

#: How often the windows are asked for truthful answers, in seconds.
LOOK_SECONDS = 0.5


class AlertingAgent(Agent[Report]):
    """One failure in the journal is one trouble told."""

    def __init__(
        self,
        inbox: Follower,
        alerts: AlertManager,
        admission: Admission,
        endpoints: Sequence[Endpoint],
        clock: Clock,
    ) -> None:
        super().__init__("alerting", inbox, clock)
        self._alerts = alerts
        self._admission = admission
        self._endpoints = endpoints

    async def handle(self, item: Report) -> None:
        if not isinstance(item.case, FailedCall) or item.case.too_hasty:
            return
        if item.case.failure.blame is not Blame.NETWORK:  # which has an alert of its own
            self._alerts.see(self._trouble(item, item.case))

    def _trouble(self, report: Report, case: FailedCall) -> TroubleSeen:
        endpoint = case.call.endpoint
        health = self._admission.window(endpoint).read()
        siblings = [one for one in self._endpoints if one.source.id == endpoint.source.id]
        cluster = report.diagnosis.cluster
        sharing = [alert.endpoint for alert in self._alerts.open() if alert.cluster == cluster]
        return TroubleSeen(
            source=endpoint.source.id,
            source_name=endpoint.source.display_name,
            endpoint=endpoint.name,
            code=report.diagnosis.code,
            cluster=cluster,
            health_status=health.status_word,
            error_rate=health.error_rate,
            felt=_felt(health),
            healed=report.healed,
            attempted=bool(report.attempts),
            strategy=report.strategy,
            tried=tuple(attempt.strategy for attempt in report.attempts if attempt.tried),
            message=case.failure.message,
            origin=report.origin,
            at=report.diagnosed_at,
            affected_endpoints=tuple(name for name in sharing if name != "*"),
            source_endpoints=len(siblings),
        )


def dead_agent(agent: AgentStatus, at: datetime) -> TroubleSeen:
    """A part of ourselves that was restarted in vain: nobody is served by it any more."""
    return TroubleSeen(
        source="autonomous_healing",
        source_name="Autonomous Healing",
        endpoint=agent.name,
        code="SYS.AGENT_FAILED",
        cluster=f"SYS.AGENT_FAILED:{agent.name}",
        health_status="failed",
        error_rate=None,
        felt=Felt(error=1.0),
        healed=False,
        attempted=True,
        strategy=None,
        tried=(),
        message=f"{agent.restarts} restarts did not help: {agent.last_error}",
        origin="live",
        at=at,
        affected_endpoints=(),
        source_endpoints=1,
    )


def _felt(health: Health) -> Felt:
    """Shares of users' requests; without any, what probes ended with."""
    requests = sum(health.felt.values())
    if not requests:
        return Felt(error=health.felt_error_rate)

    def share(*words: str) -> float:
        return sum(health.felt.get(word, 0) for word in words) / requests

    return Felt(
        exact=share("fresh", "exact"),
        stale=share("stale"),
        reduced=share("reduced"),
        substitute=share("substitute"),
        error=share("error"),
    )


class RecoveryWatch(Worker):
    """Tells of truthful answers where an alert is open, and has the manager resolve what is over."""

    def __init__(
        self, alerts: AlertManager, admission: Admission, endpoints: Sequence[Endpoint], clock: Clock
    ) -> None:
        super().__init__("recovery_watch", clock)
        self._alerts = alerts
        self._admission = admission
        self._endpoints = endpoints
        self._seen: dict[str, int] = {}

    async def run(self) -> None:
        while True:
            self.look()
            await self._clock.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """One pass over the endpoints of sources with open alerts."""
        troubled = {alert.source for alert in self._alerts.open()}
        for endpoint in self._endpoints:
            window = self._admission.window(endpoint)
            before = self._seen.get(endpoint.place, window.successes)
            self._seen[endpoint.place] = window.successes
            if endpoint.source.id in troubled and window.successes > before and window.last_success:
                self._alerts.truthful(
                    Truthful(source=endpoint.source.id, endpoint=endpoint.name, at=window.last_success)
                )
        self._alerts.sweep()
        self.succeeded()
