"""One writing of each row, and a chain that shows what was done to it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from autonomous_healing.safety.chain import GENESIS, Entry, Head, Link, canonical, flaw_in, link_after

AT = datetime(2026, 3, 2, 15, 0, 0, 1, tzinfo=UTC)


def entry(subject: str = "yahoo_finance/chart", **changes: Any) -> Entry:
    known = Entry(
        at=AT,
        actor="ann",
        origin="person",
        action="target.drain",
        subject=subject,
        verdict="approved",
        details={"reason": "too slow", "calls": 3},
    )
    return replace(known, **changes)


def chain(count: int) -> list[Link]:
    links, head = [], GENESIS
    for n in range(count):
        links.append(link_after(head, entry(f"subject {n}")))
        head = links[-1].head
    return links


def first_flaw(links: Sequence[Link]) -> tuple[int, str] | None:
    """As a walk from the beginning finds it."""
    head = GENESIS
    for link in links:
        if flaw := flaw_in(link, head):
            return head.seq + 1, flaw
        head = link.head
    return None


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"b": 1, "a": [True, False, None]}, '{"a":[true,false,null],"b":1}'),
        ({"z": {"y": 1, "x": 2}, "A": 0, "_": 0}, '{"A":0,"_":0,"z":{"x":2,"y":1}}'),
        ({"1": 0, "10": 1, "2": 2}, '{"1":0,"10":1,"2":2}'),
        ({}, "{}"),
        ((), "[]"),
        (-(2**53) + 1, "-9007199254740991"),
        # RFC 8785, section 3.2.2.2: nothing is escaped but what has to be, and that in one way.
        ('\u20ac$\u000f\nA\'B"\\\\"/', '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),
        ("\b\t\n\f\r", '"\\b\\t\\n\\f\\r"'),
        ("\x7f\u2028\U0001f600", '"\x7f\u2028\U0001f600"'),
    ],
)
def test_there_is_one_writing_of_a_value(value: Any, written: str) -> None:
    assert canonical(value) == written


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        float("nan"),
        2**53,
        -(2**53),
        "\0",
        {"a": ["\ud800"]},
        {"\u00e4": 1},
        {1: 1},
        {"a": AT},
        {"a": b""},
        {"a": {1, 2}},
    ],
)
def test_what_could_be_written_in_two_ways_or_not_be_kept_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="holds a"):
        canonical(value)


def test_the_hash_is_that_of_the_one_before_and_the_row() -> None:
    link = link_after(GENESIS, entry())

    row = (
        '{"action":"target.drain","actor":"ann","at":"2026-03-02T15:00:00.000001+00:00",'
        '"details":{"calls":3,"reason":"too slow"},"origin":"person","prev_hash":"' + "0" * 64 + '",'
        '"seq":1,"subject":"yahoo_finance/chart","verdict":"approved"}'
    )
    assert (link.seq, link.prev_hash) == (1, "0" * 64)
    assert link.hash == hashlib.sha256(("0" * 64 + row).encode()).hexdigest()


def test_a_moment_is_the_same_in_every_time_zone() -> None:
    east = AT.astimezone(timezone(timedelta(hours=9)))

    assert link_after(GENESIS, entry(at=east)).hash == link_after(GENESIS, entry()).hash


def test_a_chain_that_nobody_touched_has_no_flaw() -> None:
    assert first_flaw(chain(5)) is None


def changed(**how: Any) -> Callable[[list[Link]], list[Link]]:
    """The third entry says something else."""

    def touch(links: list[Link]) -> list[Link]:
        links[2] = replace(links[2], entry=replace(links[2].entry, **how))
        return links

    return touch


def swapped(links: list[Link]) -> list[Link]:
    """The third and the fourth have changed places."""
    links[2], links[3] = replace(links[3], seq=3), replace(links[2], seq=4)
    return links


def hashed_anew(links: list[Link]) -> list[Link]:
    """The third was changed by somebody who knows how hashes are made."""
    links[2] = link_after(links[1].head, entry("another"))
    return links


def with_a_gap(links: list[Link]) -> list[Link]:
    """The third was taken out, and the rest made anew by somebody who knows how hashes are made."""
    fourth = link_after(Head(3, links[1].hash), links[3].entry)
    return [*links[:2], fourth, link_after(fourth.head, links[4].entry)]


@pytest.mark.parametrize(
    ("touch", "seq"),
    [
        (changed(at=AT + timedelta(microseconds=1)), 3),
        (changed(actor="bob"), 3),
        (changed(origin="rule"), 3),
        (changed(action="target.close"), 3),
        (changed(subject="fred_api/series"), 3),
        (changed(verdict="denied"), 3),
        (changed(details={"reason": "too slow", "calls": 4}), 3),
        (changed(details={"reason": "too slow", "calls": 3.0}), 3),
        (lambda links: [*links[:2], *links[3:]], 3),
        (lambda links: links[1:], 1),
        (lambda links: [*links[:2], links[1], *links[2:]], 3),
        (swapped, 3),
        (hashed_anew, 4),
        (with_a_gap, 3),
        (lambda links: [*links[:2], replace(links[2], prev_hash="0" * 64), *links[3:]], 3),
        (lambda links: [*links[:2], replace(links[2], hash="0" * 64), *links[3:]], 3),
    ],
)
def test_whatever_is_done_to_a_chain_is_found_at_its_place(
    touch: Callable[[list[Link]], list[Link]], seq: int
) -> None:
    found = first_flaw(touch(chain(5)))

    assert found is not None
    assert found[0] == seq
