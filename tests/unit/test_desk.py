"""The owner counts what workers saw as its own, and keeps the copies that they tell it of."""

import logging
from datetime import date, datetime
from zlib import crc32

import pytest
from tests.clock import ManualClock
from tests.world import MARKET

from autonomous_healing.drills.twins.providers import Ask, truthful
from autonomous_healing.endpoint_healing.assembly import build_parts
from autonomous_healing.endpoint_healing.catalog import build_endpoints, default_sources
from autonomous_healing.endpoint_healing.freshness import AlwaysOpen, MarketHours
from autonomous_healing.endpoint_healing.healthy_path import HealthyPath
from autonomous_healing.endpoint_healing.options import HealingSettings, SourceSettings
from autonomous_healing.proxy.healing_proxy import PlainQuestions
from autonomous_healing.resilience import uuid7_from
from autonomous_healing.workers.desk import Desk
from autonomous_healing.workers.messages import (
    Again,
    AskLease,
    FromOwner,
    FromWorker,
    GiveBack,
    Kept,
    LimitsTold,
    Seen,
)

LATEST, CHART, RAW = "exchange_rate_api/latest", "yahoo_finance/chart", "mine/"
JSON = [(b"content-type", b"application/json")]


class Office:
    """A desk over real circuits, windows, judges and copies."""

    def __init__(self, hours: MarketHours | None = None) -> None:
        self.clock = ManualClock()
        raw = SourceSettings(kind="raw", hosts=("http://127.0.0.1:1",), allow_private=True)
        sources = {**default_sources(), "mine": raw}
        settings = HealingSettings()
        endpoints = build_endpoints(sources)
        self.parts = build_parts(endpoints, sources, {}, settings, hours or AlwaysOpen(), self.clock)
        self.endpoints = {one.place: one for one in endpoints}
        parts, clock = self.parts, self.clock
        self.path = HealthyPath(parts.fetcher, parts.upstream, parts.cache, parts.observations, clock)
        questions = PlainQuestions(endpoints, settings, clock, uuid7_from(clock))
        self.desk = Desk(endpoints, parts.admission, parts.cache, self.path, questions, clock, 3)
        self.said: list[FromOwner] = []

    def take(self, message: FromWorker) -> None:
        self.desk.take(message, self.said.append)

    def rates(self) -> bytes:
        """What the source would say now."""
        return self._truth("exchange_rate_api", "/v6/key/latest/USD")

    def chart(self) -> bytes:
        """The same of another source, whose answers are as fresh as its market."""
        return self._truth("yahoo_finance", "/v8/finance/chart/AAPL")

    def _truth(self, source: str, path: str) -> bytes:
        return truthful(Ask(source=source, market=MARKET, path=path, query={}, at=self.clock.now())).body

    def keep(self, body: bytes, asked_at: float) -> None:
        self.take(Kept(LATEST, {"base": "USD"}, JSON, body, asked_at))

    def copy(self) -> tuple[bytes, float] | None:
        """What is held, and since when it is true."""
        held = self.parts.cache.latest(self.endpoints[LATEST].resource({"base": "USD"}))
        return (held.response.body, held.kept_at) if held else None


def test_good_answers_of_workers_count_like_own_ones() -> None:
    office = Office()
    office.take(Seen(LATEST, [0.1, 0.3]))
    health = office.parts.admission.window(office.endpoints[LATEST]).read()
    assert (health.total, health.failed, health.felt) == (2, 0, {"fresh": 2})
    assert health.average_seconds == 0.2
    [timing] = office.path.timings()
    assert (sum(timing.counts), timing.seconds) == (2, 0.4)


def test_a_raw_source_may_fail_at_workers() -> None:
    office = Office()
    office.take(Seen(RAW, [0.1], 2))
    health = office.parts.admission.window(office.endpoints[RAW]).read()
    assert (health.total, health.failed, health.felt) == (3, 2, {})


def test_what_is_told_of_unknown_places_is_dropped() -> None:
    office = Office()
    for message in (
        Seen("nobody/knows", [0.1]),
        Kept("nobody/knows", {}, JSON, b"{}", 0.0),
        Again("nobody/knows", 1, 0.0),
        AskLease("nobody/knows"),
        GiveBack(99, 1),
    ):
        office.take(message)
    assert office.said == []
    assert len(office.parts.cache) == 0


def test_a_lease_is_answered_to_the_one_who_asked() -> None:
    office = Office()
    office.take(AskLease("yahoo_finance/quote"))
    assert len(office.said) == 1


def test_what_workers_are_told_of_limits_is_learned() -> None:
    office = Office()
    fields = {"x-ratelimit-limit-minute": "2000", "x-ratelimit-remaining-minute": "7"}
    office.take(LimitsTold("yahoo_finance/quote", "", fields))
    office.take(LimitsTold("nobody/knows", "", fields))
    [reading] = office.parts.admission.limits(office.endpoints[CHART].source).ledger.readings()
    assert reading.remaining == 7


def test_a_copy_is_as_old_as_its_asking() -> None:
    office = Office()
    office.clock.pass_time(5.0)
    body = office.rates()
    office.keep(body, 3.0)
    assert office.copy() == (body, 3.0)


def test_an_answer_that_is_not_good_is_not_kept_whoever_says_so() -> None:
    office = Office()
    office.keep(b'{"result": "error"}', 0.0)
    office.keep(b"<html>", 0.0)
    assert office.copy() is None


class NoHours:
    """A market calendar with a bug."""

    def open_seconds(self, start: datetime, end: datetime) -> float:
        raise ArithmeticError("a bug of ours")

    def last_session(self, before: datetime) -> date | None:
        raise ArithmeticError("a bug of ours")


def test_a_bug_in_judging_is_told_and_ends_no_talk_with_a_worker(caplog: pytest.LogCaptureFixture) -> None:
    office = Office(NoHours())
    with caplog.at_level(logging.ERROR):
        office.take(Kept(CHART, {"symbol": "AAPL"}, JSON, office.chart(), 0.0))
    assert [one.getMessage() for one in caplog.records] == ["first_look_crashed"]
    assert vars(caplog.records[0])["endpoint"] == CHART
    assert len(office.parts.cache) == 0


def test_an_older_answer_takes_no_newer_ones_place() -> None:
    office = Office()
    office.clock.pass_time(100.0)
    new = office.rates()
    office.keep(new, 90.0)
    office.keep(new + b"\n", 80.0)
    assert office.copy() == (new, 90.0)


def test_the_same_again_makes_a_copy_younger_and_other_bytes_do_not() -> None:
    office = Office()
    office.clock.pass_time(100.0)
    body = office.rates()
    office.keep(body, 90.0)
    resource = office.endpoints[LATEST].resource({"base": "USD"})
    office.take(Again(resource, crc32(b"other"), 95.0))
    assert office.copy() == (body, 90.0)
    office.take(Again(resource, crc32(body), 95.0))
    assert office.copy() == (body, 95.0)
    office.take(Again(resource, crc32(body), 93.0))
    assert office.copy() == (body, 95.0)
