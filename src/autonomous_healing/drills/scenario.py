"""The script of a drill: who asks what and when, what goes wrong, and what could truthfully be answered."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from autonomous_healing.drills.questions import Question, questions
from autonomous_healing.drills.twins import Fault, FaultKind

#: The keys that the twins accept, by source, in the order in which the product knows them.
KEYS = {
    "fred_api": ("drillkeyfredone00000000000000000", "drillkeyfredtwo00000000000000000"),
    "polygon_io": ("drill-key-polygon-one", "drill-key-polygon-two"),
    "alpha_vantage": ("DRILLKEYALPHAONE", "DRILLKEYALPHATWO"),
    "exchange_rate_api": ("drill-key-exchange-one", "drill-key-exchange-two"),
}

#: Faults of one exchange, in the order in which they come round; each error type that needs no window.
BLIPS = (
    FaultKind.SERVER_ERROR,
    FaultKind.HTML,
    FaultKind.RESET,
    FaultKind.WRONG_SHAPE,
    FaultKind.STALE,
    FaultKind.HANG,
    FaultKind.MISSING,
    FaultKind.SERVER_ERROR,
    FaultKind.EMPTY,
    FaultKind.IMPLAUSIBLE,
    FaultKind.STALE,
    FaultKind.LATENCY,
    FaultKind.CUT,
    FaultKind.MISSING,
)

#: Faults that last: on one key, or on one host where there are no keys.
WINDOWS = (
    FaultKind.UNAUTHORIZED,
    FaultKind.THROTTLE,
    FaultKind.PLAN,
    FaultKind.QUOTA,
    FaultKind.FORBIDDEN,
    FaultKind.THROTTLE_BARE,
    FaultKind.OUTAGE,
)

#: Seconds that a lasting fault lasts; the configuration of the drill lets keys rest as long.
WINDOW_SECONDS = 1.5

#: An outage lasts longer, so that circuits open and copies grow old: this, or an eighth of a short drill.
OUTAGE_SECONDS = 6.0

#: One symbol on one host stands still for so long, while others move.
FROZEN_SYMBOL, FROZEN_SECONDS = "QQQ", 9.0

#: Nobody can tell a frozen price from a quiet one at the first look: the drill's configuration wants five
#: answers over three seconds, and one more comes before the next is refused.
FROZEN_POLLS, FROZEN_SPAN = 6, 3.5

#: How slow a slow answer is, in seconds: beyond the soft timeout, within the hard one.
SLOW_SECONDS = 2.5

#: Share of requests that meet a fault of one exchange.
BLIP_SHARE = 0.08

#: What callers allow, and how many of a hundred say so; None says nothing and means the default.
DEFAULT_ALLOW = "exact, equivalent, stale"
POLICIES: tuple[tuple[str | None, int], ...] = (
    (None, 88),
    ("exact", 4),
    ("exact, equivalent, stale, reduced", 4),
    ("exact, equivalent, stale, reduced, substitute", 4),
)

#: Error types that the specification lets a strategy cure by asking the same source again.
BY_RETRY = frozenset(
    {"timeout", "server_error_5xx", "network_error", "parsing_error", "invalid_data", "stale_data"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """One request of the drill's clients."""

    id: str
    at: float  #: seconds after the start
    question: Question
    allow: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """Everything that is decided before a drill begins."""

    requests: tuple[Planned, ...]
    faults: tuple[Fault, ...]


def write_scenario(started_at: datetime, seconds: float, rate: float, seed: int) -> Scenario:
    """`rate` requests a second over all sources; the same seed gives the same script."""
    rng = random.Random(seed)
    asked = tuple(_requests(questions(started_at), seconds, rate, rng))
    faults = [*_blips(asked, seconds), *_windows(started_at, seconds), _frozen(started_at, seconds)]
    return Scenario(requests=asked, faults=tuple(faults))


def _requests(
    known: Sequence[Question], seconds: float, rate: float, rng: random.Random
) -> Iterator[Planned]:
    by_source: dict[str, list[Question]] = defaultdict(list)
    for question in known:
        by_source[question.source].append(question)
    sources = list(by_source)
    words, weights = zip(*POLICIES, strict=True)
    for n in range(int(seconds * rate)):
        yield Planned(
            id=f"drill-{n:06d}",
            at=(n + rng.random()) / rate,
            question=rng.choice(by_source[sources[n % len(sources)]]),
            allow=rng.choices(words, weights)[0],
        )


def _blips(asked: Sequence[Planned], seconds: float) -> Iterator[Fault]:
    """Spread evenly over each source's requests, away from the end so that the last ones can finish."""
    by_source: dict[str, list[Planned]] = defaultdict(list)
    for planned in asked:
        if planned.at < seconds - 3:
            by_source[planned.question.source].append(planned)
    step = round(1 / BLIP_SHARE)
    for offset, (source, requests) in enumerate(by_source.items()):
        for n, planned in enumerate(requests[offset::step]):
            kind = BLIPS[(n + offset) % len(BLIPS)]
            yield Fault(
                kind=kind,
                source=source,
                request_ids=frozenset({planned.id}),
                exchanges=1,
                seconds=SLOW_SECONDS if kind is FaultKind.LATENCY else 1.0,
            )


def _windows(started_at: datetime, seconds: float) -> Iterator[Fault]:
    """The sources take turns, each with another trouble, so that no two have the same at once."""
    sources = ("yahoo_finance", *KEYS)
    slots = len(sources) * len(WINDOWS)
    first, gap = 2.0, max(0.0, seconds - 8.0) / slots
    for n in range(slots):
        round_, place = divmod(n, len(sources))
        source, kind = sources[place], WINDOWS[(round_ + place) % len(WINDOWS)]
        lasts = min(OUTAGE_SECONDS, seconds / 8) if kind is FaultKind.OUTAGE else WINDOW_SECONDS
        starts_at = started_at + timedelta(seconds=first + n * gap)
        keyed = source in KEYS and kind is not FaultKind.OUTAGE
        yield Fault(
            kind=kind,
            source=source,
            host=None if source in KEYS else 0,
            key=KEYS[source][0] if keyed else None,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(seconds=lasts),
            seconds=WINDOW_SECONDS,
        )


def _frozen(started_at: datetime, seconds: float) -> Fault:
    starts_at = started_at + timedelta(seconds=seconds / 2)
    return Fault(
        kind=FaultKind.FROZEN,
        source="yahoo_finance",
        path_part=f"/{FROZEN_SYMBOL}",
        host=0,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(seconds=min(FROZEN_SECONDS, seconds / 6)),
    )


def is_healable(fault: Fault, planned: Planned) -> bool:
    """Whether a truthful answer exists at the fidelity that the request allows, by any specified means.

    A copy exists of everything, since the drill begins with a round of good answers. An exact answer exists
    where another host or another key has it, or the same one when it is asked again.
    """
    if "stale" in (planned.allow or DEFAULT_ALLOW):
        return True
    error_type = fault.kind.error_type
    if planned.question.source == "yahoo_finance":
        return fault.host is not None or fault.exchanges is not None
    if fault.kind is FaultKind.PLAN:
        return False
    if fault.key is not None:
        return error_type == "auth_error_403" or planned.question.source == "fred_api"
    return fault.exchanges is not None and error_type in BY_RETRY
