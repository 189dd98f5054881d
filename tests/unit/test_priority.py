"""Who goes first, by a caller's own word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomous_healing.endpoint_healing.priority import Priority, priority_said

SAID = [
    ("u=0", Priority.INTERACTIVE),
    ("u=3", Priority.INTERACTIVE),
    ("u=4", Priority.INTERACTIVE),
    ("u=5", Priority.BATCH),
    ("u=7", Priority.BATCH),
    ("u=6, i", Priority.BATCH),
    ("i, u=6", Priority.BATCH),
    (" u=6 ", Priority.BATCH),
    ("u=6;x=1", Priority.BATCH),
    ("u=6, u=1", Priority.INTERACTIVE),
    ("u=1, u=6", Priority.BATCH),
    ("i", Priority.INTERACTIVE),
    ("", Priority.INTERACTIVE),
    ("u", Priority.INTERACTIVE),
    ("u=8", Priority.INTERACTIVE),
    ("u=-1", Priority.INTERACTIVE),
    ("u=66", Priority.INTERACTIVE),
    ("u=6.0", Priority.INTERACTIVE),
    ('u="6"', Priority.INTERACTIVE),
    ("u=６", Priority.INTERACTIVE),
    ("batch", Priority.INTERACTIVE),
    ("xu=6", Priority.INTERACTIVE),
]


@pytest.mark.parametrize(("field", "priority"), SAID)
def test_who_can_wait_says_so_by_an_urgency_of_five_or_more(field: str, priority: Priority) -> None:
    assert priority_said(field) is priority


@given(st.text())
def test_nothing_that_a_caller_may_say_is_an_error(field: str) -> None:
    assert priority_said(field) in Priority
