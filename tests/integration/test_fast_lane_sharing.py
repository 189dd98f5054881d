"""What may go to more than one caller, and what a copy may be taken for, however it came."""

from contextlib import AsyncExitStack
from typing import Any

import pytest
from tests.eventually import eventually
from tests.integration.test_fast_lane_company import (
    COMPANY,
    LATEST,
    ONCE,
    UPSTREAM,
    WAYS,
    good,
    hold,
    lines_of,
    said_to,
    settled,
)
from tests.lanes import said, street
from tests.wire_origins import on_uvloop


@WAYS
@on_uvloop
async def test_a_private_answer_that_is_judged_the_long_way_goes_to_one(headers: dict[str, Any]) -> None:
    async with street("exchange_rate_api", healing=ONCE) as here, AsyncExitStack() as stack:
        answer = said(here.provider.truth(UPSTREAM) + b" " * 200_000, b"Cache-Control: private")
        held = hold(here, answer)
        here.provider.turns.extend([answer] * 4)
        lines = await lines_of(here, stack, 5, **headers)
        await settled(here, 5)
        held.let_go()
        told = await said_to(lines)
    assert [one.status for one in told] == [200] * 5
    assert len(here.origin.asked) == 5


@WAYS
@on_uvloop
async def test_a_private_answer_that_a_retry_brings_goes_to_one(headers: dict[str, Any]) -> None:
    async with street("exchange_rate_api", healing=COMPANY) as here, AsyncExitStack() as stack:
        held = hold(here, said(b"{}", status=b"500 Oops"))
        here.provider.turns.extend([good(here, b"Cache-Control: private")] * 10)
        lines = await lines_of(here, stack, 3, **headers)
        await settled(here, 3)
        held.let_go()
        told = await said_to(lines)
    assert [one.status for one in told] == [200] * 3
    assert len(here.origin.asked) == 4


@pytest.mark.parametrize(
    ("coalesce", "field", "seconds"),
    [(False, b"X: y", 901.0), (True, b"Cache-Control: max-age=0, stale-while-revalidate=900", 10.0)],
)
@on_uvloop
async def test_one_new_copy_is_fetched_however_many_get_the_expired_one(
    coalesce: bool, field: bytes, seconds: float
) -> None:
    healing = {"cache": {"serve_fresh": True, "coalesce": coalesce}}
    async with street("exchange_rate_api", sources={"while_revalidate": True}, healing=healing) as here:
        here.provider.turns.append(good(here, field))
        await here.ask(LATEST)
        here.clock.pass_time(seconds)
        halts = [hold(here, good(here, field)) for _ in range(5)]
        for _ in range(5):
            await here.ask(LATEST)
        await eventually(halts[0].has_come)
        asked = len(here.origin.asked)
        for one in halts:
            one.let_go()
    assert asked == 2


@WAYS
@on_uvloop
async def test_a_304_for_another_version_is_no_word_on_ours(headers: dict[str, Any]) -> None:
    """Asked again without naming a copy, the source says what it has."""
    async with street("exchange_rate_api", healing=COMPANY) as here:
        here.provider.turns.append(good(here, b'ETag: "v1"', b"Cache-Control: max-age=10"))
        await here.ask(LATEST, **headers)
        here.clock.pass_time(11.0)
        here.provider.turns.append(b'HTTP/1.1 304 Not Modified\r\nETag: "v2"\r\n\r\n')
        here.provider.turns.append(good(here, b'ETag: "v2"'))
        again = await here.ask(LATEST, **headers)
        codes = [one.diagnosis.code for one in here.house.reports]
    assert codes == ["DATA.MISSING"]
    assert again.all("healing-status") == ["healed"]
    assert again.all("etag") != ['"v2"'] or len(here.origin.asked) == 3


@WAYS
@on_uvloop
async def test_the_age_that_a_cache_on_the_way_tells_goes_on(headers: dict[str, Any]) -> None:
    async with street("exchange_rate_api", healing=ONCE) as here:
        here.provider.turns.append(good(here, b"Age: 45", b"Cache-Control: max-age=60"))
        told = await here.ask(LATEST, **headers)
    assert told.all("age") == ["45"]


@pytest.mark.parametrize(
    "fields",
    [(b"Vary: *",), (b"Date: Mon, 02 Mar 2026 13:00:00 GMT", b"Cache-Control: max-age=900")],
    ids=["chosen by who knows what", "two hours old when it came"],
)
@WAYS
@on_uvloop
async def test_some_answers_hold_for_one_question_only(
    fields: tuple[bytes, ...], headers: dict[str, Any]
) -> None:
    async with street("exchange_rate_api", healing=ONCE) as here:
        here.provider.turns.append(good(here, *fields))
        await here.ask(LATEST, **headers)
        await here.ask(LATEST, **headers)
    assert len(here.origin.asked) == 2
