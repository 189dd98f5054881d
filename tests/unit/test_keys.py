"""Which key may be used now, and which must rest."""

from dataclasses import replace

import pytest
from tests.clock import ManualClock
from tests.pages import page, table_rows

from autonomous_healing.endpoint_healing.catalog import build_source, default_sources
from autonomous_healing.endpoint_healing.codes import (
    AUTH_REJECTED,
    MISSING,
    PLAN_LIMITED,
    QUOTA_EXHAUSTED,
    RATE_LIMITED,
    SERVER_ERROR,
    STALE,
    TIMEOUT,
    UNREACHABLE,
)
from autonomous_healing.endpoint_healing.endpoints import Auth
from autonomous_healing.endpoint_healing.key_options import KeySettings
from autonomous_healing.endpoint_healing.key_states import ALLOWED, IllegalMove
from autonomous_healing.endpoint_healing.keys import Key, KeyRing, KeyState, NoKey, UnknownKey

POLYGON = build_source("polygon_io", default_sources()["polygon_io"])
HERE, ELSEWHERE = "/v2/aggs", "/v2/prev"
FIRST, SECOND = "polygon_io#1", "polygon_io#2"
ANY_STATE = frozenset({"limited", "drained", "invalid"})
IN_ORDER = frozenset({"invalid"})  #: no limit is gone round, and nothing is weighed


def ring(
    clock: ManualClock, secrets: tuple[str, ...] = ("one", "two"), rotate_on: frozenset[str] = ANY_STATE
) -> KeyRing:
    return KeyRing(
        replace(POLYGON, rotate_on=rotate_on, terms_allow_rotation=True), secrets, clock, KeySettings()
    )


def chosen(keys: KeyRing, endpoint: str = HERE, *, may_check: bool = False) -> str:
    """The alias of the key for the next call; else the code and the wait."""
    try:
        key = keys.choose(endpoint, may_check=may_check)
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


MOVES = [
    (KeyState.OK, RATE_LIMITED, KeyState.LIMITED),
    (KeyState.OK, QUOTA_EXHAUSTED, KeyState.DRAINED),
    (KeyState.OK, AUTH_REJECTED, KeyState.INVALID),
    (KeyState.OK, PLAN_LIMITED, KeyState.OK),
    (KeyState.LIMITED, RATE_LIMITED, KeyState.LIMITED),
    (KeyState.LIMITED, QUOTA_EXHAUSTED, KeyState.DRAINED),
    (KeyState.LIMITED, AUTH_REJECTED, KeyState.INVALID),
    (KeyState.DRAINED, RATE_LIMITED, KeyState.DRAINED),  # said late, and lighter
    (KeyState.DRAINED, AUTH_REJECTED, KeyState.INVALID),
    (KeyState.INVALID, RATE_LIMITED, KeyState.INVALID),  # of a call begun before
    (KeyState.INVALID, PLAN_LIMITED, KeyState.INVALID),
    (KeyState.QUARANTINED, RATE_LIMITED, KeyState.QUARANTINED),
    (KeyState.QUARANTINED, AUTH_REJECTED, KeyState.QUARANTINED),
    *[(state, SERVER_ERROR, state) for state in KeyState],
]


@pytest.mark.parametrize(("before", "code", "after"), MOVES)
def test_what_a_refusal_makes_of_a_key(before: KeyState, code: str, after: KeyState) -> None:
    keys = ring(ManualClock())
    keys.restore(FIRST, before, 600.0, "")
    keys.reject(FIRST, code, HERE, 40.0)
    assert keys.key(FIRST).state is after


CHECKED = [
    (AUTH_REJECTED, KeyState.INVALID, 86400.0),
    (RATE_LIMITED, KeyState.LIMITED, 40.0),  # it is valid again
    (QUOTA_EXHAUSTED, KeyState.DRAINED, 3600.0),
    (PLAN_LIMITED, KeyState.OK, None),
    (STALE, KeyState.OK, None),
    (SERVER_ERROR, KeyState.INVALID, 60.0),  # says nothing of the key
    (TIMEOUT, KeyState.INVALID, 60.0),
    (MISSING, KeyState.INVALID, 60.0),
]


@pytest.mark.parametrize(("code", "state", "seconds"), CHECKED)
def test_a_rejected_key_is_tried_again_after_an_hour_by_one_call(
    code: str, state: KeyState, seconds: float | None
) -> None:
    clock = ManualClock()
    keys = ring(clock, ("only",))
    keys.reject(FIRST, AUTH_REJECTED, HERE, None)
    clock.pass_time(3599.9)
    assert chosen(keys, may_check=True) == f"{AUTH_REJECTED} 0s"
    clock.pass_time(0.1)
    assert chosen(keys, may_check=True) == FIRST
    keys.reject(FIRST, code, HERE, 40.0)
    assert (keys.readings()[0].state, keys.readings()[0].seconds_left) == (state, seconds)


def test_while_a_key_is_tried_again_others_do_not_get_it() -> None:
    clock = ManualClock()
    keys = ring(clock, ("only",))
    keys.reject(FIRST, AUTH_REJECTED, HERE, None)
    clock.pass_time(3600.0)
    assert chosen(keys, may_check=True) == FIRST
    assert chosen(keys, may_check=True) == f"{AUTH_REJECTED} 60s"
    keys.accept(FIRST)
    keys.accept(FIRST)
    assert chosen(keys) == FIRST


def test_a_try_that_nobody_tells_of_is_made_again_after_a_minute() -> None:
    clock = ManualClock()
    keys = ring(clock, ("only",))
    keys.reject(FIRST, AUTH_REJECTED, HERE, None)
    clock.pass_time(3600.0)
    tried = 0
    for _ in range(600):
        tried += chosen(keys, may_check=True) == FIRST
        clock.pass_time(1.0)
    assert tried == 10


def test_of_two_rejected_keys_one_is_tried_in_a_minute() -> None:
    clock = ManualClock()
    keys = ring(clock)
    for alias in (FIRST, SECOND):
        keys.reject(alias, AUTH_REJECTED, HERE, None)
    clock.pass_time(3600.0)
    assert chosen(keys, may_check=True) == FIRST
    keys.reject(FIRST, AUTH_REJECTED, HERE, None)
    assert chosen(keys, may_check=True) == f"{AUTH_REJECTED} 0s"
    clock.pass_time(60.0)
    assert chosen(keys, may_check=True) == SECOND


def test_who_cannot_tell_how_a_try_went_leaves_it_to_those_who_can() -> None:
    clock = ManualClock()
    keys = ring(clock)
    keys.reject(FIRST, AUTH_REJECTED, HERE, None)
    clock.pass_time(3600.0)
    with pytest.raises(NoKey, match="polygon_io#1 has to be checked first"):
        keys.choose(HERE)
    assert keys.can_rotate(HERE, FIRST)
    assert keys.choose(HERE, exclude=FIRST) is keys.key(SECOND)
    assert chosen(keys, may_check=True) == FIRST
    assert chosen(keys) == SECOND


def test_an_answer_makes_no_key_valid_that_was_not_being_tried() -> None:
    keys = ring(ManualClock())
    keys.reject(FIRST, AUTH_REJECTED, HERE, None)
    keys.accept(FIRST)
    keys.accept("polygon_io#9")
    assert keys.key(FIRST).state is KeyState.INVALID


def test_three_different_refusals_in_ten_minutes_take_a_key_out_of_use_until_somebody_puts_it_back() -> None:
    clock = ManualClock()
    keys = ring(clock)
    for code in (RATE_LIMITED, PLAN_LIMITED, RATE_LIMITED):
        keys.reject(FIRST, code, ELSEWHERE, None)
        clock.pass_time(300.0)
    assert keys.key(FIRST).state is KeyState.LIMITED
    keys.reject(FIRST, QUOTA_EXHAUSTED, HERE, None)
    assert keys.key(FIRST).state is KeyState.DRAINED  # the plan's refusal is 10 minutes old by now
    keys.reject(FIRST, AUTH_REJECTED, HERE, None)
    assert keys.key(FIRST).state is KeyState.QUARANTINED
    assert "API.AUTH_REJECTED, API.QUOTA_EXHAUSTED, API.RATE_LIMITED" in keys.key(FIRST).last_error
    clock.pass_time(1e9)
    assert chosen(keys, may_check=True) == SECOND
    keys.release(FIRST)
    assert chosen(keys) == FIRST
    keys.reject(FIRST, RATE_LIMITED, HERE, None)
    assert keys.key(FIRST).state is KeyState.LIMITED


def test_a_key_is_quarantined_by_hand_and_left_by_hand_only() -> None:
    clock = ManualClock()
    keys = ring(clock, ("only",))
    keys.quarantine(FIRST, "leaked")
    keys.quarantine(FIRST, "again")
    [reading] = keys.readings()
    assert (reading.state, reading.seconds_left, reading.last_error) == (KeyState.QUARANTINED, None, "leaked")
    clock.pass_time(1e9)
    assert chosen(keys, may_check=True) == f"{AUTH_REJECTED} never"
    keys.release(FIRST)
    assert chosen(keys) == FIRST
    with pytest.raises(IllegalMove, match="is ok, not quarantined"):
        keys.release(FIRST)
    with pytest.raises(UnknownKey, match="polygon_io has no key other"):
        keys.quarantine("other", "x")


@pytest.mark.parametrize("rotate_on", [frozenset(), frozenset({"invalid"}), ANY_STATE])
def test_another_key_goes_on_for_one_in_quarantine_whatever_the_terms(rotate_on: frozenset[str]) -> None:
    keys = ring(ManualClock(), rotate_on=rotate_on)
    keys.quarantine(FIRST, "leaked")
    assert chosen(keys) == SECOND


def test_the_page_prints_the_table_that_the_code_has() -> None:
    rows = table_rows(page("howto/keys.md"), "## States")
    assert {row[0]: set(row[2].split(", ")) for row in rows} == {
        state.value: {one.value for one in moves} for state, moves in ALLOWED.items()
    }


@pytest.mark.parametrize("state", list(KeyState))
def test_no_move_is_made_that_the_table_does_not_allow(state: KeyState) -> None:
    for to in KeyState:
        key = Key("a", "b", state)
        if to in ALLOWED[state]:
            key.move(to, 0.0)
            assert key.state is to
        else:
            with pytest.raises(IllegalMove):
                key.move(to, 0.0)


@pytest.mark.parametrize("state", ["limited", "drained"])
def test_without_the_terms_no_limit_is_gone_round_whatever_the_settings_say(state: str) -> None:
    code = {"limited": RATE_LIMITED, "drained": QUOTA_EXHAUSTED}[state]
    source = replace(POLYGON, rotate_on=ANY_STATE, terms_allow_rotation=False)
    keys = KeyRing(source, ("one", "two"), ManualClock(), KeySettings())
    keys.reject(FIRST, code, HERE, 40.0)
    assert not keys.can_rotate(HERE, FIRST)
    assert chosen(keys).startswith(code)


def weighing(
    clock: ManualClock,
    shares: dict[str, float],
    asked: list[str] | None = None,
    rotate_on: frozenset[str] = ANY_STATE,
) -> KeyRing:
    def share(alias: str) -> float:
        if asked is not None:
            asked.append(alias)
        return shares[alias]

    keys = ring(clock, tuple("abc"[: len(shares)]), rotate_on)
    keys.remaining_share = share
    return keys


def test_where_limits_may_be_gone_round_the_key_with_the_most_left_is_used() -> None:
    clock = ManualClock()
    shares = {FIRST: 0.2, SECOND: 0.5, "polygon_io#3": 0.5}
    keys = weighing(clock, shares)
    assert chosen(keys) == SECOND
    shares[SECOND] = 0.1
    assert chosen(keys) == SECOND  # looked at ten times a second
    clock.pass_time(0.1)
    assert chosen(keys) == "polygon_io#3"
    keys.reject("polygon_io#3", RATE_LIMITED, HERE, 40.0)
    assert chosen(keys) == FIRST


def test_elsewhere_the_declared_order_counts_and_nobody_is_asked_how_much_is_left() -> None:
    asked: list[str] = []
    keys = weighing(ManualClock(), {FIRST: 0.1, SECOND: 0.9}, asked, frozenset({"invalid"}))
    assert chosen(keys) == FIRST
    keys.reject(SECOND, AUTH_REJECTED, HERE, None)
    assert (chosen(keys), asked) == (FIRST, [])


def test_what_is_left_is_asked_for_ten_times_a_second_at_most() -> None:
    clock = ManualClock()
    asked: list[str] = []
    keys = weighing(clock, {FIRST: 0.5, SECOND: 0.4}, asked)
    for troubled in (False, True):
        asked.clear()
        if troubled:
            keys.reject(SECOND, PLAN_LIMITED, ELSEWHERE, None)
        for _ in range(1000):
            chosen(keys)
            keys.can_rotate(HERE, FIRST)
            clock.pass_time(0.001)
        assert len(asked) <= 2 * 11


def test_a_drained_key_returns_when_its_quota_begins_anew() -> None:
    clock = ManualClock()
    keys = ring(clock)
    keys.period_left = lambda alias: 200_000.0
    keys.reject(FIRST, QUOTA_EXHAUSTED, HERE, 1e9)  # what a provider says is not believed beyond a day
    assert keys.readings()[0].seconds_left == 200_000.0


def test_another_secret_starts_anew_and_the_one_before_is_kept_for_a_day() -> None:
    clock = ManualClock()
    keys = ring(clock)
    keys.reject(FIRST, AUTH_REJECTED, HERE, None)
    keys.reject(FIRST, PLAN_LIMITED, HERE, None)
    before = keys.key(FIRST)
    keys.rotate(FIRST, "new")
    assert (chosen(keys), keys.key(FIRST).secret) == (FIRST, "new")
    assert keys.key(FIRST) is not before  # or requests made ready for it would go on with the old secret
    clock.pass_time(86_399.0)
    keys.rotate_back(FIRST)
    assert keys.key(FIRST).secret == "one"
    with pytest.raises(UnknownKey, match="nothing is kept"):
        keys.rotate_back(FIRST)


def test_after_a_day_there_is_no_way_back() -> None:
    clock = ManualClock()
    keys = ring(clock)
    keys.rotate(FIRST, "new")
    clock.pass_time(86_400.0)
    with pytest.raises(UnknownKey):
        keys.rotate_back(FIRST)


def test_keys_come_and_go_while_it_runs() -> None:
    keys = ring(ManualClock(), ())
    assert chosen(keys) == f"{AUTH_REJECTED} never"
    keys.add("polygon_io#s1", "stored")
    assert chosen(keys) == "polygon_io#s1"
    keys.add("polygon_io#s2", "stored too")
    keys.remove("polygon_io#s1")
    assert chosen(keys) == "polygon_io#s2"
    keys.reject("polygon_io#s1", AUTH_REJECTED, HERE, None)  # under way when it was removed
    keys.use({"polygon_io#s2": "stored too", "polygon_io#s3": "third"})
    assert [key.alias for key in keys.keys] == ["polygon_io#s2", "polygon_io#s3"]


def test_a_key_that_stays_the_same_keeps_its_state_where_all_are_told_anew() -> None:
    keys = ring(ManualClock())
    keys.reject(FIRST, AUTH_REJECTED, HERE, None)
    keys.reject(SECOND, AUTH_REJECTED, HERE, None)
    keys.use({FIRST: "one", SECOND: "another"})
    assert [key.state for key in keys.keys] == [KeyState.INVALID, KeyState.OK]


def test_what_was_known_is_taken_up_again() -> None:
    clock = ManualClock()
    keys = ring(clock)
    keys.restore(FIRST, KeyState.LIMITED, 40.0, RATE_LIMITED)
    keys.exclude(SECOND, {HERE: 100.0})
    assert (chosen(keys, HERE), chosen(keys, ELSEWHERE)) == (f"{RATE_LIMITED} 40s", SECOND)
    assert keys.excluded(SECOND) == {HERE: 100.0}
    [first, second] = keys.readings()
    assert (first.state, first.seconds_left, first.last_error) == (KeyState.LIMITED, 40.0, RATE_LIMITED)
    assert (second.state, second.excluded, second.share) == (KeyState.OK, (HERE,), 1.0)
    clock.pass_time(100.0)
    assert (chosen(keys, HERE), keys.excluded(SECOND)) == (FIRST, {})


def test_moves_are_counted_and_told_by_alias(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    keys = ring(clock, ("canary",))
    with caplog.at_level("INFO"):
        keys.reject(FIRST, RATE_LIMITED, HERE, 40.0)
        keys.reject(FIRST, RATE_LIMITED, HERE, 40.0)
        clock.pass_time(40.0)
        chosen(keys)
    assert keys.changes == {KeyState.LIMITED: 1, KeyState.OK: 1}
    told = [(one.getMessage(), one.__dict__["key"], one.__dict__["state"]) for one in caplog.records]
    assert told == [("key_state_changed", FIRST, "limited"), ("key_state_changed", FIRST, "ok")]
    assert "canary" not in caplog.text


class CountingClock(ManualClock):
    """Says how often it was asked."""

    asked = 0

    def monotonic(self) -> float:
        self.asked += 1
        return super().monotonic()


@pytest.mark.parametrize("code", [None, RATE_LIMITED, PLAN_LIMITED])
def test_an_untroubled_ring_of_one_order_needs_no_time(code: str | None) -> None:
    clock = CountingClock()
    keys = ring(clock, rotate_on=IN_ORDER)
    if code:
        keys.reject(FIRST, code, HERE, None)
        clock.pass_time(86_400.0)
        assert chosen(keys) == FIRST
    before = clock.asked
    assert {chosen(keys) for _ in range(10)} == {FIRST}
    assert clock.asked == before


def test_a_shorter_rest_said_later_ends_no_longer_one() -> None:
    keys = ring(ManualClock())
    for seconds in (100.0, 10.0):
        keys.reject(FIRST, RATE_LIMITED, HERE, seconds)
    assert keys.readings()[0].seconds_left == 100.0


@pytest.mark.parametrize("outcome", [SERVER_ERROR, AUTH_REJECTED])
def test_after_a_try_no_other_answer_counts_for_it(outcome: str) -> None:
    clock = ManualClock()
    keys = ring(clock)
    keys.reject(FIRST, AUTH_REJECTED, HERE, None)
    clock.pass_time(3600.0)
    assert chosen(keys, may_check=True) == FIRST
    keys.reject(FIRST, outcome, HERE, None)
    keys.accept(FIRST)
    assert keys.key(FIRST).state is KeyState.INVALID


def test_a_key_that_proved_valid_and_is_rejected_again_rests_as_at_first() -> None:
    clock = ManualClock()
    keys = ring(clock)
    keys.reject(FIRST, AUTH_REJECTED, HERE, None)
    clock.pass_time(3600.0)
    assert chosen(keys, may_check=True) == FIRST
    keys.accept(FIRST)
    keys.reject(FIRST, AUTH_REJECTED, HERE, None)
    keys.reject(FIRST, PLAN_LIMITED, HERE, None)  # of a call begun before
    assert (keys.key(FIRST).state, keys.readings()[0].seconds_left) == (KeyState.INVALID, 3600.0)


def test_who_puts_a_key_back_forgives_what_was_before() -> None:
    keys = ring(ManualClock())
    for code in (RATE_LIMITED, QUOTA_EXHAUSTED, AUTH_REJECTED):
        keys.reject(FIRST, code, HERE, None)
    keys.release(FIRST)
    keys.reject(FIRST, RATE_LIMITED, HERE, None)
    assert keys.key(FIRST).state is KeyState.LIMITED


def test_a_try_under_way_is_waited_for_whatever_the_spacing() -> None:
    clock = ManualClock()
    quick = KeySettings(check_spacing=1.0)
    keys = KeyRing(POLYGON, ("one", "two"), clock, quick)
    for alias in (FIRST, SECOND):
        keys.reject(alias, AUTH_REJECTED, HERE, None)
    clock.pass_time(3600.0)
    assert chosen(keys, may_check=True) == FIRST
    clock.pass_time(59.0)
    assert chosen(keys, may_check=True).startswith(AUTH_REJECTED)
    keys.reject(FIRST, TIMEOUT, HERE, None)
    assert chosen(keys, may_check=True) == FIRST
    keys.reject(FIRST, AUTH_REJECTED, HERE, None)
    clock.pass_time(1.0)
    assert chosen(keys, may_check=True) == SECOND


def test_the_choice_holds_until_a_plan_may_be_tried_again() -> None:
    clock = ManualClock()
    keys = ring(clock, rotate_on=IN_ORDER)
    keys.reject(FIRST, PLAN_LIMITED, HERE, None)
    assert (chosen(keys), chosen(keys), chosen(keys, ELSEWHERE)) == (SECOND, SECOND, FIRST)
    clock.pass_time(86_400.0)
    assert (chosen(keys), chosen(keys, ELSEWHERE)) == (FIRST, FIRST)


def test_the_choice_holds_until_a_key_has_to_be_tried_again() -> None:
    clock = ManualClock()
    keys = ring(clock, ("a", "b", "c"), IN_ORDER)
    for alias in (FIRST, SECOND):
        keys.reject(alias, AUTH_REJECTED, HERE, None)
    assert chosen(keys) == chosen(keys) == "polygon_io#3"
    clock.pass_time(3600.0)
    assert chosen(keys).endswith(" 0s")
    assert chosen(keys, may_check=True) == FIRST
    keys.reject(FIRST, AUTH_REJECTED, HERE, None)
    assert chosen(keys) == chosen(keys, may_check=True) == "polygon_io#3"
    clock.pass_time(60.0)
    assert chosen(keys, may_check=True) == SECOND


def test_the_choice_changes_with_the_keys() -> None:
    keys = ring(ManualClock(), ("a", "b", "c"), IN_ORDER)
    keys.reject(FIRST, AUTH_REJECTED, HERE, None)
    assert chosen(keys) == SECOND
    keys.quarantine(SECOND, "leaked")
    assert chosen(keys) == "polygon_io#3"
    keys.release(SECOND)
    assert chosen(keys) == SECOND
    keys.rotate(FIRST, "new")
    assert chosen(keys) == FIRST
    keys.remove(FIRST)
    assert chosen(keys) == SECOND


def test_a_rest_that_is_over_counts_for_nothing() -> None:
    clock = ManualClock()
    keys = ring(clock, ("only",), IN_ORDER)
    keys.reject(FIRST, QUOTA_EXHAUSTED, HERE, None)
    clock.pass_time(3600.0)
    keys.reject(FIRST, RATE_LIMITED, HERE, 40.0)
    assert keys.key(FIRST).state is KeyState.LIMITED
    clock.pass_time(40.0)
    assert chosen(keys) == FIRST


def test_what_is_due_at_one_endpoint_is_not_forgotten_over_another() -> None:
    clock = ManualClock()
    keys = ring(clock, rotate_on=IN_ORDER)
    keys.reject(FIRST, AUTH_REJECTED, HERE, None)
    keys.exclude(FIRST, {ELSEWHERE: 86_400.0})
    assert chosen(keys, HERE) == chosen(keys, ELSEWHERE) == SECOND
    clock.pass_time(3600.0)
    assert chosen(keys, ELSEWHERE) == SECOND  # there the plan is known not to cover it
    assert chosen(keys, HERE, may_check=True) == FIRST
