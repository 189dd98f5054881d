"""Tells people of quotas that will not last, before nothing is left of them, and of the end of that."""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from autonomous_healing.agents.agent import Worker
from autonomous_healing.alerts import AlertLevel, AlertManager, Felt, Telling, TroubleSeen, Truthful
from autonomous_healing.endpoint_healing.admission import Admission
from autonomous_healing.endpoint_healing.endpoints import Source
from autonomous_healing.endpoint_healing.quotas.readings import QUOTA_FORECAST, QuotaForecast
from autonomous_healing.resilience import Clock

#: Stands for the endpoint of such an alert: it is about the source's quota.
QUOTA = "quota"

#: Between two looks, in seconds: rates change slowly where a window lasts for a day.
LOOK_SECONDS = 5.0

#: While it lasts it is said again, so that the alert does not end for want of news.
RENEW_SECONDS = 100.0


def telling_of(source: Source, forecasts: Sequence[QuotaForecast], now: datetime) -> Telling:
    """What to say of the quotas of one source that will not last."""
    return Telling(
        level=AlertLevel.WARNING,
        title=f"{source.display_name} - Quota running out",
        message="; ".join(_said(one, now) for one in forecasts),
        actions=("Ask for less, or wait", "Consider upgrading the plan"),
    )


def _said(forecast: QuotaForecast, now: datetime) -> str:
    key = f" of {forecast.key_alias}" if forecast.key_alias else ""
    what = f"quota{key} in a {forecast.window}"
    again = f", and begins anew at {_clock_time(now, forecast.resets_in)}" if forecast.resets_in else ""
    if not forecast.eta:
        return f"nothing is left of the {what}{again}"
    return f"the {what} will be used up about {_clock_time(now, forecast.eta)}{again}"


def _clock_time(now: datetime, later: timedelta) -> str:
    return f"{now + later:%Y-%m-%d %H:%M} UTC"


class QuotaAlert(Worker):
    """One alert for each source, from the first quota that will not last until all of its quotas will."""

    def __init__(
        self, alerts: AlertManager, admission: Admission, sources: Iterable[Source], clock: Clock
    ) -> None:
        super().__init__("quota_alert", clock)
        self._alerts = alerts
        self._admission = admission
        self._sources = {source.id: source for source in sources}
        self._told: dict[str, tuple[frozenset[tuple[str, str]], float]] = {}

    async def run(self) -> None:
        while True:
            self.look()
            await self._clock.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Say what is new. An alert of before a restart ends here as well. A pace is nobody's concern."""
        open_for = {alert.source for alert in self._alerts.open() if alert.endpoint == QUOTA}
        now = self._clock.monotonic()
        for ledger in self._admission.ledgers():
            source = self._sources[ledger.source]
            found = [one for one in ledger.forecasts() if not one.is_pace]
            if not found:
                self._told.pop(source.id, None)
                if source.id in open_for:
                    self._alerts.truthful(Truthful(source=source.id, endpoint=QUOTA, at=self._clock.now()))
                continue
            what = frozenset((one.key_alias, one.window) for one in found)
            told, at = self._told.get(source.id, (None, -math.inf))
            if what != told or now - at >= RENEW_SECONDS:
                self._alerts.see(_trouble(source, found, self._clock.now()))
                self._told[source.id] = what, now
        self.succeeded()


def _trouble(source: Source, forecasts: Sequence[QuotaForecast], at: datetime) -> TroubleSeen:
    telling = telling_of(source, forecasts, at)
    return TroubleSeen(
        source=source.id,
        source_name=source.display_name,
        endpoint=QUOTA,
        code=QUOTA_FORECAST,
        cluster=f"{QUOTA_FORECAST}:{source.id}",
        health_status="unknown",
        error_rate=None,
        felt=Felt(),
        healed=False,
        attempted=False,
        strategy=None,
        tried=(),
        message=telling.message,
        origin="live",
        at=at,
        affected_endpoints=(),
        source_endpoints=1,
        telling=telling,
    )
