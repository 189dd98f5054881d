"""Several processes share the proxy's port, and callers cannot tell which of them answers."""

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import psutil  # type: ignore[import-untyped]
import pytest
from tests.callers import Caller, Heard, call_in, callers_of
from tests.eventually import CLOCK, eventually
from tests.integration.product import Process, Product, as_process, in_process, settings_for
from tests.lanes import host
from tests.wire_origins import Asked, answer, listening

from autonomous_healing.drills import Stage
from autonomous_healing.drills.twins import Fault, FaultKind
from autonomous_healing.endpoint_healing.health import HealthWindow
from autonomous_healing.settings import Settings
from autonomous_healing.workers.crew import SILENT_SECONDS
from autonomous_healing.workers.messages import CHANNEL, Hello

LATEST = "/api/exchange-rate/latest/USD"
IBM = "/api/alpha-vantage/query?function=GLOBAL_QUOTE&symbol=IBM"
SERVER_ERROR = Fault(kind=FaultKind.SERVER_ERROR, source="exchange_rate_api")


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage(7, CLOCK) as stage:
        yield stage


def settings_of_three(stage: Stage, home: Path, **changes: object) -> Settings:
    return settings_for(stage, home, server__workers=3, **changes)


@pytest.fixture
async def product(stage: Stage, server_home: Path) -> AsyncIterator[Product]:
    async with in_process(settings_of_three(stage, server_home)) as product:
        yield product


def workers_of(product: Product) -> list[int]:
    assert product.application.workers is not None
    return product.application.workers.pids


def pids_of(product: Product) -> list[int]:
    return [os.getpid(), *workers_of(product)]


def port_of(product: Product | Process) -> int:
    return urlsplit(product.proxy).port or 0


def children_of(pid: int) -> set[int]:
    """Workers: what else a product starts is PostgreSQL."""
    return {
        one.pid
        for one in psutil.Process(pid).children()
        if "autonomous_healing.commands.worker" in one.cmdline()
    }


def asked(stage: Stage, source: str = "exchange_rate_api") -> int:
    return sum(exchange.source == source for exchange in stage.exchanges())


def window_of(product: Product, place: str) -> HealthWindow:
    endpoint = next(one for one in product.application.endpoints if one.place == place)
    return product.application.parts.admission.window(endpoint)


async def on_its_own(caller: Caller, target: str = LATEST) -> Heard:
    """Asked until the process has a lease: before it has one it hands everything on."""
    for _ in range(10):
        heard = await caller.ask(target)
        assert heard.status == 200
        await CLOCK.sleep(0.01)
    return heard


async def test_every_process_accepts_and_answers_alike(product: Product) -> None:
    async with callers_of(port_of(product), pids_of(product)) as callers:
        assert len(callers) == 3
        for target, status in ((LATEST, 200), ("/livez", 404), ("/api/fred/series", 400), ("/nowhere", 404)):
            heard = [await caller.ask(target) for caller in callers.values()]
            assert {one.status for one in heard} == {status}
            assert len({one.body for one in heard}) == 1
            names = {frozenset(one.fields) for one in heard}
            assert len(names) == 1, names


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("POST", 405), ("DELETE", 405)])
async def test_other_methods_are_answered_alike(product: Product, method: str, status: int) -> None:
    async with callers_of(port_of(product), pids_of(product)) as callers:
        heard = [await caller.ask(LATEST, method) for caller in callers.values()]
    assert {one.status for one in heard} == {status}
    assert len({one.fields["content-length"] for one in heard}) == 1


async def test_what_a_caller_wishes_is_heard_by_every_process(product: Product, stage: Stage) -> None:
    stage.lay([SERVER_ERROR])
    async with callers_of(port_of(product), pids_of(product)) as callers:
        heard = [await caller.ask(LATEST, healing_allow="nonsense") for caller in callers.values()]
    assert [(one.status, b"nonsense" in one.body) for one in heard] == [(400, True)] * 3


async def test_a_failure_at_any_process_is_healed_and_known_to_all(product: Product, stage: Stage) -> None:
    async with callers_of(port_of(product), pids_of(product)) as callers:
        for caller in callers.values():
            await on_its_own(caller)
        stage.lay([SERVER_ERROR])
        heard = [await caller.ask(LATEST) for caller in callers.values()]

        assert {(one.status, one.fields["healing-status"]) for one in heard} == {(200, "healed")}
        trails = [one.fields["healing-trail"] for one in heard]
        for trail in trails:
            told = [await caller.ask(f"/api/healing/trails/{trail}") for caller in callers.values()]
            assert {one.status for one in told} == {200}
            assert len({one.body for one in told}) == 1
    assert product.events == len(set(trails)) == 3
    await product.everything_stored()
    assert len(await product.table("SELECT id FROM error_events")) == 3


async def test_a_good_answer_of_a_worker_is_the_copy_that_heals_at_the_owner(
    product: Product, stage: Stage
) -> None:
    pids = workers_of(product)
    async with callers_of(port_of(product), pids_of(product)) as callers:
        await on_its_own(callers[pids[0]])
        cache = product.application.parts.cache
        before = len(cache)
        good = await callers[pids[0]].ask("/api/exchange-rate/latest/CHF")
        await eventually(lambda: len(cache) == before + 1)
        stage.lay([Fault(kind=FaultKind.OUTAGE, source="exchange_rate_api")])
        for caller in callers.values():
            healed = await caller.ask("/api/exchange-rate/latest/CHF")
            assert (healed.status, healed.body) == (200, good.body)
            assert healed.fields["healing-status"] == "healed"


async def test_what_workers_see_counts_at_the_owner(product: Product) -> None:
    window = window_of(product, "exchange_rate_api/latest")
    async with callers_of(port_of(product), workers_of(product)) as callers:
        for caller in callers.values():
            for _ in range(20):
                assert (await caller.ask(LATEST)).status == 200
    await eventually(lambda: window.read().total == 40)
    assert window.read().felt == {"fresh": 40}


async def test_a_circuit_that_one_process_opens_holds_back_all(stage: Stage, server_home: Path) -> None:
    settings = settings_of_three(
        stage, server_home, healing__breaker__open_base=60.0, healing__breaker__open_cap=60.0
    )
    async with in_process(settings) as product:
        admission = product.application.parts.admission
        first, second = workers_of(product)
        async with callers_of(port_of(product), workers_of(product)) as callers:
            for caller in callers.values():
                await on_its_own(caller)
            stage.lay([SERVER_ERROR])
            while not any(not one.is_closed for one in admission.breakers()):
                await callers[first].ask(LATEST)
            before = asked(stage)

            async def second_asks_nobody() -> bool:
                nonlocal before
                known, before = before, asked(stage)
                await callers[second].ask(LATEST)
                return asked(stage) == before == known

            await eventually(second_asks_nobody, 1.0)
            before = asked(stage)
            for _ in range(10):
                for caller in callers.values():
                    assert (await caller.ask(LATEST)).status == 200
            assert asked(stage) == before


async def test_a_quota_holds_over_all_processes(stage: Stage, server_home: Path) -> None:
    quota = [{"window": "day", "limit": 25}]
    settings = settings_of_three(stage, server_home, sources__alpha_vantage__quota=quota)
    async with in_process(settings) as product:
        async with callers_of(port_of(product), pids_of(product)) as callers:

            async def ask_often(caller: Caller) -> list[int]:
                heard = []
                for _ in range(60):
                    heard.append((await caller.ask(IBM)).status)
                    await CLOCK.sleep(0.02)  # a lease is worth something only to those who come again
                return heard

            statuses = await asyncio.gather(*(ask_often(one) for one in callers.values() for _ in range(1)))
        assert {status for heard in statuses for status in heard} == {200}  # the rest by the copy
        assert asked(stage, "alpha_vantage") == 24  # the last one is for healing


def busy_for_others(product: Product) -> int:
    assert product.application.workers is not None
    return product.application.workers.in_flight


async def test_what_a_worker_has_asked_the_owner_does_not_ask_again(stage: Stage, server_home: Path) -> None:
    settings = settings_of_three(stage, server_home, healing__enable_auto_healing=False)
    async with in_process(settings) as product:
        pid = workers_of(product)[0]
        async with callers_of(port_of(product), [pid]) as callers:
            await on_its_own(callers[pid])
            stage.lay([SERVER_ERROR])
            before = asked(stage)
            heard = await callers[pid].ask(LATEST)
    assert heard.status >= 500
    assert asked(stage) == before + 1


async def test_a_slow_answer_that_is_good_still_wins(stage: Stage, server_home: Path) -> None:
    slow = Fault(kind=FaultKind.LATENCY, source="exchange_rate_api", seconds=1.5, path_part="SEK")
    settings = settings_of_three(stage, server_home, healing__soft_timeout={"min": 0.5, "max": 0.5})
    async with in_process(settings) as product:
        pid = workers_of(product)[0]
        async with callers_of(port_of(product), [pid]) as callers:
            await on_its_own(callers[pid])
            stage.lay([slow])
            asking = asyncio.create_task(callers[pid].ask("/api/exchange-rate/latest/SEK"))
            await eventually(lambda: busy_for_others(product))
            heard = await asking
            await eventually(lambda: not busy_for_others(product))
    assert (heard.status, b"SEK" in heard.body) == (200, True)
    assert not [name for name in heard.fields if name.startswith("healing-")]


async def test_an_answer_that_never_comes_is_counted_as_a_failure(stage: Stage, server_home: Path) -> None:
    settings = settings_of_three(stage, server_home, sources__exchange_rate_api__timeout=1.5)
    async with in_process(settings) as product:
        pid = workers_of(product)[0]
        async with callers_of(port_of(product), [pid]) as callers:
            await on_its_own(callers[pid])
            stage.lay([Fault(kind=FaultKind.HANG, source="exchange_rate_api")])
            heard = await callers[pid].ask(LATEST)
        assert heard.fields["healing-strategy"] == "use_cached_data"
        window = window_of(product, "exchange_rate_api/latest")
        await eventually(lambda: window.read().failed)


async def test_a_caller_who_leaves_ends_what_is_done_for_it(product: Product, stage: Stage) -> None:
    pid = workers_of(product)[0]
    async with callers_of(port_of(product), [pid]) as callers:
        await on_its_own(callers[pid])
        stage.lay([Fault(kind=FaultKind.HANG, source="exchange_rate_api")])
        asking = asyncio.create_task(callers[pid].ask("/api/exchange-rate/latest/NOK"))
        await eventually(lambda: busy_for_others(product))
        callers[pid].leave()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await asking
    await eventually(lambda: not busy_for_others(product), 1.0)
    assert product.events == 0


async def test_a_raw_source_is_passed_through_by_every_process(stage: Stage, server_home: Path) -> None:
    raw = {"kind": "raw", "hosts": [stage.hosts("exchange_rate_api")[0]], "allow_private": True}
    settings = settings_of_three(
        stage, server_home, sources__mounted=raw, sources__apart={**raw, "port": 0, "mount": "/"}
    )
    async with in_process(settings) as product:
        pids, proxy = pids_of(product), product.application.proxy
        for port, prefix, source in (
            (proxy.port, "/api/mounted", "mounted"),
            (proxy.port_of("apart"), "", "apart"),
        ):
            async with callers_of(port, pids) as callers:
                heard = [await one.ask(f"{prefix}/v6/k/latest/USD", via="1.1 me") for one in callers.values()]
            assert len({(one.status, one.body, one.fields["via"]) for one in heard}) == 1
            await eventually(partial(is_counted, product, f"{source}/"))


async def test_a_change_at_a_cached_source_is_heeded_by_every_process(
    stage: Stage, server_home: Path
) -> None:
    numbers = itertools.count(1)

    async def counting(asked: Asked) -> None:
        await asked.line.send(answer(b"%d" % next(numbers), b"Cache-Control: max-age=600"))

    async with listening(counting) as origin:
        raw = {"kind": "raw", "hosts": [host(origin.port)], "allow_private": True, "cache": "shared"}
        settings = settings_of_three(stage, server_home, sources__shop=raw)
        async with (
            in_process(settings) as product,
            callers_of(port_of(product), pids_of(product)) as callers,
        ):
            everybody = list(callers.values())
            for _ in range(2):
                bodies = [(await one.ask("/api/shop/x")).body for one in everybody]
                assert bodies == [b"1", b"2", b"3"]  # each keeps its own
            for n, changing in enumerate(everybody):
                assert (await changing.ask("/api/shop/x", "DELETE")).status == 200
                await eventually(partial(have_newer, everybody, 4 + 4 * n))


async def have_newer(everybody: list[Caller], least: int) -> bool:
    return all([int((await one.ask("/api/shop/x")).body) > least for one in everybody])


def is_counted(product: Product, place: str) -> bool:
    return window_of(product, place).read().total >= 3


async def test_a_worker_that_is_killed_is_replaced_and_the_others_go_on(product: Product) -> None:
    killed, other = workers_of(product)
    async with callers_of(port_of(product), [other]) as callers:
        os.kill(killed, signal.SIGKILL)
        await eventually(lambda: killed not in workers_of(product))
        assert (await callers[other].ask(LATEST)).status == 200
        await eventually(lambda: len(workers_of(product)) == 2, 30.0)
    assert other in workers_of(product)
    async with callers_of(port_of(product), pids_of(product)) as callers:
        assert {(await one.ask(LATEST)).status for one in callers.values()} == {200}


async def test_a_worker_that_is_stuck_is_replaced(product: Product) -> None:
    stuck, other = workers_of(product)
    os.kill(stuck, signal.SIGSTOP)
    await eventually(lambda: stuck not in workers_of(product), SILENT_SECONDS + 10.0)
    assert other in workers_of(product)


async def test_while_the_owner_stands_still_a_worker_goes_on_with_its_lease(
    stage: Stage, server_home: Path
) -> None:
    async with as_process(settings_of_three(stage, server_home)) as product:
        pid = min(children_of(product.pid))
        async with callers_of(port_of(product), [pid]) as callers:
            for _ in range(20):
                await on_its_own(callers[pid])
            product.send(signal.SIGSTOP)
            try:
                async with asyncio.timeout(0.5):
                    assert (await callers[pid].ask(LATEST)).status == 200
            finally:
                product.send(signal.SIGCONT)


@pytest.mark.parametrize("everybody", [False, True], ids=["the owner", "the whole group"])
async def test_sigterm_under_load_loses_no_request_that_was_sent(
    stage: Stage, server_home: Path, everybody: bool
) -> None:
    slow = Fault(kind=FaultKind.LATENCY, source="exchange_rate_api", seconds=0.4, path_part="EUR")
    stage.lay([slow])
    lost: list[str] = []

    async def ask_until_told_to_go(caller: Caller, target: str) -> None:
        try:
            while not (heard := await caller.ask(target)).closes:
                if heard.status != 200:
                    lost.append(f"{heard.status} after {caller.whole}")
        except (asyncio.IncompleteReadError, ConnectionError) as fault:
            lost.append(f"{fault!r} after {caller.whole}")
        finally:
            caller.leave()

    async with as_process(settings_of_three(stage, server_home)) as product:
        pids = [product.pid, *children_of(product.pid)]
        port = port_of(product)
        async with callers_of(port, pids) as kept:
            callers = [*kept.values(), *[await call_in(port) for _ in range(9)]]
            targets = [LATEST, "/api/exchange-rate/latest/EUR"]
            asking = [
                asyncio.create_task(ask_until_told_to_go(caller, targets[number % 2]))
                for number, caller in enumerate(callers)
            ]
            await eventually(lambda: all(caller.whole > 3 for caller in callers))
            for pid in reversed(pids) if everybody else pids[:1]:
                os.kill(pid, signal.SIGTERM)
                if everybody:
                    os.kill(pid, signal.SIGINT) if pid != product.pid else None
            await asyncio.gather(*asking)
            assert await product.ended() == 0
    assert lost == []
    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_workers_of_an_owner_that_was_killed_end(stage: Stage, server_home: Path) -> None:
    async with as_process(settings_of_three(stage, server_home)) as product:
        workers = children_of(product.pid)
        folders = {psutil.Process(pid).cmdline()[-1] for pid in workers}
        assert len(workers) == 2
        await product.kill()
        await eventually(lambda: not any(is_alive(pid) for pid in workers))
        await eventually(lambda: not any(Path(folder).exists() for folder in folders))


def is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def test_the_keys_stand_in_no_command_line_and_the_sockets_are_ours_alone(product: Product) -> None:
    keys = {key for keys in product.application.secrets.values() for key in keys}
    assert keys
    for pid in workers_of(product):
        line = psutil.Process(pid).cmdline()
        assert not any(key in part for key in keys for part in line)
        assert mode_of(line[-1]) == 0o700


def mode_of(folder: str) -> int:
    return Path(folder).stat().st_mode & 0o777


async def test_a_stranger_on_the_channel_is_told_nothing(product: Product) -> None:
    folder = Path(psutil.Process(workers_of(product)[0]).cmdline()[-1])
    reader, writer = await asyncio.open_unix_connection(str(folder / CHANNEL))
    hello = msgspec.msgpack.encode(Hello(workers_of(product)[0]))
    writer.write(len(hello).to_bytes(4) + hello)
    assert await reader.read() == b""
    writer.close()


async def test_a_port_that_another_shares_is_taken_all_the_same(
    product: Product, stage: Stage, server_home: Path
) -> None:
    home = server_home / "second"
    home.mkdir()
    settings = settings_of_three(stage, home, server__proxy_port=port_of(product))
    with pytest.raises(OSError, match="is taken"):
        async with in_process(settings):
            pass
