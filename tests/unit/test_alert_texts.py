"""What an alert says."""

from dataclasses import replace

import pytest
from tests.troubles import MASKED, NOT_HEALED

from autonomous_healing.alerts.texts import CURED, TRIED, message, recommended_actions, title
from autonomous_healing.endpoint_healing import codes
from autonomous_healing.endpoint_healing.healer import LATE_ANSWER
from autonomous_healing.endpoint_healing.strategies import fred, general, polygon, yahoo_finance

#: One that was set to work on nothing: only what is left to do can be recommended.
UNTOUCHED = replace(NOT_HEALED, attempted=False, tried=())


def test_the_title_is_the_source_and_how_it_is() -> None:
    assert title("Yahoo Finance", "degraded") == "Yahoo Finance - Degraded"


def test_says_what_healed() -> None:
    assert message(MASKED) == "Error detected and automatically healed using use_cached_data."


def test_says_what_persists_and_where() -> None:
    assert message(NOT_HEALED) == "Error persisting on /chart. the upstream answered 503"


def test_an_upstreams_words_become_one_short_printable_line() -> None:
    text = message(replace(NOT_HEALED, message="bad\x00 gateway\r\n<html>\ud800" + "x" * 9000))

    assert text.startswith("Error persisting on /chart. bad gateway <html> x")
    assert text.isprintable()
    assert len(text) < 600


@pytest.mark.parametrize(
    ("code", "actions"),
    [
        (codes.RATE_LIMITED, ("Monitoring for recovery", "Consider upgrading the plan")),
        (codes.QUOTA_EXHAUSTED, ("Monitoring for recovery", "Consider upgrading the plan")),
        (codes.CLIENT_BLOCKED, ("Monitoring for recovery",)),
        (codes.TIMEOUT, ("Check upstream status",)),
        (codes.AUTH_REJECTED, ("Verify credentials (manual)", "Check key expiry")),
        (codes.PLAN_LIMITED, ("Verify credentials (manual)", "Consider upgrading the plan")),
        (codes.SERVER_ERROR, ("Waiting for recovery",)),
        (codes.UNREACHABLE, ("Check local network and DNS",)),
        (codes.TOO_LARGE, ("Consider raising healing.max_answer_mb",)),
        (codes.UNPARSABLE, ("Check provider change log",)),
        (codes.FROZEN, ("Check provider change log",)),
        ("SYS.LATENCY", ("Monitoring for recovery",)),
    ],
)
def test_recommends_by_code_and_lists_no_deed_that_was_not_done(code: str, actions: tuple[str, ...]) -> None:
    assert recommended_actions(replace(UNTOUCHED, code=code)) == actions


@pytest.mark.parametrize(
    ("code", "strategy", "done"),
    [
        (codes.TIMEOUT, "use_cached_data", "Used cached data"),
        (codes.STALE, "use_cached_data", "Served last valid data"),
        (codes.TIMEOUT, "reduce_request_size", "Retried with a smaller request"),
        (codes.AUTH_REJECTED, "fred_rotate_api_key", "Attempted key rotation"),
        (codes.SERVER_ERROR, "yahoo_alternate_endpoint", "Switched to fallback endpoint"),
    ],
)
def test_says_first_what_healed_in_the_past_tense(code: str, strategy: str, done: str) -> None:
    trouble = replace(MASKED, code=code, strategy=strategy, tried=(strategy,))

    assert recommended_actions(trouble)[0] == done


def test_what_was_tried_in_vain_counts_as_tried_and_not_as_used() -> None:
    trouble = replace(NOT_HEALED, code=codes.AUTH_REJECTED, tried=("rotate_api_key", "use_cached_data"))

    assert recommended_actions(trouble) == (
        "Attempted key rotation",
        "Verify credentials (manual)",
        "Check key expiry",
    )


def test_knows_no_deed_of_a_strategy_that_does_not_exist() -> None:
    classes = [vars(module).values() for module in (general, fred, polygon, yahoo_finance)]
    names = {
        name for found in classes for one in found if isinstance(name := getattr(one, "name", None), str)
    }

    assert {*TRIED, *CURED} <= {*names, LATE_ANSWER}
