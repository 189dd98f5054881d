"""What holds for every provider's answers, whatever is in them."""

import copy
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.world import QUESTIONS, World

from autonomous_healing.drills.twins import FaultKind
from autonomous_healing.endpoint_healing.call import Call, Finding
from autonomous_healing.endpoint_healing.judging import Reading
from autonomous_healing.endpoint_healing.records import Record
from autonomous_healing.endpoint_healing.upstream import Answer

WORLD = World()
PLACES = [place for place in QUESTIONS if place != "yahoo_finance/session_quote"]

#: What providers say to people; no validator may need it.
PROSE = {
    "shortName", "longName", "exchangeName", "instrumentType", "timezone", "exchangeTimezoneName",
    "title", "notes", "units", "units_short", "frequency", "seasonal_adjustment", "request_id",
    "1. Information", "4. Output Size", "5. Time Zone", "documentation", "terms_of_use",
    "time_last_update_utc", "error", "message", "description", "error_message", "Note", "Information",
    "Error Message",
}  # fmt: skip

#: Where a notice may stand beside good data.
NOTICES = ("Note", "Information", "message", "notice")


@cache
def healthy(place: str) -> tuple[Call, Any]:
    """A question and its healthy answer, which nobody may change."""
    call = WORLD.call(place)
    return call, msgspec.json.decode(WORLD.upstream.truth(WORLD.url_of(call)).body)


def judged(call: Call, document: object, status: int = 200) -> Finding | Record | None:
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    judging = WORLD.fetcher.judge(call, "https://host.test", Answer(status, {}, body))
    with pytest.raises(StopIteration) as judged_at_once:  # nothing so small is waited for
        judging.send(None)
    reading: Reading = judged_at_once.value.value
    return reading.finding or reading.record


def leaves(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of everything in a document."""
    if path:
        yield path
    match document:
        case dict():
            steps = list(document)
        case list():
            steps = list(range(len(document)))
        case _:
            steps = []
    for step in steps:
        yield from leaves(document[step], (*path, step))


def changed(document: Any, path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Any:
    whole = copy.deepcopy(document)
    parent = whole
    for step in path[:-1]:
        parent = parent[step]
    change(parent, path[-1])
    return whole


def with_prose(document: Any, words: str, name: object = None) -> Any:
    """The same with other words in it."""
    match document:
        case dict():
            return {step: with_prose(part, words, step) for step, part in document.items()}
        case list():
            return [with_prose(part, words) for part in document]
        case str() if name in PROSE:
            return words
        case _:
            return document


@pytest.mark.parametrize("place", PLACES)
@given(words=st.text())
@example(words="Thank you for using this API! The limit is 25 requests per day. Error: invalid apikey")
def test_no_wording_makes_a_healthy_answer_bad(place: str, words: str) -> None:
    call, document = healthy(place)
    record = judged(call, document)
    assert record is not None
    assert not isinstance(record, Finding)
    assert judged(call, with_prose(document, words)) == record
    assert judged(call, {**document, **dict.fromkeys(NOTICES, words)}) == record


#: Faults that a provider puts into words.
WORDED = [
    FaultKind.THROTTLE,
    FaultKind.QUOTA,
    FaultKind.UNAUTHORIZED,
    FaultKind.PLAN,
    FaultKind.MISSING,
    FaultKind.SERVER_ERROR,
]


async def bad_answer(place: str, kind: FaultKind) -> tuple[Call, Answer]:
    world = World()
    world.upstream.says("https", kind)
    call = world.call(place)
    return call, await world.upstream.answer_to(world.url_of(call), {}, 1.0)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", WORDED)
async def test_no_wording_makes_a_bad_answer_healthy(place: str, kind: FaultKind) -> None:
    call, answer = await bad_answer(place, kind)
    try:
        document = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        return  # a web page has no words that are looked at
    for words in ("", "OK", "everything is fine", "success", "per day", "Not Found"):
        verdict = judged(call, with_prose(document, words), answer.status)
        assert isinstance(verdict, Finding) or answer.status >= 400


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 10**400, 1e300, -1e-300, 1e15])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("place", PLACES)
@given(choices=st.data())
def test_whatever_stands_in_an_answer_there_is_a_verdict(place: str, choices: st.DataObject) -> None:
    call, document = healthy(place)
    path = choices.draw(st.sampled_from(list(leaves(document))))
    if choices.draw(st.booleans()):
        broken = changed(document, path, lambda parent, step: parent.__delitem__(step))
    else:
        instead = choices.draw(JSON)
        broken = changed(document, path, lambda parent, step: parent.__setitem__(step, instead))
    verdict = judged(call, broken)
    assert verdict is None or isinstance(verdict, Finding | Record)


@given(st.sampled_from(PLACES), st.binary(max_size=64), st.sampled_from([200, 204, 400, 404, 429, 500, 999]))
def test_whatever_bytes_come_there_is_a_verdict(place: str, body: bytes, status: int) -> None:
    verdict = judged(WORLD.call(place), body, status)
    assert verdict is None or isinstance(verdict, Finding)


#: Parameters that rules look at, with values that only a caller could think of.
LOOKED_AT = (
    "interval", "period2", "to", "sort", "limit", "offset", "timespan", "multiplier", "sort_order",
    "observation_end", "realtime_start", "realtime_end", "function", "outputsize",
)  # fmt: skip
ODD = st.text(max_size=8) | st.sampled_from(["9" * 30, "9" * 5000, "²", "-1", "0", "1e9", "2026-13-01"])


@pytest.mark.parametrize("place", PLACES)
@given(params=st.dictionaries(st.sampled_from(LOOKED_AT), ODD, max_size=4))
@example(params={"interval": "1m", "period2": "9" * 30})
@example(params={"interval": "1m", "period2": "9" * 5000})
@example(params={"interval": "1m", "period2": "²"})
@example(params={"timespan": "hour", "to": "9" * 5000})
def test_whatever_a_caller_asks_for_there_is_a_verdict(place: str, params: dict[str, str]) -> None:
    _, document = healthy(place)
    verdict = judged(WORLD.call(place, **params), document)
    assert verdict is None or isinstance(verdict, Finding | Record)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"\x00", b" "])
def test_a_body_made_to_hurt_is_only_unreadable(body: bytes) -> None:
    verdict = judged(WORLD.call("yahoo_finance/chart"), body)
    assert isinstance(verdict, Finding)
    assert verdict.code == "DATA.UNPARSABLE"
