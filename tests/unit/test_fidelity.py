"""How much unfaithfulness a caller allows, as it says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomous_healing.endpoint_healing.fidelity import (
    BadPolicy,
    Fidelity,
    Policy,
    parse_allow,
    parse_levels,
)

EXACT, EQUIVALENT, STALE, REDUCED, SUBSTITUTE = Fidelity
ALL = frozenset(Fidelity)

HEADERS = [
    ("exact", {EXACT}, None),
    ("exact, stale", {EXACT, STALE}, None),
    ("exact,equivalent,stale,reduced,substitute", ALL, None),
    ("exact, equivalent, stale;max-age=600, reduced", {EXACT, EQUIVALENT, STALE, REDUCED}, 600.0),
    ("stale;max-age=0", {STALE}, 0.0),
    ("stale ; max-age=60", {STALE}, 60.0),
    ("exact,,stale,", {EXACT, STALE}, None),
    ("none", set(), None),
    (" none ", set(), None),
]


@pytest.mark.parametrize(("header", "levels", "max_age"), HEADERS)
def test_reads_what_a_caller_allows(header: str, levels: set[Fidelity], max_age: float | None) -> None:
    assert parse_allow(header, ALL) == Policy(frozenset(levels), max_age)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("", "send `none`"),
        (" , ", "send `none`"),
        ("perfect", "unknown fidelity level 'perfect'; known are exact, equivalent, stale"),
        ("Exact", "unknown fidelity level"),
        ("none, exact", "unknown fidelity level 'none'"),
        ("exact;max-age=5", "cannot read 'max-age=5' of 'exact'"),
        ("stale;max-age", "cannot read 'max-age' of 'stale'; try `stale;max-age=600`"),
        ("stale;max-age=", "cannot read"),
        ("stale;max-age=-1", "cannot read"),
        ("stale;max-age=1.5", "cannot read"),
        ("stale;max-age=²", "cannot read"),
        ("stale;age=5", "cannot read 'age=5'"),
        ("stale;", "cannot read ''"),
    ],
)
def test_refuses_what_it_cannot_read_and_says_where(header: str, words: str) -> None:
    with pytest.raises(BadPolicy) as refused:
        parse_allow(header, ALL)
    assert words in str(refused.value)


def test_a_caller_gets_no_more_than_the_route_may_give() -> None:
    allowed = parse_allow("exact, stale, substitute", frozenset({EXACT, STALE}))
    assert allowed.levels == {EXACT, STALE}


def test_a_caller_whose_every_wish_is_refused_is_told_so() -> None:
    with pytest.raises(BadPolicy, match="none of substitute is given here; allowed are exact, stale"):
        parse_allow("substitute", frozenset({EXACT, STALE}))


@given(st.text())
def test_any_header_is_read_or_refused(header: str) -> None:
    try:
        policy = parse_allow(header, frozenset({EXACT, STALE}))
    except BadPolicy:
        return
    assert policy.levels <= {EXACT, STALE}


def test_a_substitute_is_never_given_unasked() -> None:
    assert Policy().words == ("exact", "equivalent", "stale")
    assert not Policy().allows(REDUCED)
    assert not Policy().allows(SUBSTITUTE)


@pytest.mark.parametrize(
    ("max_age", "age", "allowed"), [(None, 1e9, True), (60.0, 60.0, True), (60.0, 60.1, False)]
)
def test_age_is_bounded_only_where_the_caller_says_so(
    max_age: float | None, age: float, allowed: bool
) -> None:
    assert Policy(max_age=max_age).allows_age(age) is allowed


def test_a_smaller_level_is_a_better_answer() -> None:
    assert sorted(Fidelity)[0] is EXACT
    assert max(Fidelity) is SUBSTITUTE


def test_settings_spell_levels_the_same_way() -> None:
    assert parse_levels(["exact", "reduced"]) == {EXACT, REDUCED}
    with pytest.raises(BadPolicy):
        parse_levels(["best"])
