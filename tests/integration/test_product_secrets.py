"""The providers' keys go to the providers and nowhere else."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.eventually import CLOCK, eventually
from tests.integration.outputs import all_are_stored, all_of_the_dashboard, all_rows, written
from tests.integration.product import as_process, settings_for

from autonomous_healing.drills import KEYS, Answer, Clients, Planned, Stage, questions, write_scenario
from autonomous_healing.drills.twins import Fault, FaultKind

ALL_KEYS = tuple(key for keys in KEYS.values() for key in keys)

#: Where a provider's own words about the key, or a URL with the key in it, could slip through.
SPOKEN = (FaultKind.QUOTA, FaultKind.THROTTLE, FaultKind.UNAUTHORIZED, FaultKind.OUTAGE, FaultKind.CUT)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage(7, CLOCK) as stage:
        yield stage


async def test_no_key_shows_in_anything_that_a_run_leaves(stage: Stage, server_home: Path) -> None:
    settings = settings_for(
        stage,
        server_home,
        logging__level="debug",
        logging__format="json",
        logging__dir=str(server_home / "logs"),
    )
    answers: list[Answer] = []
    async with as_process(settings) as product:
        async with Clients(product.proxy, CLOCK) as clients:
            answers += [one async for one in answered_with_the_second_key(stage, clients)]
            answers += [one async for one in told_the_key(stage, clients)]
            scenario = write_scenario(CLOCK.now(), 3.0, 60, seed=7)
            stage.lay(scenario.faults)
            await clients.follow(scenario.requests, answers.append)
            answers += [one async for one in refused_in_all_ways(stage, clients)]
        await eventually(lambda: all_are_stored(product))
        told = [
            ("banner", product.banner),
            ("log", product.said),
            *[(f"answer of the proxy to {one.planned.question.ask}", shown(one)) for one in answers],
            *[page async for page in all_of_the_dashboard(product, trails_of(answers))],
            *[row async for row in all_rows(Path(settings.database.data_dir))],
        ]
    told += [*written(server_home / "logs"), *written(server_home / "spool")]

    assert [(what, key) for what, text in told for key in ALL_KEYS if key in text] == []
    # And they could have shown: all were used, a provider repeated one, and much was said and kept.
    assert {exchange.key for exchange in stage.exchanges()} >= set(ALL_KEYS)
    faults = [one.fault.kind for one in stage.exchanges() if one.source == "alpha_vantage" and one.fault]
    assert FaultKind.QUOTA in faults  # whose notice repeats the key
    assert any("alert_fired" in text for _, text in told)
    assert len({what for what, _ in told}) > 40
    assert sum("error_events" in what for what, _ in told) > 20


async def told_the_key(stage: Stage, clients: Clients) -> AsyncIterator[Answer]:
    """Alpha Vantage repeats a key whose allowance is spent; the caller wants no healing, but its words."""
    stage.lay([fault(FaultKind.QUOTA, "alpha_vantage")])
    for planned in one_of_each("told", "none"):
        yield await clients.ask(planned)


async def answered_with_the_second_key(stage: Stage, clients: Clients) -> AsyncIterator[Answer]:
    stage.lay([fault(FaultKind.UNAUTHORIZED, source, key=keys[0]) for source, keys in KEYS.items()])
    for planned in one_of_each("second", None):
        yield await clients.ask(planned)


async def refused_in_all_ways(stage: Stage, clients: Clients) -> AsyncIterator[Answer]:
    """All keys of all sources are refused, so that callers see what the providers themselves say."""
    for kind in SPOKEN:
        stage.lay([fault(kind, source) for source in KEYS])
        for planned in one_of_each(kind.value, "none"):
            yield await clients.ask(planned)


def fault(kind: FaultKind, source: str, key: str | None = None) -> Fault:
    return Fault(kind=kind, source=source, key=key)


def one_of_each(name: str, allow: str | None) -> list[Planned]:
    """A question for each source that wants a key."""
    first = {question.source: question for question in questions(CLOCK.now())}
    return [Planned(id=f"{name}-{source}", at=0.0, question=first[source], allow=allow) for source in KEYS]


def trails_of(answers: list[Answer]) -> set[str]:
    return {one.headers["healing-trail"] for one in answers if "healing-trail" in one.headers}


def shown(answer: Answer) -> str:
    return f"{dict(answer.headers)} {answer.body!r}"
