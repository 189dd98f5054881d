"""What was counted outlives the product: in the table, and in a file for what must not wait for it."""

import logging
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.clock import WallClock
from tests.quotas import COUNTER, Machine

from autonomous_healing.database import DatabaseAway
from autonomous_healing.endpoint_healing.codes import QUOTA_EXHAUSTED, RATE_LIMITED
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.quota import QuotaSpent
from autonomous_healing.endpoint_healing.quotas.counter_file import LARGE, CounterFile
from autonomous_healing.endpoint_healing.quotas.options import QuotaWindowSettings

A_DAY = QuotaWindowSettings(window="day", limit=25, kind="fixed")
SLIDING_DAY = QuotaWindowSettings(window="day", limit=25)
A_MINUTE = QuotaWindowSettings(window="minute", limit=2000)
A_MONTH = QuotaWindowSettings(window="month", limit=1500)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    windows = {"small": (A_DAY,), "sliding": (SLIDING_DAY,), "large": (A_MINUTE,), "slow": (A_MONTH,)}
    return Machine(tmp_path / "counters", windows)


@pytest.mark.parametrize("source", ["small", "sliding"])
def test_of_a_small_limit_no_call_is_forgotten_by_a_kill(machine: Machine, source: str) -> None:
    made = 0
    for _ in range(30):
        machine.start()
        made += machine.ask(source, 2)
        machine.clock.pass_time(60.0)
    assert made == 25
    machine.clock.pass_time(86_400.0)
    machine.start()
    assert machine.ask(source, 30) == 25


async def test_of_a_large_limit_a_kill_costs_what_was_not_saved(machine: Machine) -> None:
    books = machine.start()
    machine.ask("slow", 1000)
    await books.save()
    machine.ask("slow", 10)
    machine.start()
    assert machine.used("slow") == 1000


async def test_a_stop_forgets_nothing(machine: Machine) -> None:
    books = machine.start()
    for source, calls in (("small", 7), ("sliding", 8), ("large", 1500), ("slow", 300)):
        machine.ask(source, calls)
        machine.clock.pass_time(0.5)
    await books.save()
    machine.clock.pass_time(10.0)
    machine.start()
    assert {source: machine.used(source) for source in machine.windows} == {
        "small": 7,
        "sliding": 8,
        "large": 1500,
        "slow": 300,
    }
    machine.clock.pass_time(50.0)  # each call counts for as long as if nothing had been
    assert (machine.used("large"), machine.used("sliding")) == (0, 8)
    machine.clock.pass_time(86_340.0)
    assert (machine.used("sliding"), machine.used("slow")) == (0, 300)


async def test_a_new_machine_learns_of_the_table_when_it_is_there(machine: Machine, tmp_path: Path) -> None:
    books = machine.start()
    machine.ask("small", 10)
    await books.save()
    machine.file = tmp_path / "elsewhere"
    machine.store.away = True
    books = machine.start()
    with pytest.raises(DatabaseAway):
        await books.recall()
    assert machine.ask("small", 5) == 5  # nothing is known yet
    with pytest.raises(DatabaseAway):
        await books.save()
    machine.store.away = False
    await books.save()
    assert machine.used("small") == 15
    assert machine.ask("small", 30) == 10


async def test_what_file_and_table_both_know_counts_once(machine: Machine) -> None:
    books = machine.start()
    for source in machine.windows:
        machine.ask(source, 10)
    await books.save()
    books = machine.start()
    for _ in range(3):
        await books.recall()
        await books.save()
    assert {machine.used(source) for source in machine.windows} == {10}


async def test_no_call_counts_twice_because_two_clocks_never_quite_agree(machine: Machine) -> None:
    chance = random.Random(7)

    class UneasyClock(WallClock):
        def now(self) -> datetime:
            return super().now() + timedelta(seconds=chance.uniform(-0.002, 0.002))

    machine.clock = UneasyClock()
    for calls in range(1, 26):
        books = machine.start()
        assert machine.ask("sliding", 1) == 1
        await books.save()
        assert machine.used("sliding") == calls
        machine.clock.pass_time(60.0)


async def test_what_the_table_knows_is_not_lost_because_it_is_asked_late(
    machine: Machine, tmp_path: Path
) -> None:
    books = machine.start()
    machine.ask("slow", 100)
    await books.save()
    machine.file = tmp_path / "elsewhere"
    books = machine.start()
    machine.ask("slow", 3)
    await books.save()  # before anybody has recalled it
    machine.file = tmp_path / "somewhere_else"
    await machine.start().recall()
    assert machine.used("slow") == 103


async def test_only_what_has_changed_is_saved(machine: Machine) -> None:
    books = machine.start()
    for source in machine.windows:
        machine.ask(source, 1)
    await books.save()
    assert machine.store.saves == 4
    await books.save()
    machine.ask("slow", 1)
    await books.save()
    assert machine.store.saves == 5


async def test_rests_probes_and_what_was_learned_outlive_a_restart(machine: Machine) -> None:
    books = machine.start()
    machine.ask("small", 20)
    ledger = machine.ledgers["small"]
    ledger.throttled("", QUOTA_EXHAUSTED, 3600.0)
    assert machine.ask("sliding", 2, Purpose.PROBE) == 1
    await books.save()
    machine.clock.pass_time(600.0)
    machine.start()
    [reading] = machine.ledgers["small"].readings()
    assert (reading.declared, reading.estimated, reading.remaining) == (25, 19, 0)
    with pytest.raises(QuotaSpent) as spent:
        machine.ledgers["small"].charge()
    assert spent.value.code == QUOTA_EXHAUSTED
    assert spent.value.retry_after == pytest.approx(3000.0)
    assert machine.ask("sliding", 1, Purpose.PROBE) == 0


async def test_a_learned_window_outlives_a_restart(machine: Machine) -> None:
    machine.windows = {"unknown": ()}
    books = machine.start()
    headers = {"x-ratelimit-limit-hour": "100", "x-ratelimit-remaining-hour": "40"}
    machine.ledgers["unknown"].learn("", headers, machine.clock.now())
    await books.save()
    machine.start()
    [reading] = machine.ledgers["unknown"].readings()
    assert (reading.window, reading.limit, reading.used) == ("hour", 100, 60)


def test_calls_of_others_outlive_a_restart_within_a_day(machine: Machine) -> None:
    machine.start()
    headers = {"x-ratelimit-limit": "25", "x-ratelimit-remaining": "3"}
    machine.ledgers["small"].learn("", headers, machine.clock.now())
    machine.start()
    assert machine.ask("small", 30) == 3


async def test_what_was_learned_of_another_plan_is_forgotten(machine: Machine) -> None:
    books = machine.start()
    machine.ask("small", 20)
    machine.ledgers["small"].throttled("", QUOTA_EXHAUSTED, None)
    await books.save()
    machine.windows = {"small": (A_DAY.model_copy(update={"limit": 500}),)}
    machine.start()
    [reading] = machine.ledgers["small"].readings()
    assert (reading.limit, reading.used) == (500, 20)


def test_a_clock_that_was_set_back_meanwhile_brings_no_calls(machine: Machine) -> None:
    machine.clock.to("2026-03-03T00:30")
    machine.start()
    assert machine.ask("small", 30) == 25
    machine.clock.set_wall(-3600.0)  # it is yesterday again
    machine.start()
    assert machine.ask("small", 1) == 0
    machine.clock.to("2026-03-04T00:59:59")  # and would be a new day
    assert machine.ask("small", 1) == 0
    machine.clock.to("2026-03-04T01:00")
    assert machine.ask("small", 30) == 25


def test_a_line_that_was_cut_short_costs_itself_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "counters"
    file = CounterFile(path)
    file.write([COUNTER])
    whole = path.read_bytes()
    for cut in range(1, len(whole)):
        path.write_bytes(whole + whole[:cut])
        CounterFile(path).write([replace(COUNTER, window="month")])
        found = CounterFile(path).counters(datetime(2026, 1, 1, tzinfo=UTC))
        assert {one.window for one in found} == {"day", "month"}
        assert found[0] == COUNTER
    assert "quota_file_damaged" in {record.message for record in caplog.records}


@pytest.mark.parametrize(
    "line",
    [b"", b"nonsense", b"\xff\x00", b"00000000 {}", b"a3620c7f {}", b"x" * 100_000, b"5c5b2b4c []"],
)
def test_what_is_no_counter_is_passed_over(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "counters"
    path.write_bytes(line + b"\n")
    assert CounterFile(path).counters(datetime(2026, 1, 1, tzinfo=UTC)) == []


def test_the_file_stays_small_and_is_nobody_elses_to_read(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    file = CounterFile(path)
    file.write([COUNTER])
    assert path.stat().st_mode & 0o777 == 0o600
    for used in range(6000):
        file.write([replace(COUNTER, used=used)])
    assert path.stat().st_size < LARGE
    assert path.stat().st_mode & 0o777 == 0o600
    [found] = CounterFile(path).counters(datetime(2026, 1, 1, tzinfo=UTC))
    assert found.used == 5999


async def test_without_a_disk_it_is_told_once_and_counted_on(
    machine: Machine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    machine.file = tmp_path / "no_such_folder" / "counters"
    books = machine.start()
    assert machine.ask("small", 30) == 25
    await books.save()
    refused = [record for record in caplog.records if record.message == "quota_file_refused"]
    assert [record.levelno for record in refused] == [logging.ERROR]
    await machine.start().recall()
    assert machine.used("small") == 25


def test_old_counters_tell_nothing(tmp_path: Path) -> None:
    file = CounterFile(tmp_path / "counters")
    file.write([COUNTER])
    assert file.counters(COUNTER.updated_at) == []


def test_a_throttle_is_written_down_at_once_where_no_call_may_be_forgotten(machine: Machine) -> None:
    machine.start()
    machine.ledgers["small"].throttled("", RATE_LIMITED, 1800.0)
    machine.start()
    assert machine.ask("small", 1) == 0
