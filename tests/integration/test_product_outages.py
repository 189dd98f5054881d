"""The whole product while something under it is gone: PostgreSQL, a provider, or both from the start."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.eventually import CLOCK, eventually
from tests.integration.postgres import kill_postmaster
from tests.integration.product import (
    SOURCES,
    Doors,
    as_process,
    command_line,
    in_process,
    keys_for,
    run_to_end,
    settings_for,
)

from autonomous_healing.database.processes import postmaster_of
from autonomous_healing.drills import (
    Answer,
    Clients,
    Judge,
    Judged,
    Met,
    Stage,
    Verdict,
    questions,
    write_scenario,
)
from autonomous_healing.drills.twins import Fault, FaultKind
from autonomous_healing.settings import Settings

LATEST = "/api/exchange-rate/latest/USD"


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage(7, CLOCK) as stage:
        yield stage


def outage(source: str) -> Fault:
    return Fault(kind=FaultKind.OUTAGE, source=source)


def judged(stage: Stage, answers: list[Answer]) -> list[Judged]:
    judge = Judge(stage.market, stage.exchanges(), stage.faults)
    return [judge.judge(answer) for answer in answers]


async def test_no_client_sees_that_postgresql_was_killed_and_no_event_is_lost(
    stage: Stage, server_home: Path
) -> None:
    answers: list[Answer] = []
    async with in_process(settings_for(stage, server_home)) as product:
        first = postmaster_of(product.data_dir)
        async with Clients(product.proxy, CLOCK) as clients:
            for planned in write_scenario(CLOCK.now(), 1.0, 60, seed=3).requests:
                await clients.ask(planned)  # good answers first, which are the copies that heal later
            scenario = write_scenario(CLOCK.now(), 6.0, 40, seed=7)
            stage.lay(scenario.faults)
            traffic = asyncio.create_task(clients.follow(scenario.requests, answers.append))
            await eventually(lambda: product.application.writer.counts.stored > 20)
            kill_postmaster(product.data_dir)
            await eventually(lambda: product.application.database.away_since is not None)
            before = product.events
            await traffic

        assert product.events > before  # there was something to keep
        assert len(answers) == len(scenario.requests)
        verdicts = judged(stage, answers)
        # Whoever takes a copy gets one; who wants the thing itself may be told that it is away.
        strict = [
            one for one in verdicts if one.answer.planned.allow == "exact" and one.met is not Met.NOTHING
        ]
        assert {one.verdict for one in verdicts if one not in strict} == {Verdict.TRUE}
        assert {one.verdict for one in strict} <= {Verdict.TRUE, Verdict.ERROR}
        assert [one for one in verdicts if one.answer.status == 0 or one.false_heal] == []
        await eventually(lambda: product.application.database.away_since is None, 30.0)
        await product.everything_stored()
        assert postmaster_of(product.data_dir) not in (None, first)
        stored = await product.application.store.count_events(product.application.started_at)
        assert stored == product.events == product.application.report_writer.events
        assert product.application.writer.counts.dropped == 0


async def test_providers_that_are_down_from_the_start_do_not_keep_the_proxy_from_answering(
    stage: Stage, server_home: Path
) -> None:
    stage.lay([outage(source) for source in SOURCES])
    async with in_process(settings_for(stage, server_home)) as product:
        asked = [question.ask for question in questions(CLOCK.now())]
        refused = await asyncio.gather(*(product.ask(path) for path in asked))
        assert {answer.status for answer in refused} == {503}
        assert {answer.healing["status"] for answer in refused} == {"failed"}

        stage.lay([])

        async def answers_by_itself() -> bool:
            return (await product.ask(LATEST)).status == 200

        await eventually(answers_by_itself, 20.0)


async def test_a_database_that_cannot_start_does_not_keep_the_proxy_from_answering(
    stage: Stage, server_home: Path
) -> None:
    settings = without_a_database(stage, server_home)
    stage.lay([Fault(kind=FaultKind.SERVER_ERROR, source="exchange_rate_api", exchanges=1)])
    began = CLOCK.monotonic()
    async with in_process(settings) as product:
        healed = await product.ask(LATEST, x_request_id="one")

        assert CLOCK.monotonic() - began < 5.0
        assert (healed.status, healed.healing["status"]) == (200, "healed")
        assert (await product.look("/api/health")).json()["storage"] == "away"
        assert (await product.look("/readyz")).status == 200
        await eventually(lambda: product.application.writer.counts.spooled >= 4)
        assert product.application.writer.counts.stored == 0


async def test_what_happened_without_a_database_is_stored_once_there_is_one(
    stage: Stage, server_home: Path
) -> None:
    settings = without_a_database(stage, server_home)
    stage.lay([Fault(kind=FaultKind.SERVER_ERROR, source="exchange_rate_api", exchanges=1)])
    async with in_process(settings) as product:
        await product.ask(LATEST, x_request_id="one")
        await eventually(lambda: product.application.writer.counts.spooled >= 4)
        (server_home / "pg").unlink()

        await eventually(lambda: product.application.database.away_since is None, 30.0)
        await product.everything_stored()
        assert len(await product.table("SELECT 1 FROM error_events")) == product.events == 1


async def test_a_required_database_that_is_not_there_ends_the_start_with_code_3(
    stage: Stage, server_home: Path
) -> None:
    settings = without_a_database(stage, server_home, database__start_wait=1.0)

    code, said = await run_to_end(*command_line(settings, "--require-database"), env=keys_for(settings))

    assert code == 3
    assert "the database is required and not there" in said
    assert "Traceback" not in said


async def test_a_second_copy_on_the_same_directories_is_refused_by_name_and_the_first_goes_on(
    stage: Stage, server_home: Path
) -> None:
    settings = settings_for(stage, server_home)
    async with as_process(settings) as first:
        await eventually(lambda: is_stored_by(first))
        same_spool = await run_to_end(*command_line(settings), env=keys_for(settings))
        other = settings_for(stage, server_home, database__spool_dir=str(server_home / "spool2"))
        same_server = await run_to_end(*command_line(other), env=keys_for(settings))

        assert same_spool == (1, f"another running copy uses the spool directory {server_home}/spool\n")
        assert same_server[0] == 1
        assert f"another running copy uses the data directory {server_home}/pg\n" in same_server[1]
        assert "Traceback" not in same_server[1]
        assert (await first.ask(LATEST)).status == 200
        assert await is_stored_by(first)


def without_a_database(stage: Stage, home: Path, **changes: Any) -> Settings:
    """Where the data directory should be there is a file, as which no account can use it."""
    (home / "pg").write_text("in the way")
    return settings_for(stage, home, **changes)


async def is_stored_by(product: Doors) -> bool:
    return bool((await product.look("/api/health")).json()["storage"] == "postgres")
