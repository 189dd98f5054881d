"""Whether a stored answer is given (RFC 9111, sections 4 and 5.2; RFC 5861; RFC 8246)."""

from typing import Any

import pytest
from tests.caching import request, stored

from autonomous_healing.endpoint_healing.caching.reuse import (
    ASKED_ANEW,
    EXPIRED,
    FRESH,
    GATEWAY_TIMEOUT,
    MISS,
    STALE_BY_REQUEST,
    WHILE_REVALIDATE,
    Decision,
    Windows,
    decide,
    may_stand_in,
)

MINUTE = "max-age=60"


@pytest.mark.parametrize(
    ("said", "wish", "age", "decision"),
    [
        (MINUTE, "", 59.9, FRESH),
        (MINUTE, "", 60.0, EXPIRED),
        ("max-age=0", "", 0.0, EXPIRED),
        (f"{MINUTE}, no-cache", "", 1.0, EXPIRED),  # 5.2.2.4
        (f"{MINUTE}, must-revalidate", "", 59.0, FRESH),
        # What the caller wants, 5.2.1
        (MINUTE, "no-cache", 1.0, ASKED_ANEW),
        (MINUTE, "no-store", 1.0, ASKED_ANEW),
        (MINUTE, "max-age=10", 10.0, FRESH),
        (MINUTE, "max-age=10", 10.1, ASKED_ANEW),
        (MINUTE, "max-age=0", 0.5, ASKED_ANEW),
        (MINUTE, "min-fresh=10", 50.0, FRESH),
        (MINUTE, "min-fresh=10", 50.1, ASKED_ANEW),
        (MINUTE, "only-if-cached", 1.0, FRESH),
        (MINUTE, "only-if-cached", 61.0, GATEWAY_TIMEOUT),
        (MINUTE, "only-if-cached, no-cache", 1.0, GATEWAY_TIMEOUT),
        (MINUTE, "max-stale", 9999.0, STALE_BY_REQUEST),
        (MINUTE, "max-stale=10", 70.0, STALE_BY_REQUEST),
        (MINUTE, "max-stale=10", 70.1, EXPIRED),
        (MINUTE, "max-stale=10, only-if-cached", 65.0, STALE_BY_REQUEST),
        # What forbids to give it once it is over, whoever wants it: 5.2.2.2, 5.2.2.8, 5.2.2.10
        (f"{MINUTE}, must-revalidate", "max-stale", 61.0, EXPIRED),
        (f"{MINUTE}, proxy-revalidate", "max-stale", 61.0, EXPIRED),
        ("s-maxage=60", "max-stale", 61.0, EXPIRED),
        (f"{MINUTE}, must-revalidate, stale-while-revalidate=60", "", 61.0, EXPIRED),
        # RFC 5861, section 3
        (f"{MINUTE}, stale-while-revalidate=30", "", 90.0, WHILE_REVALIDATE),
        (f"{MINUTE}, stale-while-revalidate=30", "", 90.1, EXPIRED),
        (f"{MINUTE}, stale-while-revalidate=30", "no-cache", 70.0, ASKED_ANEW),
        # RFC 8246, section 2
        (f"{MINUTE}, immutable", "max-age=0", 30.0, FRESH),
        (f"{MINUTE}, immutable", "no-cache", 30.0, ASKED_ANEW),
        (f"{MINUTE}, immutable", "max-age=0", 61.0, ASKED_ANEW),
    ],
)
def test_decides(said: str, wish: str, age: float, decision: Decision) -> None:
    assert decide(stored(cache_control=said), age, request(cache_control=wish).wishes) is decision


def test_where_nothing_is_kept_the_source_is_asked_unless_that_is_not_wanted() -> None:
    assert decide(None, 0.0, request().wishes) is MISS
    assert decide(None, 0.0, request(cache_control="only-if-cached").wishes) is GATEWAY_TIMEOUT


def test_pragma_counts_where_there_is_no_cache_control() -> None:
    """RFC 9111, section 5.4."""
    answer = stored(cache_control=MINUTE)
    assert decide(answer, 1.0, request(pragma="no-cache").wishes) is ASKED_ANEW
    assert decide(answer, 1.0, request(pragma="x , No-Cache").wishes) is ASKED_ANEW
    assert decide(answer, 1.0, request(pragma="no-cache", cache_control="x").wishes) is FRESH
    assert decide(answer, 1.0, request(pragma="other").wishes) is FRESH


def test_an_operator_may_let_it_be_given_for_longer_but_not_against_its_source() -> None:
    wide = Windows(while_revalidate=30.0)
    nothing = request().wishes
    assert decide(stored(cache_control=MINUTE), 90.0, nothing, wide) is WHILE_REVALIDATE
    assert decide(stored(cache_control=MINUTE), 90.1, nothing, wide) is EXPIRED
    assert decide(stored(cache_control=f"{MINUTE}, must-revalidate"), 61.0, nothing, wide) is EXPIRED


@pytest.mark.parametrize(
    ("said", "wish", "window", "age", "may"),
    [
        (MINUTE, "", 0.0, 61.0, False),
        (f"{MINUTE}, stale-if-error=30", "", 0.0, 90.0, True),  # RFC 5861, section 4
        (f"{MINUTE}, stale-if-error=30", "", 0.0, 90.1, False),
        (MINUTE, "stale-if-error=30", 0.0, 90.0, True),
        (MINUTE, "", 30.0, 90.0, True),
        (MINUTE, "", 30.0, 90.1, False),
        (f"{MINUTE}, must-revalidate, stale-if-error=30", "", 30.0, 61.0, False),
        (f"{MINUTE}, proxy-revalidate", "", 30.0, 61.0, False),
        (f"{MINUTE}, no-cache", "", 30.0, 61.0, False),
        ("s-maxage=60", "", 30.0, 61.0, False),
    ],
)
def test_stands_in_for_an_error(said: str, wish: str, window: float, age: float, may: bool) -> None:
    wishes, windows = request(cache_control=wish).wishes, Windows(if_error=window)
    assert may_stand_in(stored(cache_control=said), age, wishes, windows) is may


@pytest.mark.parametrize("fields", [{}, {"accept": "x", "user_agent": "y", "cookie": "z"}])
def test_a_plain_request_is_known_as_one(fields: dict[str, Any]) -> None:
    assert request(**fields).plain


@pytest.mark.parametrize(
    "field",
    [
        "cache_control",
        "pragma",
        "range",
        "if_none_match",
        "if_modified_since",
        "if_match",
        "if_unmodified_since",
    ],
)
def test_one_that_wants_more_is_not_plain(field: str) -> None:
    asked = request(**{field: "x"})
    assert not asked.plain
    assert asked.cacheable is (field not in ("if_match", "if_unmodified_since"))
