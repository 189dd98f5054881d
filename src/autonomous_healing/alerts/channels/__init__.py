"""The ways in which people hear of alerts. Knows neither why an alert was opened nor when it ends."""

from autonomous_healing.alerts.channels.channel import Channel
from autonomous_healing.alerts.channels.log_channel import LogChannel
from autonomous_healing.alerts.channels.web import AlertFired, AlertResolved, Subscription, WebChannel

__all__ = ["AlertFired", "AlertResolved", "Channel", "LogChannel", "Subscription", "WebChannel"]
