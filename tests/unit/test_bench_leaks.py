"""The measurement of what is left behind, as far as it can be wrong without the product."""

import asyncio
import importlib
import inspect
import pkgutil
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import islice

import pytest
from bench import leaks
from bench.__main__ import known
from bench.leaks import BOUNDS, IN_FLIGHT, LEFT, Phase, figures_of, table, verdicts, what_is_left
from bench.rig.inside import Held, Look, held_now, sockets_by_state
from bench.rig.rough import HALF, HOLD, Break, BreakPlan, Origin, Reply, connect, echo, request
from bench.rig.trials import Outcome, Question, judge, raw_question, storm
from tests.eventually import eventually

from autonomous_healing import proxy, wire

START = Look(80.0, 20, {}, Held({"serve": 1, "watch": 2}, {"Trail": 5}, 0))


def test_it_is_called_by_name() -> None:
    assert "leaks" in known()


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(200, b"mine", whole=True), Outcome.RIGHT),
        (Reply(200, b"yours", whole=True), Outcome.FOREIGN),
        (Reply(200, b"mine, and more", whole=True), Outcome.FOREIGN),
        (Reply(502, b"sorry", whole=True), Outcome.ERROR),
        (Reply(404, b"mine", whole=True), Outcome.WRONG),
        (Reply(200, b"mine", whole=False), Outcome.CUT),
        (Reply(), Outcome.CUT),
        (Reply(late=True), Outcome.LATE),
    ],
)
def test_an_answer_is_whole_and_right_or_visibly_not(reply: Reply, outcome: Outcome) -> None:
    assert judge(b"mine", reply) is outcome


def test_no_two_requests_have_the_same_right_answer() -> None:
    questions = [raw_question(lap, number) for lap in (1, 2) for number in range(1000)]
    assert len({one.expected for one in questions}) == len(questions) == len({one.visit for one in questions})
    assert {one.request.split(b" ")[0] for one in questions} == {b"GET", b"POST"}
    assert max(len(one.expected) for one in questions) > 1_048_576


def test_the_same_seed_breaks_the_same_exchanges_and_its_share_of_them() -> None:
    first, again = BreakPlan(3, 0.05), BreakPlan(3, 0.05)
    broken = [first.next() for _ in range(20_000)]
    assert not any(one is not again.next() for one in broken)
    counts = Counter(broken)
    assert set(counts) == {None, *Break}
    assert all(200 < counts[one] < 300 for one in Break)


@asynccontextmanager
async def origin(share: float = 0.0, charts: Mapping[str, bytes] | None = None) -> AsyncIterator[Origin]:
    one = Origin(charts or {}, BreakPlan(1, share))
    await one.listen()
    try:
        yield one
    finally:
        one.close()
        await eventually(lambda: not one.connections)


def asked(size: int = 400) -> Iterator[Question]:
    return islice((raw_question(1, number) for number in range(size)), size)


async def test_a_storm_over_a_true_line_is_right_throughout() -> None:
    async with origin() as one:
        found = await storm(one, one.port, asked(), breaking=False)
    assert found["right"] == 400
    assert sum(found[outcome] for outcome in Outcome) == 400
    assert found["broken"] == found["unexplained"] == found["sent_twice"] == found["spoiled"] == 0


async def test_a_storm_over_broken_lines_tells_each_break_and_explains_it() -> None:
    async with origin(share=0.3) as one:
        found = await storm(one, one.port, asked())
    assert found["broken"] > 50
    assert 0 < found["cut"] <= found["broken"]
    assert found["right"] + found["cut"] == 400
    assert found["foreign"] == found["wrong"] == found["late"] == found["unexplained"] == 0


async def test_another_ones_answer_is_noticed() -> None:
    async with origin(charts={"1.2": echo("GET", "1.3", 64)}) as one:
        found = await storm(one, one.port, asked(), breaking=False)
    assert (found["foreign"], found["right"]) == (1, 399)


async def test_a_cut_that_the_origin_did_not_make_is_unexplained() -> None:
    async with origin() as one:
        questions = iter([replace(raw_question(1, 1), request=request("GET", f"{HALF}?n=1.1"))])
        watched = one.watch("1.1")

        async def cut_it() -> None:
            await watched.arrived
            for peer in list(one.connections):
                peer.cut(reset=True)

        cutting = asyncio.create_task(cut_it())
        found = await storm(one, one.port, questions, breaking=False)
        await cutting
    assert (found["cut"], found["unexplained"]) == (1, 1)


async def test_a_body_that_comes_twice_or_spoiled_is_counted() -> None:
    sent = request("POST", "/echo?n=1.1", echo("BODY", "1.1", 100))
    spoiled = request("POST", "/echo?n=1.2", echo("BODY", "1.3", 100))
    async with origin() as one:
        questions = [Question("1.1", bytes_, echo("POST", "1.1", 0)) for bytes_ in (sent, sent)]
        questions.append(Question("1.2", spoiled, echo("POST", "1.2", 0)))
        found = await storm(one, one.port, iter(questions), breaking=False)
    assert (found["right"], found["sent_twice"], found["spoiled"]) == (3, 1, 1)


@pytest.mark.parametrize("reset", [True, False])
async def test_the_origin_sees_when_somebody_leaves(reset: bool) -> None:
    async with origin() as one:
        watched = one.watch("7")
        client = await connect(one.port)
        client.transport.write(request("GET", f"{HOLD}?n=7"))
        await watched.arrived
        assert not watched.gone.done()
        client.leave(reset=reset)
        await eventually(watched.gone.done)


async def test_tells_its_tasks_and_what_of_ours_it_holds() -> None:
    waiting = asyncio.Event()

    async def waits() -> None:
        await waiting.wait()

    before = held_now(asyncio.get_running_loop())
    tasks = [asyncio.create_task(waits()) for _ in range(3)]
    pools = [wire.Pool() for _ in range(4)]
    during = held_now(asyncio.get_running_loop())
    assert during.task_count == before.task_count + 3
    assert during.tasks[waits.__qualname__] == 3
    assert during.objects["Pool"] == before.objects.get("Pool", 0) + 4
    del pools
    waiting.set()
    await asyncio.gather(*tasks)
    del tasks
    after = held_now(asyncio.get_running_loop())
    assert after.task_count == before.task_count
    assert after.objects.get("Pool") == before.objects.get("Pool")


@dataclass(frozen=True)
class _End:
    port: int


@dataclass(frozen=True)
class _Socket:
    laddr: _End
    raddr: _End | None
    status: str


def test_only_the_proxys_own_ends_count() -> None:
    door, there, client = _End(5002), _End(9000), _End(40_000)
    sockets = [
        _Socket(door, None, "LISTEN"),
        _Socket(door, client, "ESTABLISHED"),
        _Socket(client, door, "ESTABLISHED"),
        _Socket(_End(41_000), there, "CLOSE_WAIT"),
        _Socket(there, _End(41_000), "FIN_WAIT2"),
        _Socket(_End(1), _End(2), "ESTABLISHED"),
        _Socket(door, client, "TIME_WAIT"),
    ]
    found = sockets_by_state(sockets, {5002, None}, 9000)
    assert found == {"ESTABLISHED": 1, "CLOSE_WAIT": 1, "TIME_WAIT": 1}
    assert replace(START, sockets=found).open_sockets == 2


@pytest.mark.parametrize(
    ("look", "left"),
    [
        (START, {}),
        (replace(START, files=25), {}),
        (replace(START, files=26), {"files_left": 6}),
        (replace(START, files=14), {"files_left": -6}),
        (replace(START, held=Held({"serve": 1, "watch": 3}, {}, 0)), {"tasks_left": 1}),
        (replace(START, held=Held({"watch": 2}, {}, 0)), {"tasks_left": -1}),
        (replace(START, held=replace(START.held, objects={"Relay": 2, "Trail": 9})), {"objects_left": 2}),
        (replace(START, sockets={"CLOSE_WAIT": 1, "TIME_WAIT": 7}), {"sockets_left": 1}),
    ],
)
def test_nothing_is_left_when_all_is_as_at_the_start(look: Look, left: Mapping[str, float]) -> None:
    assert what_is_left(look, START) == left


def test_what_must_not_be_left_is_called_as_in_the_product() -> None:
    rooms = [
        importlib.import_module(f"{room.__name__}.{one.name}")
        for room in (wire, proxy)
        for one in pkgutil.iter_modules(room.__path__)
    ]
    names = {name for room in rooms for name, _ in inspect.getmembers(room, inspect.isclass)}
    assert names >= IN_FLIGHT


GOOD = {
    f"{phase}.{name}": 0.0 for phase, bounds in BOUNDS.items() for name in (*bounds, "most_rss_mb", *LEFT)
} | {"rss_growth_last_lap_mb": 0.0}


def test_all_bounds_are_kept_where_nothing_is_found() -> None:
    assert all(one.reached for one in verdicts(GOOD))


@pytest.mark.parametrize("figure", sorted(GOOD))
def test_every_bound_can_be_broken(figure: str) -> None:
    broken = [one.figure for one in verdicts(GOOD | {figure: 100_000.0}) if not one.reached]
    assert broken == [figure]


@pytest.mark.parametrize("figure", [name for name in sorted(GOOD) if name.endswith("_left")])
def test_what_is_missing_afterwards_is_no_better_than_what_is_left(figure: str) -> None:
    assert not all(one.reached for one in verdicts(GOOD | {figure: -7.0}))


@pytest.mark.parametrize("figure", sorted(GOOD))
def test_what_was_not_measured_was_not_kept(figure: str) -> None:
    found = {name: value for name, value in GOOD.items() if name != figure}
    assert [one.figure for one in verdicts(found) if not one.reached] == [figure]


def phase(lap: int, *, rss_mb: float, late: float, files: int = 20) -> Phase:
    after = replace(START, rss_mb=rss_mb, files=files)
    return Phase("leavers", lap, 1.0, 0.5, START, after, rss_mb + 1, 90, {"late": late})


def test_the_worst_lap_counts_and_growth_is_that_of_the_last() -> None:
    laps = [phase(1, rss_mb=100.0, late=3, files=40), phase(2, rss_mb=104.5, late=0)]
    found = figures_of(laps, START)
    assert (found["leavers.late"], found["leavers.files_left"]) == (3, 20)
    assert found["leavers.most_rss_mb"] == 105.5
    assert found["rss_growth_last_lap_mb"] == 4.5


def test_the_table_names_what_is_broken() -> None:
    laps = [phase(1, rss_mb=100.0, late=3), phase(2, rss_mb=104.5, late=0)]
    lines = "".join(table(laps, START)).splitlines()
    assert any(line.startswith("BROKEN") and "leavers.late <= 0" in line for line in lines)
    assert any(line.startswith("kept") and "leavers.files_left <= 0" in line for line in lines)


def test_both_laps_bring_the_same_crowd() -> None:
    assert len(leaks.LAPS) == 2
    assert leaks.LAPS[0].storm >= 30_000
    assert {lap.crowd for lap in leaks.LAPS} == {2000}
