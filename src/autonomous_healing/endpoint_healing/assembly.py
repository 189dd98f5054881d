"""Puts endpoint healing together from its parts and its settings."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autonomous_healing.database import Database
from autonomous_healing.endpoint_healing.admission import Admission
from autonomous_healing.endpoint_healing.cache import ResponseCache
from autonomous_healing.endpoint_healing.call import FailedCall, Response
from autonomous_healing.endpoint_healing.catalog import session_quote
from autonomous_healing.endpoint_healing.encryption import VARIABLE, Cipher
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.fetch import Fetcher
from autonomous_healing.endpoint_healing.freshness import Freshness, FrozenWatch, MarketHours
from autonomous_healing.endpoint_healing.healer import EndpointHealer
from autonomous_healing.endpoint_healing.judging import Judges
from autonomous_healing.endpoint_healing.kept_copies import KeptCopies
from autonomous_healing.endpoint_healing.key_keeping import KeyKeeper
from autonomous_healing.endpoint_healing.key_store import KeyStore
from autonomous_healing.endpoint_healing.observations import Observations
from autonomous_healing.endpoint_healing.options import HealingSettings, SourceSettings
from autonomous_healing.endpoint_healing.plausibility import Plausibility
from autonomous_healing.endpoint_healing.ranking import LearnedOrder
from autonomous_healing.endpoint_healing.redaction import Redactions
from autonomous_healing.endpoint_healing.strategies import (
    Cascade,
    EndpointStrategy,
    ExponentialBackoffRetry,
    FredRotateApiKey,
    FredUseAlternateSeries,
    PolygonUseDaily,
    ReduceRequestSize,
    RotateApiKey,
    UseCachedData,
    YahooAlternateEndpoint,
)
from autonomous_healing.endpoint_healing.strategies.reduction import shrink, stitch
from autonomous_healing.endpoint_healing.upstream import Upstream, UpstreamLimits
from autonomous_healing.healing import HealingLoop, Journal
from autonomous_healing.learning import LearningSettings, NestedLearner
from autonomous_healing.resilience import Backoff, Clock
from autonomous_healing.safety import Guard


def secrets_of(sources: Mapping[str, SourceSettings], environ: Mapping[str, str]) -> dict[str, list[str]]:
    """The keys that the environment holds, by source and in declared order."""
    return {
        source: [environ[name].strip() for name in settings.keys if environ.get(name, "").strip()]
        for source, settings in sources.items()
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointParts:
    """What the rest of the product needs of endpoint healing."""

    endpoints: tuple[Endpoint, ...]
    admission: Admission
    cache: ResponseCache
    upstream: Upstream
    fetcher: Fetcher
    observations: Observations
    redactions: Redactions


def build_parts(
    endpoints: Sequence[Endpoint],
    sources: Mapping[str, SourceSettings],
    secrets: Mapping[str, Sequence[str]],
    settings: HealingSettings,
    hours: MarketHours,
    clock: Clock,
    stall_seconds: float = 30.0,
) -> EndpointParts:
    """Everything up to asking a provider and judging what it says.

    `stall_seconds`: how long an answer that streams may stand still.
    """
    quotas = {source: one.quota for source, one in sources.items()}
    admission = Admission(secrets, quotas, settings, clock)
    cache = ResponseCache(settings.cache, clock, hours)
    limits = UpstreamLimits(
        max_body=settings.max_answer_mb * 1_048_576,
        connect_seconds=settings.connect_timeout,
        per_host=settings.connections_per_host,
        waiting=settings.waiting_per_host,
        stall_seconds=stall_seconds,
    )
    redactions = Redactions(secrets)
    upstream = Upstream(user_agent=settings.user_agent, limits=limits)
    judges = Judges(
        plausibility=Plausibility(settings.plausibility),
        freshness=Freshness(settings.freshness, hours),
        frozen=FrozenWatch(settings.freshness, hours),
        redactions=redactions,
    )
    fetcher = Fetcher(upstream, admission, cache, judges, clock, settings)
    return EndpointParts(
        endpoints=tuple(endpoints),
        admission=admission,
        cache=cache,
        upstream=upstream,
        fetcher=fetcher,
        observations=Observations(),
        redactions=redactions,
    )


def build_keeper(
    parts: EndpointParts, database: Database, environ: Mapping[str, str], clock: Clock
) -> KeyKeeper:
    """Of the rings of all sources that need keys."""
    sources = {one.source.id: one.source for one in parts.endpoints if one.source.auth.place != "none"}
    rings = {source.id: parts.admission.limits(source).keys for source in sources.values()}
    cipher = Cipher(environ.get(VARIABLE, ""))
    return KeyKeeper(rings, KeyStore(database), cipher, parts.redactions, clock)


def build_strategies(
    parts: EndpointParts, settings: HealingSettings, clock: Clock, rng: random.Random
) -> list[EndpointStrategy]:
    """All strategies there are."""
    fetcher = parts.fetcher
    yahoo = next((one.source for one in parts.endpoints if one.source.id == "yahoo_finance"), None)
    backoff = Backoff(base=settings.in_request_backoff_base, cap=settings.in_request_backoff_cap)
    return [
        ExponentialBackoffRetry(
            fetcher=fetcher, clock=clock, rng=rng, backoff=backoff, retries=settings.in_request_retries
        ),
        UseCachedData(cache=parts.cache, clock=clock),
        ReduceRequestSize(fetcher=fetcher, stitch=stitch, shrink=shrink),
        YahooAlternateEndpoint(fetcher=fetcher, session_quote=session_quote(yahoo) if yahoo else None),
        FredRotateApiKey(fetcher=fetcher),
        FredUseAlternateSeries(fetcher=fetcher),
        PolygonUseDaily(fetcher=fetcher),
        RotateApiKey(fetcher=fetcher),
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Mind:
    """What decides: the guard, and the learner where learning is on."""

    guard: Guard
    learner: NestedLearner
    learning: LearningSettings


def build_healer(
    parts: EndpointParts,
    settings: HealingSettings,
    mind: Mind,
    journal: Journal,
    clock: Clock,
    rng: random.Random,
    kept: KeptCopies | None = None,
) -> EndpointHealer:
    """The door, with all strategies that are switched on; `kept`: copies that outlive the process."""
    disabled = frozenset(name for name, switch in settings.strategies.items() if not switch.enabled)
    cascade = Cascade(build_strategies(parts, settings, clock, rng), disabled)
    quality, fail_safe, reserve = mind.learning.quality, mind.guard.fail_safe, settings.local_reserve
    order = LearnedOrder(mind.learner, cascade.strategies, quality, fail_safe, clock, reserve)
    loop: HealingLoop[FailedCall, Response] = HealingLoop(rank=order, guard=mind.guard, clock=clock)
    return EndpointHealer(parts.fetcher, cascade, loop, journal, clock, settings, kept)
