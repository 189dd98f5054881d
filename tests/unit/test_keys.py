"""Which key may be used now, and which must rest."""

from dataclasses import replace

import pytest
from tests.clock import ManualClock

from autonomous_healing.endpoint_healing.catalog import build_source, default_sources
from autonomous_healing.endpoint_healing.codes import (
    AUTH_REJECTED,
    MISSING,
    PLAN_LIMITED,
    QUOTA_EXHAUSTED,
    RATE_LIMITED,
    SERVER_ERROR,
    TIMEOUT,
    UNREACHABLE,
)
from autonomous_healing.endpoint_healing.endpoints import Auth
from autonomous_healing.endpoint_healing.key_options import KeySettings
from autonomous_healing.endpoint_healing.keys import KeyRing, KeyState, NoKey

POLYGON = build_source("polygon_io", default_sources()["polygon_io"])
HERE, ELSEWHERE = "/v2/aggs", "/v2/prev"
FIRST, SECOND = "polygon_io#1", "polygon_io#2"
ANY_STATE = frozenset({"limited", "drained", "invalid"})


def ring(
    clock: ManualClock, secrets: tuple[str, ...] = ("one", "two"), rotate_on: frozenset[str] = ANY_STATE
) -> KeyRing:
    return KeyRing(
        replace(POLYGON, rotate_on=rotate_on, terms_allow_rotation=True), secrets, clock, KeySettings()
    )


def chosen(keys: KeyRing, endpoint: str = HERE) -> str:
    """The alias of the key for the next call; else the code and the wait."""
    try:
        key = keys.choose(endpoint)
    except NoKey as none:
        wait = "never" if none.retry_after is None else f"{none.retry_after:.0f}s"
        return f"{none.code} {wait}"
    return key.alias if key else "no key needed"


RESTS = [
    (RATE_LIMITED, None, KeyState.LIMITED, 2.0),  # the source's own retry delay
    (RATE_LIMITED, 30.0, KeyState.LIMITED, 30.0),
    (RATE_LIMITED, 1.0, KeyState.LIMITED, 2.0),
    (RATE_LIMITED, 1e9, KeyState.LIMITED, 86400.0),
    (QUOTA_EXHAUSTED, None, KeyState.DRAINED, 3600.0),
    (QUOTA_EXHAUSTED, 7200.0, KeyState.DRAINED, 7200.0),
]


@pytest.mark.parametrize(("code", "retry_after", "state", "seconds"), RESTS)
def test_a_refused_key_rests_as_its_code_says(
    code: str, retry_after: float | None, state: KeyState, seconds: float
) -> None:
    clock = ManualClock()
    keys = ring(clock)
    keys.reject(FIRST, code, HERE, retry_after)
    assert (keys.keys[0].state, chosen(keys)) == (state, SECOND)
    clock.pass_time(seconds - 0.1)
    assert chosen(keys) == SECOND
    clock.pass_time(0.1)
    assert chosen(keys) == FIRST


@pytest.mark.parametrize("code", [SERVER_ERROR, TIMEOUT, UNREACHABLE, MISSING])
def test_other_faults_leave_the_key_alone(code: str) -> None:
    keys = ring(ManualClock())
    keys.reject(FIRST, code, HERE, None)
    assert chosen(keys) == FIRST


@pytest.mark.parametrize(
    ("rotate_on", "code", "rotates"),
    [
        ({"invalid"}, AUTH_REJECTED, True),
        ({"invalid"}, RATE_LIMITED, False),
        ({"invalid"}, QUOTA_EXHAUSTED, False),
        ({"limited"}, RATE_LIMITED, True),
        ({"drained"}, QUOTA_EXHAUSTED, True),
        ({"limited", "drained"}, AUTH_REJECTED, False),
        ({"invalid"}, PLAN_LIMITED, True),  # another plan is no way round a limit
        (set(), AUTH_REJECTED, False),
    ],
)
def test_another_key_is_used_only_where_the_source_s_terms_allow(
    rotate_on: set[str], code: str, rotates: bool
) -> None:
    keys = ring(ManualClock(), rotate_on=frozenset(rotate_on))
    keys.reject(FIRST, code, HERE, None)
    assert keys.can_rotate(HERE, FIRST) is rotates
    assert (chosen(keys) == SECOND) is rotates


def test_the_terms_of_the_known_sources() -> None:
    terms = {source: set(one.rotate_on) for source, one in default_sources().items()}
    assert terms.pop("fred_api") == {"invalid", "limited"}
    assert set(map(frozenset, terms.values())) == {frozenset({"invalid"})}
    assert [source for source, one in default_sources().items() if one.terms_allow_rotation] == ["fred_api"]


def test_a_plan_that_lacks_an_endpoint_is_avoided_for_a_day_and_only_there() -> None:
    clock = ManualClock()
    keys = ring(clock)
    keys.reject(FIRST, PLAN_LIMITED, HERE, None)
    assert (chosen(keys, HERE), chosen(keys, ELSEWHERE)) == (SECOND, FIRST)
    keys.reject(SECOND, PLAN_LIMITED, HERE, None)
    assert chosen(keys, HERE) == f"{PLAN_LIMITED} 86400s"
    clock.pass_time(86400.0)
    assert chosen(keys, HERE) == FIRST


def test_with_all_keys_resting_the_first_to_return_is_told() -> None:
    clock = ManualClock()
    keys = ring(clock)
    keys.reject(FIRST, AUTH_REJECTED, HERE, None)
    keys.reject(SECOND, RATE_LIMITED, HERE, 40.0)
    clock.pass_time(10.0)
    assert chosen(keys) == f"{RATE_LIMITED} 30s"
    with pytest.raises(NoKey, match=r"^polygon_io#2 is limited, back in 30s$"):
        keys.choose(HERE)


def test_without_a_key_the_environment_is_to_blame() -> None:
    keys = ring(ManualClock(), ())
    with pytest.raises(NoKey, match="no key for polygon_io is set in the environment"):
        keys.choose(HERE)
    assert chosen(keys) == f"{AUTH_REJECTED} never"
    assert not keys.can_rotate(HERE, None)


def test_a_single_key_cannot_be_rotated() -> None:
    keys = ring(ManualClock(), ("only",))
    assert not keys.can_rotate(HERE, FIRST)
    with pytest.raises(NoKey, match="polygon_io has no other key"):
        keys.choose(HERE, exclude=FIRST)


def test_a_source_without_keys_needs_none() -> None:
    keys = KeyRing(replace(POLYGON, auth=Auth()), (), ManualClock(), KeySettings())
    assert chosen(keys) == "no key needed"
    assert not keys.can_rotate(HERE, None)


@pytest.mark.parametrize(("auth", "needs"), [(Auth(), False), (POLYGON.auth, True)])
def test_says_whether_a_key_is_needed_at_all(auth: Auth, needs: bool) -> None:
    source = replace(POLYGON, auth=auth)
    assert KeyRing(source, ("one",), ManualClock(), KeySettings()).needs_key is needs


def test_a_key_rests_again_after_all_had_recovered() -> None:
    clock = ManualClock()
    keys = ring(clock)
    for _ in range(3):
        keys.reject(FIRST, RATE_LIMITED, HERE, 40.0)
        assert chosen(keys) == SECOND
        clock.pass_time(40.0)
        assert chosen(keys) == FIRST
        keys.reject(FIRST, PLAN_LIMITED, HERE, None)
        assert (chosen(keys, HERE), chosen(keys, ELSEWHERE)) == (SECOND, FIRST)
        clock.pass_time(86400.0)
        assert chosen(keys) == FIRST


def test_other_keys_wake_while_the_first_is_in_use() -> None:
    clock = ManualClock()
    keys = ring(clock)
    keys.reject(SECOND, RATE_LIMITED, HERE, 40.0)
    assert (chosen(keys), keys.keys[1].state) == (FIRST, KeyState.LIMITED)
    clock.pass_time(40.0)
    assert (chosen(keys), keys.keys[1].state) == (FIRST, KeyState.OK)


def test_keys_are_used_in_declared_order() -> None:
    keys = ring(ManualClock(), ("one", "two", "three"))
    assert chosen(keys) == FIRST
    keys.reject(FIRST, AUTH_REJECTED, HERE, None)
    keys.reject(SECOND, AUTH_REJECTED, HERE, None)
    assert chosen(keys) == "polygon_io#3"


def test_a_key_never_shows_its_secret() -> None:
    keys = ring(ManualClock(), ("canary",))
    assert repr(keys.keys) == "[<Key polygon_io#1: ok>]"
    assert "canary" not in f"{keys.keys[0]}"
