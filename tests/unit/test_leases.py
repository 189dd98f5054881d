"""Leave to ask is lent in small parts, ends by itself, and is withdrawn when a circuit opens."""

import random
from dataclasses import replace

import pytest
from tests.clock import ManualClock

from autonomous_healing.endpoint_healing.admission import Admission
from autonomous_healing.endpoint_healing.catalog import build_endpoints, default_sources
from autonomous_healing.endpoint_healing.codes import RATE_LIMITED, SERVER_ERROR
from autonomous_healing.endpoint_healing.flow import Flows
from autonomous_healing.endpoint_healing.keys import Key
from autonomous_healing.endpoint_healing.options import HealingSettings
from autonomous_healing.endpoint_healing.quota import QuotaLedger
from autonomous_healing.endpoint_healing.quotas.options import QuotaWindowSettings
from autonomous_healing.workers.leases import ASK_AGAIN, SECONDS, TELL_EVERY, Leases, Lender, block_of
from autonomous_healing.workers.messages import UNLIMITED, Lease, LimitsTold

YAHOO, FRED, ALPHA = "yahoo_finance/quote", "fred_api/series", "alpha_vantage/query"
A_DAY = QuotaWindowSettings(window="day", limit=25)
A_MINUTE = QuotaWindowSettings(window="minute", limit=5)
WORKERS = 2


class Owner:
    """What lends, over real circuits, keys and ledgers."""

    def __init__(self, **quotas: tuple[QuotaWindowSettings, ...]) -> None:
        self.clock = ManualClock()
        self.endpoints = {one.place: one for one in build_endpoints(default_sources())}
        secrets = {"fred_api": ("one", "two"), "alpha_vantage": ("three",)}
        self.admission = Admission(secrets, quotas, HealingSettings(), self.clock)
        self.lender = Lender(self.endpoints.values(), self.admission, WORKERS, self.clock)

    def open_circuit(self, place: str) -> None:
        endpoint = self.endpoints[place]
        breaker = self.admission.breaker(endpoint, endpoint.source.hosts[0])
        for _ in range(breaker.settings.consecutive):
            breaker.record_failure(SERVER_ERROR)

    def reject_key(self, place: str, alias: str) -> None:
        endpoint = self.endpoints[place]
        keys = self.admission.limits(endpoint.source).keys
        keys.reject(alias, RATE_LIMITED, endpoint.name, 60.0)

    def used(self, place: str) -> int:
        return sum(one.used for one in self.admission.limits(self.endpoints[place].source).readings())


class Borrower:
    """A worker's side, with what it says to the owner written down."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.asked: list[str] = []
        self.returned: list[tuple[int, int]] = []
        self.told: list[LimitsTold] = []
        self.leases = Leases(
            self.asked.append, lambda *back: self.returned.append(back), self.told.append, self.clock
        )

    def lend(self, calls: int, number: int = 1) -> None:
        lease = Lease(YAHOO, number, "", calls, self.clock.monotonic() + SECONDS)
        self.leases.granted(lease, Key("", ""))

    def calls_made(self, wanted: int) -> int:
        return sum(self.leases.take(YAHOO) is not None for _ in range(wanted))


@pytest.mark.parametrize(
    ("left", "workers", "calls"),
    [(None, 3, UNLIMITED), (2000, 3, 50), (25, 2, 3), (8, 2, 1), (7, 2, 0), (0, 2, 0), (-3, 2, 0)],
)
def test_little_is_lent_of_little_and_nothing_of_the_last(left: int | None, workers: int, calls: int) -> None:
    assert block_of(left, workers) == calls


def test_without_a_quota_a_lease_is_as_good_as_unlimited() -> None:
    lease = Owner().lender.grant(YAHOO)
    assert lease is not None
    assert (lease.alias, lease.calls, lease.until) == ("", UNLIMITED, SECONDS)


def test_a_lease_names_the_key_to_ask_with() -> None:
    owner = Owner()
    owner.reject_key(FRED, "fred_api#1")
    lease = owner.lender.grant(FRED)
    assert lease is not None
    assert lease.alias == "fred_api#2"


def test_what_is_lent_is_counted_at_once_and_what_comes_back_is_not() -> None:
    owner = Owner(alpha_vantage=(A_DAY,))
    lease = owner.lender.grant(ALPHA)
    assert lease is not None
    assert (lease.calls, owner.used(ALPHA)) == (3, 3)
    owner.lender.take_back(lease.number, 2)
    assert owner.used(ALPHA) == 1
    owner.lender.take_back(lease.number, 1)  # only once
    assert owner.used(ALPHA) == 1


@pytest.mark.parametrize("calls", [4, 0, -1])
def test_nobody_gives_back_what_was_not_lent(calls: int) -> None:
    owner = Owner(alpha_vantage=(A_DAY,))
    lease = owner.lender.grant(ALPHA)
    assert lease is not None
    owner.lender.take_back(lease.number, calls)
    assert owner.used(ALPHA) == 3


def test_lent_calls_count_from_the_latest_moment_at_which_they_may_be_made() -> None:
    clock = ManualClock()
    ledger = QuotaLedger("x", [A_MINUTE], clock)
    ledger.charge_block("", 5, SECONDS)
    clock.pass_time(60.0)
    assert ledger.left() == 0
    clock.pass_time(SECONDS)
    assert ledger.left() == 5


def test_calls_that_were_lent_are_forgotten_with_their_window() -> None:
    clock = ManualClock()
    ledger = QuotaLedger("x", [A_MINUTE], clock)
    for _ in range(10):
        ledger.charge_block("", ledger.left() or 0, clock.monotonic() + SECONDS)
        clock.pass_time(60.0 + SECONDS)
    assert ledger.left() == 5


def test_all_leases_together_leave_the_last_of_a_quota_to_healing() -> None:
    owner = Owner(alpha_vantage=(A_DAY,))
    lent = 0
    while lease := owner.lender.grant(ALPHA):
        lent += lease.calls
    ledger = owner.admission.limits(owner.endpoints[ALPHA].source).ledger
    assert lent + (ledger.left("alpha_vantage#1") or 0) == 24
    assert lent > 12


@pytest.mark.parametrize("place", ["nobody/knows", ""])
def test_nothing_is_lent_for_a_place_that_is_not_there(place: str) -> None:
    assert Owner().lender.grant(place) is None


def test_an_open_circuit_withdraws_what_was_lent_and_lends_no_more() -> None:
    owner = Owner()
    owner.lender.grant(YAHOO)
    owner.lender.grant(FRED)
    assert owner.lender.withdrawn() == []
    owner.open_circuit(YAHOO)
    assert owner.lender.withdrawn() == [YAHOO]
    assert owner.lender.withdrawn() == []  # told once
    assert owner.lender.grant(YAHOO) is None


def test_an_endpoint_that_was_well_loses_its_lease_with_the_others_of_its_host() -> None:
    owner = Owner()
    owner.lender.grant(YAHOO)
    chart = owner.endpoints["yahoo_finance/chart"]
    other = replace(chart, name="/session_quote")
    host = chart.source.hosts[0]
    owner.admission.breaker(owner.endpoints[YAHOO], host).record_success(0.1)
    for endpoint in (chart, other):
        for _ in range(5):
            owner.admission.breaker(endpoint, host).record_failure(SERVER_ERROR)
    assert owner.lender.withdrawn() == [YAHOO]
    assert owner.lender.grant(YAHOO) is None


def test_a_source_of_which_calls_are_left_out_is_left_to_the_owner() -> None:
    owner = Owner()
    flows = Flows(owner.admission, HealingSettings(), owner.clock, random.Random(1))
    owner.lender.grant(FRED)
    for _ in range(20):
        flows.shedding("yahoo_finance").record_failed(SERVER_ERROR)
        owner.clock.pass_time(0.045)
    owner.lender.grant(YAHOO)
    assert owner.lender.withdrawn() == []
    owner.clock.pass_time(0.1)
    flows.shedding("yahoo_finance").record_failed(SERVER_ERROR)
    assert owner.lender.withdrawn() == [YAHOO]
    assert owner.lender.grant(YAHOO) is None


def test_a_network_that_is_down_withdraws_all_leases() -> None:
    owner = Owner()
    owner.lender.grant(YAHOO)
    owner.lender.grant(FRED)
    for place in (YAHOO, FRED):
        owner.admission.circuits.missed(owner.endpoints[place].source)
    assert owner.lender.withdrawn() == [FRED, YAHOO]
    owner.admission.circuits.answered()
    assert owner.lender.grant(YAHOO) is not None


def test_a_circuit_that_starts_slowly_is_left_to_the_owner() -> None:
    owner = Owner()
    owner.open_circuit(YAHOO)
    endpoint = owner.endpoints[YAHOO]
    breaker = owner.admission.breaker(endpoint, endpoint.source.hosts[0])
    owner.clock.pass_time(40.0)
    for _ in range(2):
        assert breaker.allow()
        breaker.record_success(0.1)
    assert (breaker.is_closed, owner.lender.grant(YAHOO)) == (True, None)
    owner.clock.pass_time(60.0)
    owner.admission.choose_host(endpoint)
    assert owner.lender.grant(YAHOO) is not None


def test_a_key_that_must_rest_withdraws_the_leases_on_it() -> None:
    owner = Owner()
    owner.lender.grant(FRED)
    owner.reject_key(FRED, "fred_api#1")
    assert owner.lender.withdrawn() == [FRED]


def test_lending_from_one_key_does_not_withdraw_it_for_another_that_has_more_left() -> None:
    owner = Owner(fred_api=(A_MINUTE.model_copy(update={"limit": 100}),))
    aliases = set()
    for _ in range(4):
        lease = owner.lender.grant(FRED)
        assert lease is not None
        aliases.add(lease.alias)
        owner.clock.pass_time(0.2)
        assert owner.lender.withdrawn() == []
    assert aliases == {"fred_api#1", "fred_api#2"}


def test_a_host_that_rests_withdraws_the_leases_on_it() -> None:
    owner = Owner()
    owner.lender.grant(YAHOO)
    source = owner.endpoints[YAHOO].source
    owner.admission.limits(source).ledger.throttled("", RATE_LIMITED, 30.0, source.hosts[0])
    assert owner.lender.withdrawn() == [YAHOO]
    assert owner.lender.grant(YAHOO) is None


def test_a_lease_that_has_ended_needs_no_withdrawing() -> None:
    owner = Owner()
    owner.lender.grant(YAHOO)
    owner.clock.pass_time(SECONDS)
    owner.open_circuit(YAHOO)
    assert owner.lender.withdrawn() == []


def test_without_a_lease_one_is_asked_for_but_not_with_every_request() -> None:
    worker = Borrower()
    assert worker.calls_made(5) == 0
    assert worker.asked == [YAHOO]
    worker.clock.pass_time(ASK_AGAIN)
    worker.calls_made(1)
    assert worker.asked == [YAHOO, YAHOO]


def test_a_lease_allows_its_calls_and_not_one_more() -> None:
    worker = Borrower()
    worker.lend(3)
    assert worker.calls_made(10) == 3


def test_a_lease_ends_with_its_time_and_its_rest_goes_back() -> None:
    worker = Borrower()
    worker.lend(3)
    worker.calls_made(1)
    worker.leases.expire()
    assert worker.returned == []
    worker.clock.pass_time(SECONDS)
    assert worker.calls_made(1) == 0
    worker.leases.expire()
    worker.leases.expire()
    assert worker.returned == [(1, 2)]


def test_of_an_unlimited_lease_nothing_goes_back() -> None:
    worker = Borrower()
    worker.lend(UNLIMITED)
    worker.leases.revoke(YAHOO)
    assert worker.returned == []


def test_a_lease_in_use_is_renewed_before_its_end() -> None:
    worker = Borrower()
    worker.lend(UNLIMITED)
    worker.calls_made(100)
    assert worker.asked == []
    worker.clock.pass_time(SECONDS / 2)
    assert worker.calls_made(1) == 1
    assert worker.asked == [YAHOO]


def test_a_lease_is_renewed_when_half_its_calls_are_made() -> None:
    worker = Borrower()
    worker.lend(10)
    worker.calls_made(4)
    assert worker.asked == []
    worker.calls_made(1)
    assert worker.asked == [YAHOO]


def test_a_new_lease_takes_the_place_of_the_old_one() -> None:
    worker = Borrower()
    worker.lend(10, number=1)
    worker.calls_made(6)
    worker.lend(5, number=2)
    assert worker.returned == [(1, 4)]
    assert worker.calls_made(10) == 5


def test_a_call_that_costs_more_uses_more_of_a_lease() -> None:
    worker = Borrower()
    worker.lend(10)
    assert [worker.leases.take(YAHOO, cost) is not None for cost in (4, 4, 4, 2, 1)] == [
        True,
        True,
        False,
        True,
        False,
    ]


def test_what_answers_say_of_limits_is_told_now_and_then() -> None:
    worker = Borrower()
    for remaining in ("9", "8", "7"):
        worker.leases.told(FRED, "fred_api#1", {"x-ratelimit-remaining": remaining})
    worker.leases.told(FRED, "fred_api#2", {"x-ratelimit-remaining": "5"})
    worker.clock.pass_time(TELL_EVERY)
    worker.leases.told(FRED, "fred_api#1", {"x-ratelimit-remaining": "6"})
    assert [(one.alias, one.fields["x-ratelimit-remaining"]) for one in worker.told] == [
        ("fred_api#1", "9"),
        ("fred_api#2", "5"),
        ("fred_api#1", "6"),
    ]


def test_a_withdrawn_lease_allows_nothing() -> None:
    worker = Borrower()
    worker.lend(UNLIMITED)
    worker.leases.revoke(YAHOO)
    assert worker.calls_made(1) == 0
