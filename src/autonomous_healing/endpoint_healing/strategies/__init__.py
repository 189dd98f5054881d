"""The ways to cure an endpoint's failure. None logs, times, counts or knows its rank."""

from autonomous_healing.endpoint_healing.strategies.cascade import CASCADE, Cascade, EndpointStrategy
from autonomous_healing.endpoint_healing.strategies.fred import FredRotateApiKey, FredUseAlternateSeries
from autonomous_healing.endpoint_healing.strategies.general import (
    ExponentialBackoffRetry,
    ReduceRequestSize,
    RotateApiKey,
    UseCachedData,
)
from autonomous_healing.endpoint_healing.strategies.polygon import PolygonUseDaily
from autonomous_healing.endpoint_healing.strategies.yahoo_finance import YahooAlternateEndpoint

__all__ = [
    "CASCADE",
    "Cascade",
    "EndpointStrategy",
    "ExponentialBackoffRetry",
    "FredRotateApiKey",
    "FredUseAlternateSeries",
    "PolygonUseDaily",
    "ReduceRequestSize",
    "RotateApiKey",
    "UseCachedData",
    "YahooAlternateEndpoint",
]
