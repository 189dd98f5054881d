"""What a source lets us ask in its windows of time, counted by key before each call."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from autonomous_healing.endpoint_healing.codes import CLIENT_BLOCKED, QUOTA_EXHAUSTED
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.quotas.belief import UNLIMITED
from autonomous_healing.endpoint_healing.quotas.counter import QuotaCounter
from autonomous_healing.endpoint_healing.quotas.headers import Told, told_by
from autonomous_healing.endpoint_healing.quotas.kinds import FixedWindow, SlidingWindow
from autonomous_healing.endpoint_healing.quotas.options import (
    LENGTHS,
    QuotaWindowSettings,
    length_of,
    name_of,
)
from autonomous_healing.endpoint_healing.quotas.readings import (
    QUOTA_FORECAST,
    QuotaForecast,
    QuotaReading,
    span,
)
from autonomous_healing.endpoint_healing.quotas.shares import Shares
from autonomous_healing.endpoint_healing.quotas.steady_time import SteadyTime
from autonomous_healing.endpoint_healing.quotas.window import PACE_SECONDS, ROUNDED, QuotaSpent, Window
from autonomous_healing.resilience import Clock

__all__ = ["Purpose", "QuotaLedger", "QuotaSpent", "Weight", "most_of"]

#: What one call costs: the same in each window, or one number for each declared window.
Weight = int | tuple[int, ...]

#: Where a window is so long and its limit so small, no call may be forgotten.
PRECIOUS_SECONDS, PRECIOUS_LIMIT = 86_400.0, 100

#: Windows that are learned for one key at most, and seconds without a word of one until it is forgotten.
MOST_LEARNED, LEARNED_SECONDS = 4, 86_400.0

#: Looking a member of an enumeration up takes as long as counting.
_FIRST = Purpose.FIRST


@dataclass(slots=True)
class _Account:
    """What one key has used."""

    alias: str
    windows: list[Window]
    precious: bool  #: each of its calls is written down before it is made
    #: Names of windows that nobody has declared, and when they were heard of last.
    learned: dict[str, float] = field(default_factory=dict)
    #: States of windows that were written down at once.
    written: dict[str, tuple[object, ...]] = field(default_factory=dict)


class QuotaLedger:
    """The windows of one source, for each of its keys."""

    def __init__(
        self,
        source: str,
        windows: Sequence[QuotaWindowSettings],
        clock: Clock,
        shares: Shares | None = None,
    ) -> None:
        self.source = source
        self.write_through: Callable[[QuotaCounter], None] | None = None  #: takes what must survive any end
        self._settings = tuple(windows)
        self._clock = clock
        self._shares = shares or Shares()
        self._time = SteadyTime(clock)
        self._accounts: dict[str, _Account] = {}

    def charge(
        self, alias: str = "", weight: Weight = 1, purpose: Purpose = Purpose.FIRST, host: str = ""
    ) -> None:
        """Count one call about to be made; raises `QuotaSpent` and counts nothing when there is no room.

        `alias`: of the key, empty without one; `host`: where the call goes, where hosts rest by themselves.
        """
        account = self._accounts.get(alias) or self._open(alias)
        windows = account.windows
        if not windows:
            return
        now = self._clock.monotonic()
        if purpose is not _FIRST or not isinstance(weight, int):
            self._charge_any(account, weight, purpose, host, now)
            return
        for window in windows:
            if now >= window.due:
                window.catch_up(now)
            if window.used + weight > window.first and not window.takes(weight, purpose, host, now):
                rest = windows[windows.index(window) :]
                raise self._refusal([(one, weight) for one in rest], purpose, host, now)
        for window in windows:
            window.used += weight
            tally = window.tally
            if now < tally.ends:  # as `Window.add`, without its calls
                newest = tally.newest
                newest.count += weight
                newest.last = now
            else:
                tally.add(now, weight)
        if account.precious:
            self._keep(account)

    def _charge_any(self, account: _Account, weight: Weight, purpose: Purpose, host: str, now: float) -> None:
        """The same for any purpose, and for what costs more in one window than in another."""
        costs = [
            (window, weight if isinstance(weight, int) else weight[window.position])
            for window in account.windows
        ]
        for n, (window, cost) in enumerate(costs):
            if not window.takes(cost, purpose, host, now):
                raise self._refusal(costs[n:], purpose, host, now)
        for window, cost in costs:
            window.add(cost, purpose, now)
        self._keep(account)

    def _refusal(
        self, costs: Sequence[tuple[Window, int]], purpose: Purpose, host: str, now: float
    ) -> QuotaSpent:
        """By the window in which there will be room last; the first of these has none."""
        (first, cost), *others = costs
        spent = first.refusal(self.source, cost, purpose, host, now)
        for window, cost in others:
            if not window.takes(cost, purpose, host, now):
                again = window.refusal(self.source, cost, purpose, host, now)
                spent = max(spent, again, key=lambda one: one.retry_after)
        return spent

    def weight(self, endpoint: str, params: Mapping[str, str]) -> Weight:
        """What a call costs by the settings."""
        costs = [_cost(window.weight.get(endpoint, 1), params) for window in self._settings]
        if len(set(costs)) < 2:
            return costs[0] if costs else 1
        return (*costs, max(costs))  # the last for windows that are learned

    def learn(self, alias: str, headers: Mapping[str, str], now: datetime) -> None:
        """What an answer's head says of limits; names in lower case, `now` of the wall clock."""
        told = told_by(headers, now)
        if not told:
            return
        account = self._accounts.get(alias) or self._open(alias)
        at = self._clock.monotonic()
        for one in told:
            window = self._window_of(account, one, at)
            if window is not None:
                window.told(one.limit, one.remaining, one.resets_in, at)
        self._keep(account)

    def throttled(self, alias: str, code: str, retry_after: float | None, host: str = "") -> None:
        """A call was refused for that reason. With a stated wait nothing is asked before it is over.

        `retry_after`: seconds; `host`: where hosts rest by themselves, all of them where it is empty.
        """
        account = self._accounts.get(alias) or self._open(alias)
        now = self._clock.monotonic()
        window = _culprit(account.windows, code, retry_after) or self._learned(
            account, _word_for(retry_after or LENGTHS["minute"])
        )
        if window is None:
            return
        self._hear_of(account, window, now)
        if code != CLIENT_BLOCKED:  # which goes by address, not by count
            window.throttled(now)
        if retry_after:
            window.rest(host, now + retry_after, code)
        self._keep(account)

    def rests(self, host: str) -> bool:
        """Whether that host of a source without keys has said that nothing is to be had of it now."""
        account = self._accounts.get("")
        now = self._clock.monotonic()
        return account is not None and any(window.rests_at(host, now) for window in account.windows)

    def left(self, alias: str = "", host: str = "") -> int | None:
        """First attempts for which there is room now at that host; None where nothing limits them."""
        windows, now = self._caught_up(alias), self._clock.monotonic()
        if any(window.rests_at(host, now) for window in windows):
            return 0
        rooms = [one.rooms[_FIRST] - one.used for one in windows if one.limit < UNLIMITED]
        return max(0, min(rooms)) if rooms else None

    def charge_block(self, alias: str, count: int, until: float) -> None:
        """Count calls that others will have made by then, for which `left` has found room."""
        account = self._accounts.get(alias) or self._open(alias)
        for window in account.windows:
            window.lend(count, until)
        self._keep(account)

    def give_back(self, alias: str, count: int, until: float) -> None:
        """Of those calls, so many were not made."""
        account = self._accounts.get(alias) or self._open(alias)
        for window in account.windows:
            window.take_back(count, until)
        self._keep(account)

    def remaining_share(self, alias: str) -> float:
        """Of the scarcest window of that key, 0 to 1."""
        return min((window.remaining / window.limit for window in self._caught_up(alias)), default=1.0)

    def used_share(self, alias: str) -> float:
        """Of the fullest window of that key, 0 to 1."""
        return 1.0 - self.remaining_share(alias)

    def period_left(self, alias: str) -> float | None:
        """Seconds until the longest quota of that key begins anew; None where that is not known."""
        quotas = [one for one in self._caught_up(alias) if not one.is_pace and one.kind == FixedWindow.kind]
        longest = max(quotas, key=lambda window: window.seconds, default=None)
        return None if longest is None else longest.resets_in(self._clock.monotonic())

    def look(self) -> None:
        """See to what time alone changes: resets, clocks that were set, limits not heard of any more."""
        now = self._clock.monotonic()
        for account in self._accounts.values():
            for name, heard in list(account.learned.items()):
                if now - heard >= LEARNED_SECONDS:
                    del account.learned[name]
                    account.windows = [window for window in account.windows if window.name != name]
            for window in account.windows:
                window.catch_up(now)

    def open(self, aliases: Iterable[str]) -> None:
        """Know of these keys, although none was used yet."""
        for alias in aliases:
            if alias not in self._accounts:
                self._open(alias)

    def readings(self) -> list[QuotaReading]:
        """Every window of every key that was used, in the order of both."""
        now = self._clock.monotonic()
        return [
            self._reading(account.alias, window, now)
            for account in list(self._accounts.values())
            for window in self._caught_up(account.alias)
        ]

    def forecasts(self) -> list[QuotaForecast]:
        """Windows of which nothing will be left before they begin anew."""
        return [
            QuotaForecast(
                source=self.source,
                key_alias=one.key_alias,
                window=one.window,
                is_pace=one.seconds <= PACE_SECONDS,
                eta=one.eta,
                resets_in=one.resets_in if one.kind == FixedWindow.kind else None,
            )
            for one in self.readings()
            if one.eta is not None
        ]

    def states(self) -> dict[tuple[str, str], tuple[object, ...]]:
        """By key and window, what is another than before where it has to be written down again."""
        self.look()
        return {
            (account.alias, window.name): window.state
            for account in self._accounts.values()
            for window in account.windows
        }

    def counter(self, alias: str, name: str) -> QuotaCounter:
        """One of those windows as it is written down."""
        [window] = [one for one in self._accounts[alias].windows if one.name == name]
        return window.counter(self.source, alias, self._clock.monotonic(), self._time.now())

    def restore(self, counters: Iterable[QuotaCounter]) -> None:
        """Take up what earlier runs have counted. The same counter twice counts once."""
        now, wall = self._clock.monotonic(), self._time.now()
        for known in counters:
            account = self._accounts.get(known.key_alias) or self._open(known.key_alias)
            window = next((one for one in account.windows if one.name == known.window), None)
            if window is None and known.declared is None:
                window = self._learned(account, length_of(known.window))
            if window is not None:
                window.restore(known, now, wall)

    def _open(self, alias: str) -> _Account:
        windows = [self._declared(n, settings) for n, settings in enumerate(self._settings)]
        precious = any(
            window.seconds >= PRECIOUS_SECONDS and window.limit <= PRECIOUS_LIMIT for window in windows
        )
        account = self._accounts[alias] = _Account(alias, windows, precious)
        return account

    def _declared(self, position: int, settings: QuotaWindowSettings) -> Window:
        if settings.kind == FixedWindow.kind:
            return FixedWindow(settings, self._shares, position, self._time)
        return SlidingWindow(settings.name, settings.seconds, settings.limit, self._shares, position)

    def _learned(self, account: _Account, seconds: float | None) -> Window | None:
        """A window that nobody has declared; None where we have enough of them."""
        if seconds is None or len(account.learned) >= MOST_LEARNED:
            return None
        window = SlidingWindow(name_of(seconds), seconds, None, self._shares, -1)
        account.windows = [*account.windows, window]
        account.learned[window.name] = self._clock.monotonic()
        return window

    def _window_of(self, account: _Account, told: Told, now: float) -> Window | None:
        """Of which window the source speaks: by its length, else by its limit, else by what is left of it."""
        seconds = told.seconds
        if seconds is None:
            said = told.limit
            alike = [one for one in account.windows if said and one.speaks_of(said, told.resets_in)]
            if alike:
                return min(alike, key=lambda window: window.seconds)
            if told.resets_in is None:
                return None
            seconds = _word_for(told.resets_in)
        window = next((one for one in account.windows if one.seconds == seconds), None)
        if window is None and seconds is not None and told.limit is not None:
            window = self._learned(account, seconds)
        if window is not None:
            self._hear_of(account, window, now)
        return window

    @staticmethod
    def _hear_of(account: _Account, window: Window, now: float) -> None:
        if window.name in account.learned:
            account.learned[window.name] = now

    def _caught_up(self, alias: str) -> Sequence[Window]:
        account = self._accounts.get(alias) or self._open(alias)
        now = self._clock.monotonic()
        for window in account.windows:
            window.catch_up(now)
        return account.windows

    def _reading(self, alias: str, window: Window, now: float) -> QuotaReading:
        known = window.limit < UNLIMITED
        eta = window.eta(window.rate(now), now) if known else None
        estimated = window.belief.estimated
        return QuotaReading(
            source=self.source,
            key_alias=alias,
            window=window.name,
            seconds=window.seconds,
            kind=window.kind,
            declared=window.belief.declared,
            estimated=None if estimated is None else window.limit,
            limit=window.limit if known else None,
            used=window.used,
            remaining=window.remaining if known else None,
            resets_in=span(window.resets_in(now)),
            share=window.used / window.limit if known else None,
            eta=span(eta),
            forecast=None if eta is None else QUOTA_FORECAST,
        )

    def _keep(self, account: _Account) -> None:
        """Write down at once what has changed, where no call may be forgotten."""
        if self.write_through is None or not account.precious:
            return
        for window in account.windows:
            state = window.state
            if account.written.get(window.name) != state:
                account.written[window.name] = state
                self.write_through(self.counter(account.alias, window.name))


def most_of(weight: Weight) -> int:
    """What a call costs in the window in which it costs most."""
    return weight if isinstance(weight, int) else max(weight)


def _word_for(wait: float) -> float | None:
    """Seconds of the shortest window with a word of its own that such a wait fits into."""
    return next((length for length in LENGTHS.values() if wait <= length * ROUNDED), None)


def _cost(said: int | str, params: Mapping[str, str]) -> int:
    """A number, or how many values that parameter has."""
    if isinstance(said, int):
        return said
    return max(1, sum(1 for value in params.get(said, "").split(",") if value.strip()))


def _culprit(windows: Sequence[Window], code: str, retry_after: float | None) -> Window | None:
    """The window that a throttle tells of: the shortest that its wait fits into, else the fullest."""
    sort = [window for window in windows if window.is_pace is not (code == QUOTA_EXHAUSTED)]
    if not retry_after:
        return max(sort or windows, key=lambda window: window.used / window.limit, default=None)
    for among in (sort, windows):
        fit = [window for window in among if retry_after <= window.seconds * ROUNDED]
        if fit:
            return min(fit, key=lambda window: window.seconds)
    return None
