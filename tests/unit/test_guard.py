"""What may be done without asking: each gate says no once, and yes when it should."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomous_healing.safety import Action, FailSafe, Guard, Mode, Origin, SafetySettings, Verdict

APPROVED, NEEDS_APPROVAL, DENIED = Verdict.APPROVED, Verdict.NEEDS_APPROVAL, Verdict.DENIED

#: A validated answer for one request.
ANSWER = Action(
    domain="endpoint", name="use_cached_data", origin=Origin.RULE, confidence=0.3, risk=1, single_answer=True
)
#: Something that stands until it is undone.
KNOB = Action(
    domain="endpoint", name="prefer_host", origin=Origin.RULE, confidence=0.9, risk=3, undoable=True
)

TABLE = [
    (ANSWER, APPROVED, "a validated answer that the caller allows"),
    (replace(ANSWER, origin=Origin.LEARNED, risk=3), APPROVED, "a validated answer that the caller allows"),
    (KNOB, APPROVED, "within the limits"),
    (replace(ANSWER, domain="system"), DENIED, "domain_violation: system"),
    (replace(KNOB, domain="code"), DENIED, "domain_violation: code"),
    (replace(ANSWER, name="forbidden_one"), DENIED, "on the deny list"),
    (replace(KNOB, name="forbidden_one"), DENIED, "on the deny list"),
    (replace(KNOB, undoable=False), DENIED, "no way back"),
    (replace(KNOB, undoable=False, confidence=1.0, risk=1), DENIED, "no way back"),
    (replace(KNOB, confidence=0.79), NEEDS_APPROVAL, "confidence 0.79"),
    (replace(KNOB, confidence=0.80), APPROVED, "within the limits"),
    (replace(KNOB, confidence=float("nan")), NEEDS_APPROVAL, "confidence nan"),
    (replace(KNOB, risk=6), APPROVED, "within the limits"),
    (replace(KNOB, risk=7), NEEDS_APPROVAL, "risk 7"),
    (replace(ANSWER, risk=4), NEEDS_APPROVAL, "confidence 0.30"),
    (replace(ANSWER, risk=10, confidence=1.0), NEEDS_APPROVAL, "risk 10"),
    (replace(ANSWER, origin=Origin.GENERATED), NEEDS_APPROVAL, "confidence 0.30"),
    (replace(ANSWER, origin=Origin.GENERATED, confidence=0.9), APPROVED, "within the limits"),
]


@pytest.mark.parametrize(("action", "verdict", "reason"), TABLE)
def test_reviews_by_the_table(action: Action, verdict: Verdict, reason: str) -> None:
    review = Guard(SafetySettings(deny=("forbidden_one",))).review(action)
    assert (review.verdict, review.reason) == (verdict, reason)


LEARNED_KNOB = replace(KNOB, origin=Origin.LEARNED)
LEARNED_ANSWER = replace(ANSWER, origin=Origin.LEARNED)


@pytest.mark.parametrize(
    ("mode", "allowed"),
    [
        (Mode.NORMAL, {"rule answer", "learned answer", "rule knob", "learned knob"}),
        (Mode.RULES_ONLY, {"rule answer", "rule knob"}),
        (Mode.ANSWERS_ONLY, {"rule answer", "learned answer"}),
        (Mode.OBSERVE_ONLY, set()),
    ],
)
def test_each_mode_takes_its_freedom_away(mode: Mode, allowed: set[str]) -> None:
    guard = Guard(fail_safe=FailSafe(mode))
    actions = {
        "rule answer": ANSWER,
        "learned answer": LEARNED_ANSWER,
        "rule knob": KNOB,
        "learned knob": LEARNED_KNOB,
    }
    reviews = {name: guard.review(action) for name, action in actions.items()}
    assert {name for name, review in reviews.items() if review.verdict is APPROVED} == allowed
    denied = [review for review in reviews.values() if review.verdict is not APPROVED]
    assert {(one.verdict, one.reason) for one in denied} <= {(DENIED, f"fail-safe mode {mode}")}


def test_a_mode_is_entered_while_running() -> None:
    guard = Guard()
    assert guard.review(ANSWER).verdict is APPROVED
    guard.fail_safe.enter(Mode.OBSERVE_ONLY, "by hand")
    assert guard.review(ANSWER).verdict is DENIED
    assert guard.fail_safe.reason == "by hand"


@given(
    st.builds(
        Action,
        domain=st.sampled_from(["endpoint", "system", "code"]),
        name=st.text(max_size=8),
        origin=st.sampled_from(Origin),
        confidence=st.floats(),
        risk=st.integers(0, 11),
        single_answer=st.booleans(),
        undoable=st.booleans(),
    )
)
def test_nothing_is_approved_that_cannot_be_undone_or_lies_outside(action: Action) -> None:
    review = Guard().review(action)
    if review.verdict is APPROVED:
        assert action.domain == "endpoint"
        assert action.single_answer or action.undoable
        assert action.risk < 7
    assert Guard(fail_safe=FailSafe(Mode.OBSERVE_ONLY)).review(action).verdict is DENIED
