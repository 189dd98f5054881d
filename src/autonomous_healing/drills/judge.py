"""Compares every answer with the truth: with what the twins sent, and with the market itself."""

import bisect
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from autonomous_healing.drills.scenario import FROZEN_POLLS, FROZEN_SECONDS, FROZEN_SPAN, Planned, is_healable
from autonomous_healing.drills.traffic import Answer
from autonomous_healing.drills.twins import Exchange, Fault, FaultKind, Market, render

#: Clocks and queues between twin, proxy and client (seconds).
SLACK = 1.5

#: How long a fault may keep callers from a source through what it caused, a rest or an open circuit: the
#: longest that the drill's configuration allows (5 s and a tenth), and a trial.
AFTERMATH = 8.0

_PARAMETER = re.compile(r';\s*([a-z]+)=(?:"([^"]*)"|([0-9.]+))')


class Verdict(StrEnum):
    """What an answer is worth."""

    TRUE = "true"
    WRONG = "wrong"  #: contradicts the truth for the fidelity and age it claims
    UNLABELLED = "unlabelled"  #: something else than was asked for, and not marked so
    ERROR = "error"  #: no answer, and says so


@dataclass(frozen=True, slots=True)
class Claim:
    """What an answer says of itself."""

    level: str  #: "exact" where it says nothing
    age: float | None
    actual: str
    healed: bool

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> "Claim":
        said = headers.get("healing-fidelity", "exact")
        parameters = {name: text or number for name, text, number in _PARAMETER.findall(said)}
        age = parameters.get("age")
        return cls(
            said.split(";")[0].strip(),
            float(age) if age else None,
            parameters.get("actual", ""),
            headers.get("healing-status") == "healed",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One answer with its verdict."""

    answer: Answer
    claim: Claim
    fault: Fault | None
    healable: bool
    verdict: Verdict
    false_heal: bool  #: no fault, and yet other bytes than the upstream's


class Judge:
    """Knows the twins' own log, with the faults they were made to commit, and the market."""

    def __init__(self, market: Market, exchanges: Iterable[Exchange]) -> None:
        self._market = market
        self._by_request: dict[str, list[Exchange]] = defaultdict(list)
        self._true_at: dict[str, list[datetime]] = defaultdict(list)
        self._met: dict[str, list[Exchange]] = defaultdict(list)
        self._frozen: list[Exchange] = []
        for exchange in sorted(exchanges, key=lambda one: one.at):
            if exchange.fault:
                self._met[exchange.source].append(exchange)
            if exchange.fault and exchange.fault.kind is FaultKind.FROZEN:
                self._frozen.append(exchange)
            self._by_request[exchange.request_id].append(exchange)
            if exchange.true_at is not None and exchange.status == 200:
                bisect.insort(self._true_at[exchange.digest], exchange.true_at)

    def judge(self, answer: Answer) -> Judged:
        claim = Claim.of(answer.headers)
        fault = self._fault(answer)
        verdict = self._verdict(answer, claim)
        untouched = "healing-status" not in answer.headers
        if fault and fault.kind is FaultKind.FROZEN and untouched and answer.good:
            verdict = Verdict.WRONG  # it could be told, and was passed on as new
        return Judged(
            answer=answer,
            claim=claim,
            fault=fault,
            healable=fault is not None and is_healable(fault, answer.planned),
            verdict=verdict,
            false_heal=fault is None and self._differs(answer),
        )

    def _fault(self, answer: Answer) -> Fault | None:
        """The first that its own exchanges met; where one was not made, the last that the source met."""
        seen = self._by_request.get(answer.planned.id, [])
        if met := next((exchange.fault for exchange in seen if self._can_be_told(exchange)), None):
            return met
        if len(seen) >= max(1, len(answer.planned.question.symbols)):
            return None
        earliest = answer.sent_at - timedelta(seconds=AFTERMATH)
        met_before = self._met[answer.planned.question.source]
        n = bisect.bisect_right(met_before, answer.received_at, key=lambda exchange: exchange.at)
        return met_before[n - 1].fault if n and met_before[n - 1].at >= earliest else None

    def _can_be_told(self, exchange: Exchange) -> bool:
        """Whether there is a fault, and anybody without a look behind the scenes could know of it yet."""
        fault = exchange.fault
        if fault is None or fault.kind is not FaultKind.FROZEN:
            return fault is not None
        earlier = [one for one in self._frozen if one.at < exchange.at]
        return len(earlier) >= FROZEN_POLLS and exchange.at - earlier[0].at >= timedelta(seconds=FROZEN_SPAN)

    def _differs(self, answer: Answer) -> bool:
        """A board is put together by the proxy itself: there are no bytes that it should equal."""
        if answer.planned.question.symbols:
            return False
        sent = {exchange.digest for exchange in self._by_request.get(answer.planned.id, [])}
        return sha256(answer.body).hexdigest() not in sent

    def _verdict(self, answer: Answer, claim: Claim) -> Verdict:
        if not answer.good:
            return Verdict.ERROR
        if answer.planned.question.symbols:
            true = self._board_is_true(answer, claim)
        else:
            true = self._was_sent(answer, claim) or self._can_be_rendered(answer, claim)
        if true:
            return Verdict.ERROR if "healing-omitted" in answer.headers else Verdict.TRUE
        return Verdict.UNLABELLED if self._is_of_another(answer, claim) else Verdict.WRONG

    def _was_sent(self, answer: Answer, claim: Claim) -> bool:
        """The same bytes were true at a moment that the claim covers."""
        if claim.level not in ("exact", "stale"):
            return False
        earliest, latest = _span(answer, claim)
        moments = self._true_at.get(sha256(answer.body).hexdigest(), [])
        n = bisect.bisect_left(moments, earliest)
        return n < len(moments) and moments[n] <= latest

    def _can_be_rendered(self, answer: Answer, claim: Claim) -> bool:
        """The provider would have said the same, in any bytes, at a second that the claim covers."""
        try:
            body = json.loads(answer.body)
        except ValueError:
            return False
        return any(
            _same(body, json.loads(self._render(answer.planned, claim, at)))
            for at in _seconds(*_span(answer, claim))
        )

    def _render(self, planned: Planned, claim: Claim, at: datetime) -> bytes:
        question = planned.question
        path, query = question.path, dict(question.query)
        if claim.level == "reduced":
            path = path.replace("/1/hour/", "/1/day/")
        if claim.level == "substitute" and "series_id" in query:
            query["series_id"] = claim.actual
        return render(question.source, self._market, path, query, at).body

    def _board_is_true(self, answer: Answer, claim: Claim) -> bool:
        try:
            return self._rows_are_true(answer, claim, json.loads(answer.body)["data"])
        except (ValueError, LookupError, TypeError, AttributeError):  # no board at all
            return False

    def _rows_are_true(self, answer: Answer, claim: Claim, board: Any) -> bool:
        omitted = [
            name.strip() for name in answer.headers.get("healing-omitted", "").split(",") if name.strip()
        ]
        earliest, latest = _span(answer, claim)
        # Each quote says of what moment it is: a frozen one is true of that, until it can be told.
        earliest -= timedelta(seconds=FROZEN_SECONDS)
        for symbol in answer.planned.question.symbols:
            row = board.get(symbol)
            if row is None:
                if symbol not in omitted:
                    return False
                continue
            at = datetime.fromisoformat(row["timestamp"])
            if not earliest <= at <= latest or row["price"] != self._market.price(symbol, at):
                return False
        return True

    def _is_of_another(self, answer: Answer, claim: Claim) -> bool:
        """Whether it tells of another symbol or series without saying so."""
        if claim.level == "substitute":
            return False
        question = answer.planned.question
        if question.source == "fred_api" and question.query.get("series_id") == "DGS10":
            monthly = Claim("substitute", claim.age, "GS10", claim.healed)
            return self._can_be_rendered(answer, monthly)
        said = re.search(rb'"(?:symbol|ticker|01\. symbol|base_code)":\s*"([^"]+)"', answer.body)
        asked = question.ask + question.path + json.dumps(dict(question.query))
        return said is not None and said[1].decode() not in asked


def _span(answer: Answer, claim: Claim) -> tuple[datetime, datetime]:
    """From when to when the data must have been true: fetched for this request, or as old as it says."""
    earliest = answer.sent_at
    if claim.age is not None:
        earliest = answer.received_at - timedelta(seconds=claim.age)
    return earliest - timedelta(seconds=SLACK), answer.received_at + timedelta(seconds=SLACK)


def _seconds(earliest: datetime, latest: datetime) -> Iterable[datetime]:
    """The whole seconds in between; of a long span only its first few, which an age must hit."""
    count = min(int((latest - earliest).total_seconds()) + 2, 20)
    return (earliest + timedelta(seconds=n) for n in range(count))


def _same(one: Any, other: Any) -> bool:
    """Equal, apart from what names the exchange and not the data."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = (one.keys() | other.keys()) - {"request_id"}
        return all(name in one and name in other and _same(one[name], other[name]) for name in names)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)
