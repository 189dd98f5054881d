"""All who look at the state of things and tell alerts of it."""

from collections.abc import Mapping, Sequence

from autonomous_healing.agents.agent import Worker
from autonomous_healing.agents.alerting import RecoveryWatch
from autonomous_healing.agents.key_alert import KeyAlert
from autonomous_healing.agents.network_alert import NetworkAlert
from autonomous_healing.agents.quota_alert import QuotaAlert
from autonomous_healing.alerts import AlertManager
from autonomous_healing.endpoint_healing.assembly import EndpointParts
from autonomous_healing.endpoint_healing.key_keeping import KeyKeeper
from autonomous_healing.endpoint_healing.options import SourceSettings
from autonomous_healing.resilience import Clock


def build_watches(
    alerts: AlertManager,
    parts: EndpointParts,
    keys: KeyKeeper,
    sources: Mapping[str, SourceSettings],
    clock: Clock,
) -> Sequence[Worker]:
    """One for the end of troubles, one each for the network, keys and quotas."""
    admission = parts.admission
    known = {endpoint.source.id: endpoint.source for endpoint in parts.endpoints}
    return (
        RecoveryWatch(alerts, admission, parts.endpoints, clock),
        NetworkAlert(alerts, admission.circuits, clock),
        KeyAlert(alerts, keys, sources, clock),
        QuotaAlert(alerts, admission, known.values(), clock),
    )
