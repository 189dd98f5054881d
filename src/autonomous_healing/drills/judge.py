"""Compares every answer with the truth: with what the twins sent, and with the market itself."""

import bisect
import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from autonomous_healing.drills.questions import Question
from autonomous_healing.drills.scenario import (
    DEFAULT_ALLOW,
    FROZEN_POLLS,
    FROZEN_SECONDS,
    FROZEN_SPAN,
    FROZEN_SYMBOL,
    Planned,
    is_healable,
)
from autonomous_healing.drills.traffic import Answer
from autonomous_healing.drills.twins import Exchange, Fault, FaultKind, Market, render

#: Clocks and queues between twin, proxy and client (seconds).
SLACK = 1.5

#: How long a fault that is over may keep callers from a source: through the rest of a key, or through a
#: circuit that opened (the drill's configuration lets it stay open for 5 s and a tenth, and once more when
#: the trial meets another fault).
KEY_REST, CIRCUIT_REST = 3.0, 12.0

#: A source that met faults in more than this share of so many exchanges within so many seconds need not be
#: asked by everybody.
TROUBLE_SHARE, TROUBLE_EXCHANGES, TROUBLE_SECONDS = 0.05, 10, 30.0

_PARAMETER = re.compile(r';\s*([a-z]+)=(?:"([^"]*)"|([0-9.]+))')


class Verdict(StrEnum):
    """What an answer is worth."""

    TRUE = "true"
    WRONG = "wrong"  #: contradicts the truth for the fidelity and age it claims, or was not allowed
    UNLABELLED = "unlabelled"  #: something else than was asked for, and not marked so
    ERROR = "error"  #: no answer, and says so


class Met(StrEnum):
    """What a request met on its way."""

    NOTHING = "nothing"  #: a control
    FAULT = "fault"
    AFTERMATH = (
        "aftermath"  #: the provider was well again, but not asked: for a key, a circuit, others' faults
    )


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
    met: Met
    fault: Fault | None  #: the one that was met, or whose aftermath it was
    healable: bool
    verdict: Verdict
    false_heal: bool  #: nothing was met, and yet other bytes than the upstream's


class Judge:
    """Knows the script, the twins' own log, and the market."""

    def __init__(self, market: Market, exchanges: Iterable[Exchange], faults: Iterable[Fault]) -> None:
        self._market = market
        self._lasting = [fault for fault in faults if fault.request_ids is None and not fault.path_part]
        self._by_request: dict[str, list[Exchange]] = defaultdict(list)
        self._true_at: dict[tuple[str, str], list[datetime]] = defaultdict(list)
        self._by_source: dict[str, list[Exchange]] = defaultdict(list)
        self._frozen: list[Exchange] = []
        for exchange in sorted(exchanges, key=lambda one: one.at):
            if exchange.fault and exchange.fault.kind is FaultKind.FROZEN:
                self._frozen.append(exchange)
            self._by_request[exchange.request_id].append(exchange)
            self._by_source[exchange.source].append(exchange)
            if exchange.true_at is not None and exchange.status == 200:
                asked = _form(exchange.source, exchange.path, exchange.query)
                bisect.insort(self._true_at[asked, exchange.digest], exchange.true_at)

    def judge(self, answer: Answer) -> Judged:
        claim = Claim.of(answer.headers)
        met, fault = self._met(answer)
        return Judged(
            answer=answer,
            claim=claim,
            met=met,
            fault=fault,
            healable=met is Met.FAULT and fault is not None and is_healable(fault, answer.planned),
            verdict=self._verdict(answer, claim, fault if met is Met.FAULT else None),
            false_heal=met is Met.NOTHING and answer.good and self._differs(answer),
        )

    def _met(self, answer: Answer) -> tuple[Met, Fault | None]:
        """By its own exchanges; where one was not made, by a lasting fault that can have kept it away."""
        question = answer.planned.question
        seen = self._by_request.get(answer.planned.id, [])
        if fault := next((exchange.fault for exchange in seen if self._can_be_told(exchange)), None):
            return Met.FAULT, fault
        # A connection that is reset as it is made leaves no request in the log, only the detour.
        if len(seen) >= max(1, len(question.symbols)) and "healing-status" not in answer.headers:
            return Met.NOTHING, None
        lasting = [fault for fault in self._lasting if _may_keep_away(fault, question)]
        if fault := next((fault for fault in lasting if _lasts(fault, answer, 0.0)), None):
            return Met.FAULT, fault
        if fault := next((fault for fault in lasting if _lasts(fault, answer, _rest(fault))), None):
            return Met.AFTERMATH, fault
        if len(seen) < max(1, len(question.symbols)) and (fault := self._trouble(answer)):
            return Met.AFTERMATH, fault
        return Met.NOTHING, None

    def _trouble(self, answer: Answer) -> Fault | None:
        """The last fault of a source that had so many lately that some calls to it may be left out."""
        since = answer.sent_at - timedelta(seconds=TROUBLE_SECONDS)
        exchanges = self._by_source[answer.planned.question.source]
        lately = [one.fault for one in exchanges if since <= one.at <= answer.received_at]
        faults = [fault for fault in lately if fault is not None]
        many = len(lately) >= TROUBLE_EXCHANGES and len(faults) > TROUBLE_SHARE * len(lately)
        return faults[-1] if many else None

    def _can_be_told(self, exchange: Exchange) -> bool:
        """Whether there is a fault, and anybody without a look behind the scenes could know of it yet."""
        fault = exchange.fault
        if fault is None or fault.kind is not FaultKind.FROZEN:
            return fault is not None
        earlier = [one for one in self._frozen if one.at < exchange.at]
        return len(earlier) >= FROZEN_POLLS and exchange.at - earlier[0].at >= timedelta(seconds=FROZEN_SPAN)

    def _differs(self, answer: Answer) -> bool:
        """A board is put together by the proxy itself: of it only healing tells."""
        if answer.planned.question.symbols:
            return "healing-status" in answer.headers
        sent = {exchange.digest for exchange in self._by_request.get(answer.planned.id, [])}
        return sha256(answer.body).hexdigest() not in sent

    def _verdict(self, answer: Answer, claim: Claim, fault: Fault | None) -> Verdict:
        if not answer.good:
            return Verdict.ERROR
        if claim.level not in _allowed(answer.planned):
            return Verdict.WRONG
        untouched = "healing-status" not in answer.headers
        if fault and fault.kind is FaultKind.FROZEN and untouched:
            return Verdict.WRONG  # it could be told, and was passed on as new
        if self._is_true(answer, claim):
            return Verdict.ERROR if "healing-omitted" in answer.headers else Verdict.TRUE
        return Verdict.UNLABELLED if self._is_of_another(answer, claim) else Verdict.WRONG

    def _is_true(self, answer: Answer, claim: Claim) -> bool:
        if answer.planned.question.symbols:
            return self._board_is_true(answer, claim)
        return self._was_sent(answer, claim) or self._can_be_rendered(answer, claim)

    def _was_sent(self, answer: Answer, claim: Claim) -> bool:
        """To the same question, and true at a moment that the claim covers."""
        if claim.level not in ("exact", "stale"):
            return False
        question = answer.planned.question
        asked = _form(question.source, question.path, question.query)
        earliest, latest = _span(answer, claim)
        moments = self._true_at.get((asked, sha256(answer.body).hexdigest()), [])
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
        said = answer.headers.get("healing-omitted", "")
        omitted = [name.strip() for name in said.split(",") if name.strip()]
        for symbol in answer.planned.question.symbols:
            row = board.get(symbol)
            if row is None and symbol not in omitted:
                return False
            if row is not None and not self._quote_is_true(symbol, row, answer, claim):
                return False
        return True

    def _quote_is_true(self, symbol: str, row: Mapping[str, Any], answer: Answer, claim: Claim) -> bool:
        earliest, latest = _span(answer, claim)
        if symbol == FROZEN_SYMBOL and self._frozen:
            # It says of what moment it is, and is true of that; it cannot be told from a quiet price at once.
            earliest -= timedelta(seconds=FROZEN_SECONDS)
        at = datetime.fromisoformat(row["timestamp"])
        price, before = self._market.price(symbol, at), self._market.previous_close(symbol, at)
        true = {
            "price": price,
            "change": price - before,
            "change_pct": 100 * (price - before) / before,
            "volume": self._market.volume_today(symbol, at),
        }
        equal = all(math.isclose(row[name], value, abs_tol=1e-5) for name, value in true.items())
        return earliest <= at <= latest and equal and row["source"] == "yahoo_finance"

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


def _form(source: str, path: str, query: Mapping[str, str]) -> str:
    """The same for the same question, however its parameters are ordered."""
    return json.dumps([source, path, sorted(query.items())])


def _allowed(planned: Planned) -> set[str]:
    """The levels that the caller has said it accepts."""
    said = planned.allow or DEFAULT_ALLOW
    return {part.split(";")[0].strip() for part in said.split(",")}


def _may_keep_away(fault: Fault, question: Question) -> bool:
    """Whether it can keep a question from being asked at all: by its key, or by its circuit."""
    return fault.source == question.source and fault.endpoint in ("*", question.endpoint)


def _lasts(fault: Fault, answer: Answer, rest: float) -> bool:
    if fault.starts_at is None or fault.ends_at is None:
        return False
    return fault.starts_at <= answer.received_at and answer.sent_at <= fault.ends_at + timedelta(seconds=rest)


def _rest(fault: Fault) -> float:
    """Where one host of several was hit, its open circuit keeps nothing away: the others are asked."""
    if fault.host is not None:
        return 0.0
    return KEY_REST if fault.key is not None else CIRCUIT_REST


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
