"""Cache-Control is read strictly: what is doubtful counts as over (RFC 9111, sections 4.2.1 and 5.2)."""

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomous_healing.endpoint_healing.caching.directives import (
    LONGEST,
    AnswerDirectives,
    RequestDirectives,
    answer_directives,
    request_directives,
    targeted_directives,
)


def told(of: AnswerDirectives | RequestDirectives | None) -> dict[str, Any]:
    """What differs from an empty field."""
    if of is None:
        return {"nothing": True}
    return {one.name: getattr(of, one.name) for one in fields(of) if getattr(of, one.name) != one.default}


@pytest.mark.parametrize(
    ("lines", "means"),
    [
        ([""], {}),
        (["max-age=60"], {"max_age": 60.0}),
        (["MaX-aGe=60"], {"max_age": 60.0}),  # 5.2: names in any case
        (["max-age=003600"], {"max_age": 3600.0}),
        (['max-age="60"'], {"max_age": 60.0}),  # 5.2: both forms ought to be read
        (["max-age=60, s-maxage=5"], {"max_age": 60.0, "s_maxage": 5.0}),
        (["max-age=60", "s-maxage=5"], {"max_age": 60.0, "s_maxage": 5.0}),  # several lines are one list
        (["max-age=2147483648"], {"max_age": LONGEST}),  # 1.2.2
        (["max-age=99999999999999999999"], {"max_age": LONGEST}),
        (["max-age=60, max-age=5"], {"max_age": 5.0}),  # 4.2.1: the least
        (["max-age=5", "max-age=60"], {"max_age": 5.0}),
        (["max-age=-1"], {"max_age": 0.0}),  # 4.2.1: what is no number is over
        (["max-age=60.0"], {"max_age": 0.0}),
        (["max-age=abc"], {"max_age": 0.0}),
        (["max-age='60'"], {"max_age": 0.0}),
        (["max-age"], {"max_age": 0.0}),
        (["max-age="], {"max_age": 0.0}),
        (["max-age =60"], {"max_age": 0.0}),
        (["max-age= 60"], {"max_age": 0.0}),
        (["max-age=60;x"], {"max_age": 0.0}),
        (["max-age=\u0661"], {"max_age": 0.0}),
        (['x="max-age=60", max-age=1'], {"max_age": 1.0}),  # 5.2: not inside of a quoted string
        (['max-age=1, x="max-age=60'], {"max_age": 1.0}),
        ([", ,max-age=60,,"], {"max_age": 60.0}),
        (["@, =5, max-age=60"], {"max_age": 60.0}),
        (["unknown=5, max-age=60"], {"max_age": 60.0}),  # 5.2.3: extensions
        (["no-store"], {"no_store": True}),
        (["No-StOrE"], {"no_store": True}),
        (["no-store=1"], {"no_store": True}),
        (["no-cache"], {"no_cache": True}),
        (['no-cache="set-cookie, X-A"'], {"withheld": frozenset({b"set-cookie", b"x-a"})}),  # 5.2.2.4
        (['no-cache="a", no-cache'], {"no_cache": True, "withheld": frozenset({b"a"})}),
        (['no-cache=""'], {"no_cache": True}),
        (['no-cache="a b"'], {"no_cache": True}),
        (["private"], {"private": True}),
        (['private="x-user"'], {"withheld": frozenset({b"x-user"})}),  # 5.2.2.7
        (["public"], {"public": True}),
        (["must-revalidate"], {"must_revalidate": True}),
        (["proxy-revalidate"], {"proxy_revalidate": True}),
        (["must-understand"], {"must_understand": True}),
        (["immutable"], {"immutable": True}),
        (["stale-while-revalidate=30"], {"stale_while_revalidate": 30.0}),
        (["stale-if-error=30"], {"stale_if_error": 30.0}),
        (["stale-if-error=x"], {}),
    ],
)
def test_an_answer_says(lines: list[str], means: dict[str, Any]) -> None:
    assert told(answer_directives(*(line.encode("utf-8") for line in lines))) == means


@pytest.mark.parametrize(
    ("lines", "means"),
    [
        (["nothing-known"], {}),
        (["no-cache"], {"no_cache": True}),
        (["no-store"], {"no_store": True}),
        (["only-if-cached"], {"only_if_cached": True}),
        (["max-age=0"], {"max_age": 0.0}),
        (["max-age=x"], {"max_age": 0.0}),
        (["min-fresh=5"], {"min_fresh": 5.0}),
        (["max-stale"], {"max_stale": LONGEST}),  # 5.2.1.2: of any age
        (["max-stale=5"], {"max_stale": 5.0}),
        (["max-stale=x"], {}),
        (["stale-if-error=60"], {"stale_if_error": 60.0}),
    ],
)
def test_a_request_says(lines: list[str], means: dict[str, Any]) -> None:
    assert told(request_directives(*(line.encode() for line in lines))) == means


@pytest.mark.parametrize(
    ("lines", "means"),
    [
        (["max-age=60"], {"max_age": 60.0}),
        (["max-age=60", "no-cache"], {"max_age": 60.0, "no_cache": True}),
        (["max-age=60, max-age=5"], {"max_age": 5.0}),  # RFC 9651: the last counts
        (["max-age=5, max-age=60"], {"max_age": 60.0}),
        (["no-store"], {"no_store": True}),
        (["no-store=?0, max-age=1"], {"max_age": 1.0}),
        (["private, max-age=60"], {"private": True, "max_age": 60.0}),
        (['no-cache="a"'], {"withheld": frozenset({b"a"})}),
        (["no-cache=(a b)"], {"no_cache": True}),
        (["max-age=-5"], {"max_age": 0.0}),
        (['max-age="60"'], {"nothing": True}),  # of another type: ignored
        (["max-age=60.5"], {"nothing": True}),
        (["max-age=60, &&&"], {"nothing": True}),  # one fault, and the field is absent (RFC 9213, 2.1)
        (["MAX-AGE=60"], {"nothing": True}),
        (["max-age =60"], {"nothing": True}),
        ([""], {"nothing": True}),
    ],
)
def test_a_field_for_caches_like_us_says(lines: list[str], means: dict[str, Any]) -> None:
    assert told(targeted_directives(*(line.encode() for line in lines))) == means


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_no_bytes_break_it_and_no_time_is_negative(lines: list[bytes]) -> None:
    answer, asked = answer_directives(*lines), request_directives(*lines)
    targeted_directives(*lines)
    for said in (answer.max_age, answer.s_maxage, asked.max_age):
        assert said is None or 0.0 <= said <= LONGEST
    assert 0.0 <= answer.stale_while_revalidate <= LONGEST
    assert 0.0 <= asked.max_stale <= LONGEST


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_of_two_values_the_least_counts_in_either_order(one: int, two: int) -> None:
    first = answer_directives(b"max-age=%d, max-age=%d" % (one, two))
    second = answer_directives(b"max-age=%d" % two, b"max-age=%d" % one)
    assert first.max_age == second.max_age == min(one, two, LONGEST)


def test_long_lines_are_read_like_short_ones() -> None:
    assert answer_directives(b"max-age=5" + b", x" * 1000) == answer_directives(b"max-age=5")
    assert request_directives(b"no-cache" + b", x" * 1000) == request_directives(b"no-cache")
